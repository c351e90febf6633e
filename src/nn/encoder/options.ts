/** What may be chosen of an encoder, and what was chosen for a column. */
import type { FeatureStatistics, TableStatistics } from "../../array/schema.ts";
import { fail } from "../../errors.ts";

/**
 * How a number x becomes a feature, by statistics of the training samples:
 * - "standardize": (x − mean) / deviation.
 * - "minMax": (x − minimum) / (maximum − minimum): 0 … 1 in the training samples, and beyond outside of them.
 * - "robust": (x − median) / (upper quartile − lower quartile), which no outlier moves. Where both quartiles are the same,
 *   since most numbers are, the deviation stands in. Source: scikit-learn's RobustScaler, which then divides by 1.
 * - "log": y = sign(x) · ln(1 + |x|), then (y − mean of the y) / deviation of the y: for counts, prices and whatever else is
 *   a hundred times larger in one sample than in the next. Negative numbers are as welcome as positive ones.
 * - "none": x as it is.
 */
export type NumberScale = (typeof numberScales)[number];
export const numberScales = ["standardize", "minMax", "robust", "log", "none"] as const;

/**
 * How a category becomes features: "oneHot", a column for each of the 100 most frequent, or "embedding", a trained vector
 * for every category.
 */
export type CategoryForm = (typeof categoryForms)[number];
export const categoryForms = ["oneHot", "embedding"] as const;

/** Options of `encoder`. */
export interface EncoderOptions {
  /** How numbers are scaled: all of them, or those that are named, the others being standardised. Default "standardize". */
  readonly numbers?: NumberScale | Readonly<Record<string, NumberScale>>;
  /**
   * The farthest that a scaled number may lie from 0: beyond it numbers become this limit, so that one slip of the pen does
   * not outweigh everything else. In deviations from the mean for "standardize" and "log", in interquartile ranges from the
   * median for "robust"; "minMax" and "none" have no such unit and no limit. The limits are part of the saved model.
   * Default: none, since ordinary data goes as far as slips do: of a million exponential numbers the largest lies 13
   * deviations from the mean, of a million log-normal ones 60, a flag that one sample in a thousand has lies 30 off, and a
   * model with limits is flat beyond them.
   */
  readonly clip?: number;
  /**
   * What categories become. "embedding": columns of more than 100 categories become trained vectors, the others stay one-hot.
   * By name: those columns, however many categories they have; the others stay one-hot. Default "oneHot".
   */
  readonly categories?: CategoryForm | Readonly<Record<string, CategoryForm>>;
  /** The length of a column's vectors, by name. Default min(50, ⌈1.6 · n^0.56⌉) for n categories. */
  readonly embeddingSizes?: Readonly<Record<string, number>>;
}

/** The scale of a column of numbers. */
export function scaleOf({ numbers = "standardize" }: EncoderOptions, name: string): NumberScale {
  if (typeof numbers === "string") return numbers;
  return (Object.hasOwn(numbers, name) ? numbers[name] : undefined) ?? "standardize";
}

/** What a column was named to become; undefined where it was not. */
export function namedForm({ categories }: EncoderOptions, name: string): CategoryForm | undefined {
  if (typeof categories !== "object") return undefined;
  return Object.hasOwn(categories, name) ? categories[name] : undefined;
}

/** Throws for what does not exist: columns of another kind or name, scales, forms and sizes. */
export function checkOptions({ features }: TableStatistics, options: EncoderOptions): void {
  const { numbers, categories, embeddingSizes, clip } = options;
  const namesOf = (is: (feature: FeatureStatistics) => boolean) =>
    features.filter(is).map(({ name }) => name);
  const texts = namesOf(
    (feature) => feature.kind === "category" && feature.isOrdered !== true && feature.isCyclic !== true,
  );
  checkChoice(
    "numbers",
    numbers,
    numberScales,
    namesOf(({ kind }) => kind === "number"),
  );
  checkChoice("categories", categories, categoryForms, texts);
  for (const [name, size] of Object.entries(embeddingSizes ?? {})) {
    requireColumn("embeddingSizes", name, texts);
    if (Number.isSafeInteger(size) && size >= 1) continue;
    fail(`encoder, embeddingSizes of "${name}"`, {
      expected: "a whole number from 1 on",
      got: String(size),
      fix: "for example 8, or leave it out",
    });
  }
  if (clip !== undefined && !(Number.isFinite(clip) && clip > 0)) {
    fail("encoder, clip", {
      expected: "a number of deviations above 0",
      got: String(clip),
      fix: "for example 8, or leave it out",
    });
  }
}

function checkChoice(
  option: string,
  chosen: string | Readonly<Record<string, string>> | undefined,
  choices: readonly string[],
  columns: readonly string[],
): void {
  const entries = typeof chosen === "object" ? Object.entries(chosen) : [];
  for (const [name] of entries) requireColumn(option, name, columns);
  const values = typeof chosen === "object" ? entries : [["", chosen] as const];
  for (const [name, value] of values) {
    if (value === undefined || choices.includes(value)) continue;
    fail(`encoder, ${option}${name === "" ? "" : ` of "${name}"`}`, {
      expected: `one of ${choices.join(", ")}`,
      got: String(value),
      fix: `for example ${option}: "${choices[0]}"`,
    });
  }
}

function requireColumn(option: string, name: string, columns: readonly string[]): void {
  if (columns.includes(name)) return;
  const kind = option === "numbers" ? "numbers" : "categories without an order";
  fail(`encoder, ${option}`, {
    expected: `names of columns of ${kind}: ${columns.length === 0 ? "there are none" : columns.join(", ")}`,
    got: `"${name}"`,
    fix: columns.length === 0 ? `leave ${option} out` : "correct the name",
  });
}
