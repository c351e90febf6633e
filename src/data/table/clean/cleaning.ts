/**
 * What is done about rows and values that are better left out: said by whoever reads the table, done nowhere
 * else, reported.
 */
import { fail, kindOf } from "../../../errors.ts";
import { cellOf, largestFloat32 } from "../../numbers.ts";

/** How a table is cleaned. Whatever is left out keeps everything, and ends at the first row that cannot be read. */
export interface Cleaning {
  /**
   * Rows that cannot be read: with too many or too few fields, text behind a closing quote, bytes that are no
   * UTF-8, another line end than the header's before or behind them; and rows with a text, an infinity or a
   * number beyond float32 where nine values in ten are numbers or a number is needed. Default "error": the
   * first ends the reading. { skip: 20 } leaves out at most so many lines, { skip: 0.01 } at most that share
   * of the rows. A row of several lines counts as so many, since a stray quote may have swallowed as many
   * rows. What is left out is in `report.skipped`.
   */
  readonly badRows?: BadRows;
  /**
   * By column. "drop" leaves out the rows that have no value there. Default "keep": they are filled inside
   * the model, by what suits the encoder. { fill } says by what; that, too, happens inside the model, and the
   * schema records it.
   */
  readonly missing?: Readonly<Record<string, MissingPolicy>>;
  /**
   * By column of numbers: rows to leave out because their number is too far from the others: more than so
   * many deviations from the mean, or outside two quantiles. The limits are those of all rows that are read,
   * before the table is split.
   */
  readonly outliers?: Readonly<Record<string, OutlierLimits>>;
  /**
   * Rows that are the same as an earlier one in every column that is read: target, weight, features and what
   * is kept. Default "keep".
   */
  readonly duplicates?: "keep" | "drop";
  /**
   * Categories with fewer rows are not listed: they become the one "other" that categories never seen are.
   * Default 1.
   */
  readonly rareCategories?: { readonly atLeast: number };
}

export type MissingPolicy = "keep" | "drop" | Filling;

/**
 * What the encoder puts where a feature has no value: fitted on the samples it is trained on, never on the
 * whole table.
 */
export interface Filling {
  /**
   * Of numbers "mean", "median", "mode" or a constant, which may be a number's text; of categories "mode" or
   * a constant text, which becomes a category where no row has it. The mode is the most frequent value; of
   * equally frequent ones the smallest number, or the category that is listed first.
   */
  readonly fill: "mean" | "median" | "mode" | number | string;
  /** Whether a feature "… is missing" tells where something was filled in. Default true. */
  readonly indicator?: boolean;
}

export type BadRows = "error" | { readonly skip: number };
export type OutlierLimits =
  | { readonly deviations: number }
  | { readonly quantiles: readonly [low: number, high: number] };

/** Of a second table, which has to be judged as it is, only rows that cannot be read may be left out. */
export type LikeCleaning = Pick<Cleaning, "badRows">;

/** Throws for what is no such option. isLike: whether the first table decides the rest. */
export function checkCleaning(path: string, cleaning: object, isLike: boolean): void {
  const where = `${path}, option clean`;
  const known = isLike ? ["badRows"] : Object.keys(checks);
  for (const [name, value] of Object.entries(cleaning)) {
    if (!known.includes(name)) {
      fail(where, {
        expected: `at most ${known.join(", ")}${isLike ? ", since another table decides the rest" : ""}`,
        got: `"${name}"`,
        fix: "rename or remove it",
      });
    }
    if (value !== undefined) checks[name as keyof Cleaning](`${where}.${name}`, value); // it is one of them, see above
  }
}

const checks: Readonly<Record<keyof Cleaning, (where: string, value: unknown) => void>> = {
  badRows(where, value) {
    if (value === "error" || isLimit(value, "skip", isCount) || isLimit(value, "skip", isShare)) return;
    refuse(
      where,
      '"error", or { skip: a number of lines, or a share of the rows below 1 }',
      value,
      "{ skip: 20 }",
    );
  },
  missing(where, value) {
    for (const [column, policy] of entriesOf(where, value, '"drop"')) {
      if (policy === "keep" || policy === "drop" || isFilling(policy)) continue;
      const expected =
        '"keep", "drop" or { fill: "mean", "median", "mode", a number that fits float32, or a text as a table has it }, ' +
        "and at most indicator: false beside fill";
      refuse(`${where}, "${column}"`, expected, policy, '{ fill: "mode" }');
    }
  },
  outliers(where, value) {
    for (const [column, limits] of entriesOf(where, value, "{ deviations: 4 }")) {
      if (isLimit(limits, "deviations", isPositive) || isLimit(limits, "quantiles", isRange)) continue;
      const expected = "{ deviations: a number above 0 }, or { quantiles: [low, high] } between 0 and 1";
      refuse(`${where}, "${column}"`, expected, limits, "{ deviations: 4 }");
    }
  },
  duplicates(where, value) {
    if (value !== "keep" && value !== "drop") refuse(where, '"keep" or "drop"', value, '"drop"');
  },
  rareCategories(where, value) {
    if (isLimit(value, "atLeast", (number) => isCount(number) && number >= 1)) return;
    refuse(where, "{ atLeast: a whole number of rows from 1 on }", value, "{ atLeast: 10 }");
  },
};

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
const isShare = (value: unknown) => typeof value === "number" && value > 0 && value < 1;
const isPositive = (value: unknown) => typeof value === "number" && value > 0 && Number.isFinite(value);
const isRange = (value: unknown) =>
  Array.isArray(value) && value.length === 2 && 0 <= value[0] && value[0] < value[1] && value[1] <= 1;

/** True for an object with one key, whose value is right. */
function isLimit(value: unknown, key: string, holds: (value: unknown) => boolean): boolean {
  if (typeof value !== "object" || value === null) return false;
  const [entry, ...others] = Object.entries(value);
  return others.length === 0 && entry?.[0] === key && holds(entry[1]);
}

function isFilling(value: unknown): value is Filling {
  if (typeof value !== "object" || value === null || !("fill" in value)) return false;
  const { fill, ...others } = value;
  const isFill =
    typeof fill === "number"
      ? Math.abs(fill) <= largestFloat32
      : typeof fill === "string" && cellOf(fill) === fill;
  return (
    isFill && Object.entries(others).every(([key, flag]) => key === "indicator" && typeof flag === "boolean")
  );
}

function entriesOf(where: string, value: unknown, example: string): [string, unknown][] {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return Object.entries(value);
  return refuse(where, "{ column: what to do }", value, `{ column: ${example} }`);
}

function refuse(where: string, expected: string, value: unknown, example: string): never {
  const isPlain = typeof value === "object" && value !== null;
  fail(where, {
    expected,
    got: isPlain ? JSON.stringify(value) : kindOf(value),
    fix: `for example ${example}`,
  });
}
