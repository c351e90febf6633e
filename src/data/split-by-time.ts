/** The past for training, what came later for validation and test. */
import { isDate } from "../array/date.ts";
import { fail } from "../errors.ts";
import { readColumn } from "./column.ts";
import type { ColumnSpecs, Dataset } from "./dataset.ts";
import { columnNames } from "./identity.ts";
import type { ColumnArray } from "./memory.ts";
import { parseNumber } from "./numbers.ts";
import { namedParts, partIntervals, type ShareOptions, type Split, samplesOfParts } from "./shares.ts";
import { partsOf } from "./split.ts";

/** How much of the samples, by their time, is not for training. */
export type TimeShares = Pick<ShareOptions, "validation" | "test">;

/**
 * The dataset's samples divided by time: the latest share is for validation or, with `test`, the latest for
 * test and what comes before it for validation. A model is then judged on what it could not have known.
 *
 *   const { training, validation } = await splitByTime(sales, "day", { validation: 0.2 });
 *
 * Samples of the same time stay together: the border is the change of time that is nearest to the asked
 * share. Nothing is random. Later samples move the border, and with it old samples from validation to
 * training. The order stays. column: numbers; texts, which are compared as numbers or as dates of ISO 8601
 * where all are such (2024-01-31, 2024-01-31 14:30Z), and else code by code, as is right for 2024-W05;
 * ordered categories and parts of dates by their rank. Numbers of tables are float32: days, or years with a
 * fraction, but seconds since 1970 only to two minutes.
 * Throws for a column without values, where a sample has none, for dates whose texts do not sort
 * (31/12/2023), for shares as `split` does, and for fewer different times than parts.
 */
export async function splitByTime<Columns extends ColumnSpecs>(
  dataset: Dataset<Columns>,
  column: keyof Columns & string,
  shares: TimeShares = {},
): Promise<Split<Dataset<Columns>>> {
  const where = `splitByTime of ${dataset.name}, "${column}"`;
  const request = { where, data: dataset, column, wanted: "values", otherwise: "use split" } as const;
  const values = await readColumn(request);
  columnNames(where, dataset, column, values);
  return partsOf(dataset, splitSamplesByTime(timesOf(where, dataset, column, values), shares));
}

/** The same division as indices, each part ascending. times: a number per sample, later ones greater. */
export function splitSamplesByTime(
  times: ArrayLike<number>,
  shares: TimeShares = {},
): Split<Uint32Array<ArrayBuffer>> {
  const { length } = times;
  const parts = partIntervals("splitByTime", shares, length);
  const sorted = Float64Array.from(times).sort();
  const changes: number[] = []; // how many samples are earlier than each time but the first
  for (let at = 1; at < length; at++) if (sorted[at]! > sorted[at - 1]!) changes.push(at);
  if (changes.length < parts.length - 1) {
    fail("splitByTime", {
      expected: `at least ${parts.length} different times`,
      got: String(changes.length + 1),
      fix: "use split, or a column with more of them",
    });
  }
  const { validation = 0.2, test = 0 } = shares;
  const first = nearest(
    changes.slice(0, changes.length - (parts.length - 2)),
    length * (1 - validation - test),
  );
  const borders = [first];
  if (parts.length === 3)
    borders.push(
      nearest(
        changes.filter((at) => at > first),
        length * (1 - test),
      ),
    );
  const from = borders.map((at) => sorted[at]!);
  const chosen = new Uint8Array(length);
  for (let sample = 0; sample < length; sample++) {
    chosen[sample] = from.reduce((part, start) => part + (times[sample]! >= start ? 1 : 0), 0);
  }
  return namedParts(samplesOfParts(chosen, parts.length));
}

/** Of equally near ones the later. */
function nearest(ascending: readonly number[], wanted: number): number {
  return ascending.reduce((best, at) => (Math.abs(at - wanted) <= Math.abs(best - wanted) ? at : best));
}

/** Numbers that stand in the order of the times. */
function timesOf(where: string, data: Dataset, column: string, values: ColumnArray): ArrayLike<number> {
  const { categories } = data.columns[column]!;
  const feature = data.schema?.features.find(({ name }) => name === column);
  const isOrdered = feature?.kind === "category" && feature.isOrdered === true;
  if (categories === undefined || isOrdered || feature?.ofDate !== undefined) return values;
  const ranks = ranksOf(where, categories);
  return values.map((code) => ranks[code]!);
}

/** The place of each text among the others. What says the same has the same place. */
function ranksOf(where: string, texts: readonly string[]): readonly number[] {
  const compare = comparisonOf(where, texts);
  const order = [...texts.keys()].sort((a, b) => compare(texts[a]!, texts[b]!));
  const ranks: number[] = new Array(texts.length).fill(0);
  order.forEach((text, place) => {
    const before = order[place - 1];
    if (before === undefined) return;
    ranks[text] = compare(texts[before]!, texts[text]!) === 0 ? ranks[before]! : place;
  });
  return ranks;
}

type Comparison = (a: string, b: string) => number;

function comparisonOf(where: string, texts: readonly string[]): Comparison {
  // A number that float64 cannot hold is compared by all of its digits.
  if (texts.every((text) => /^[+-]?[0-9]+$/.test(text))) return byKey(texts, BigInt);
  if (texts.every((text) => parseNumber(text) !== undefined)) return byKey(texts, Number);
  if (texts.every(isDate)) return byKey(texts, microseconds);
  const example = texts.find((text) => dayFirst.test(text));
  if (example === undefined) return byCode;
  return fail(where, {
    expected: "dates whose texts stand in the order of time, as 2024-01-31",
    got: JSON.stringify(example),
    fix: "write the year first, then month and day",
  });
}

const byCode: Comparison = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

function byKey(texts: readonly string[], keyOf: (text: string) => number | bigint): Comparison {
  const keys = new Map(texts.map((text) => [text, keyOf(text)]));
  return (a, b) => (keys.get(a)! < keys.get(b)! ? -1 : keys.get(a)! > keys.get(b)! ? 1 : 0);
}

/** Dates that begin with their day or month, or with its name, or that of a day of the week. */
const dayFirst =
  /^([0-9]{1,2}[./ -]([0-9]{1,2}|[A-Z][a-z]{2,8})[./, -]+[0-9]{2,4}|((Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? )?(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*[ .,-]+[0-9])/i;

/** Since 1970 in UTC, of a date that `isDate` takes; without a zone it is taken to be of UTC, as in a table. */
function microseconds(text: string): bigint {
  const [, date, clock = "00:00", fraction = "", zone = "Z"] =
    /^(.{10})(?:[T ](.{5}(?::[0-9]{2})?)(?:[.]([0-9]+))?(.+)?)?$/.exec(text)!;
  const offset = zone.length === 3 ? `${zone}:00` : zone;
  const whole = BigInt(Date.parse(`${date}T${clock}${offset}`));
  return 1000n * whole + BigInt(fraction.slice(0, 6).padEnd(6, "0"));
}
