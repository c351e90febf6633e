/** What the training samples of a table say about its columns. */
import {
  type CategoryColumn,
  type CategoryStatistics,
  categoryLimit,
  type NumberStatistics,
  type TableStatistics,
} from "../array/schema.ts";
import { fail } from "../errors.ts";
import type { Dataset } from "./dataset.ts";
import type { ColumnArray } from "./memory.ts";
import type { CodeFold } from "./statistics/code-fold.ts";
import { NumberFold } from "./statistics/number-fold.ts";
import { firstPass, foldsOf, secondPass } from "./statistics/passes.ts";
import { type Show, type Swept, sweep } from "./statistics/sweep.ts";

/**
 * The statistics an encoder is fitted on. Pass the training samples only: what is fitted on others too makes validation
 * look better than it is. A sample of weight 0 might as well not be there; other weights count for the targets, whose
 * mean or classes are what a model must beat, and not for the features. Computed in float64 from the float32 numbers, in
 * two passes over the samples, some thousand at a time: data on a disk may be larger than memory. Quartiles are exact, those
 * of `numpy.quantile`; where there are hundreds of columns of millions of samples they take further passes.
 * Throws for a dataset that is no table.
 */
export async function statistics(data: Swept & Pick<Dataset, "name" | "schema">): Promise<TableStatistics> {
  const schema = data.schema ?? noSchema(data.name);
  const folds = foldsOf(schema);
  const samples = await firstPass(data, folds);
  await secondPass(data, folds);
  return {
    samples,
    features: schema.features.map((feature) =>
      feature.kind === "number"
        ? folds.features.get(feature.name)!.statistics(feature.name)
        : categoryStatistics(feature, folds.codes.get(feature.name)!),
    ),
    targets: schema.targets.map((target) => {
      if (target.task === "classification") {
        const { counts, weights } = folds.codes.get(target.name)!;
        return { ...target, counts, ...(data.weight !== undefined && { weights }) };
      }
      const { mean, deviation } = folds.targets.get(target.name)!;
      return { ...target, mean, deviation };
    }),
  };
}

/** How many training samples have a number beyond these limits, by column: what a model's limits change. In one pass. */
export async function countBeyond(
  data: Swept,
  limits: Readonly<Record<string, { readonly from: number; readonly to: number }>>,
): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {};
  const shows = Object.entries(limits).map(([name, { from, to }]): [string, Show] => {
    counts[name] = 0;
    const isBeyond = (value: number) => value < from || value > to;
    return [name, (values) => (counts[name]! += values.filter(isBeyond).length)];
  });
  if (shows.length > 0) await sweep(data, new Map(shows));
  return counts;
}

/** The statistics of one column of numbers in memory. */
export function numberStatistics(name: string, values: ColumnArray): NumberStatistics {
  const fold = new NumberFold();
  fold.add(values);
  fold.addSquares(values);
  return fold.statistics(name);
}

/**
 * Keeps the most frequent categories that occur, the earlier of equally frequent ones, in the order of their codes. Of an
 * ordered column it keeps all, in order: their codes are ranks.
 */
function categoryStatistics(
  { name, categories, isOrdered }: CategoryColumn,
  { counts: all, missing, unlisted }: CodeFold,
): CategoryStatistics {
  const codes = isOrdered === true ? [...all.keys()] : mostFrequent(all);
  const counts = codes.map((code) => all[code]!);
  const sumOf = (some: readonly number[]) => some.reduce((sum, count) => sum + count, 0);
  const other = unlisted + sumOf(all) - sumOf(counts);
  return {
    kind: "category",
    name,
    categories: codes.map((code) => categories[code]!),
    ...(isOrdered !== undefined && { isOrdered }),
    codes,
    counts,
    missing,
    other,
    ...(other > 0 && isOrdered !== true && { frequencies: all }),
  };
}

function mostFrequent(counts: readonly number[]): number[] {
  return [...counts.keys()]
    .filter((code) => counts[code]! > 0)
    .sort((a, b) => counts[b]! - counts[a]! || a - b)
    .slice(0, categoryLimit)
    .sort((a, b) => a - b);
}

function noSchema(name: string): never {
  return fail(`statistics of ${name}`, {
    expected: "a table, which knows what its columns mean",
    got: "columns of numbers only",
    fix: "read it with table(path, { target }), or standardise with standardize({ mean, deviation })",
  });
}
