/** The past for training, what came later for validation and test. */
import { fail } from "../errors.ts";
import { readColumn } from "./column.ts";
import type { ColumnSpecs, Dataset } from "./dataset.ts";
import { columnNames } from "./identity.ts";
import type { ColumnArray } from "./memory.ts";
import { namedParts, partIntervals, type ShareOptions, type Split, samplesOfParts } from "./shares.ts";
import { partsOf } from "./split.ts";

/** How much of the samples, by their time, is not for training. */
export type TimeShares = Pick<ShareOptions, "validation" | "test">;

/**
 * The dataset's samples divided by time: the latest share is for validation or, with `test`, the latest for test and what
 * comes before it for validation. A model is then judged on what it could not have known.
 *
 *   const { training, validation } = await splitByTime(sales, "day", { validation: 0.2 });
 *
 * Samples of the same time stay together: the border is the change of time that is nearest to the asked share. Nothing is
 * random. Later samples move the border, and with it old samples from validation to training. The order stays.
 * column: numbers, or texts, which are compared code by code, as is right for dates such as 2024-01-31; ordered categories
 * by their rank. Numbers of tables are float32: days, or years with a fraction, but seconds since 1970 only to two minutes.
 * Throws for a column without values, where a sample has none, for shares as `split` does, and for fewer different times
 * than parts.
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
  return partsOf(dataset, splitSamplesByTime(timesOf(dataset, column, values), shares));
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
function timesOf(data: Dataset, column: string, values: ColumnArray): ArrayLike<number> {
  const { categories } = data.columns[column]!;
  const feature = data.schema?.features.find(({ name }) => name === column);
  const isOrdered = feature?.kind === "category" && feature.isOrdered === true;
  if (categories === undefined || isOrdered) return values;
  const sorted = [...categories].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const ranks = new Map(sorted.map((text, rank) => [text, rank]));
  return values.map((code) => ranks.get(categories[code]!)!);
}
