/** What the training samples of a table say about its columns. */
import {
  type CategoryColumn,
  type CategoryStatistics,
  categoryLimit,
  type TableStatistics,
} from "../array/schema.ts";
import { bug, fail } from "../errors.ts";
import type { Dataset } from "./dataset.ts";
import type { CodeFold } from "./statistics/code-fold.ts";
import { firstPass, foldsOf, secondPass } from "./statistics/passes.ts";
import { type Show, type Swept, sweep } from "./statistics/sweep.ts";

/**
 * The statistics an encoder is fitted on. Pass the training samples only: what is fitted on others too makes
 * validation look better than it is. A sample of weight 0 might as well not be there; other weights count for
 * the targets, whose mean or classes are what a model must beat, and not for the features. Computed in
 * float64 from the float32 numbers, in two passes over the samples, some thousand at a time: data on a disk
 * may be larger than memory. Quartiles are exact, those of `numpy.quantile`; where there are hundreds of
 * columns of millions of samples they take further passes.
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
        ? folds.features.get(feature.name)!.statistics()
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

/**
 * How many training samples have a number beyond these limits, by column: what a model's limits change. In
 * one pass.
 */
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

/**
 * Keeps the most frequent categories that occur, the earlier of equally frequent ones, in the order of their
 * codes, and the one that stands in for missing values. Of an ordered or cyclic column it keeps all, in
 * order: their codes are ranks.
 */
function categoryStatistics(column: CategoryColumn, fold: CodeFold): CategoryStatistics {
  const { categories } = column;
  const isInOrder = column.isOrdered === true || column.isCyclic === true;
  const { counts: all, missing, unlisted } = fold;
  const fill = fillCode(column, all);
  const codes = isInOrder ? [...all.keys()] : mostFrequent(all, fill);
  const counts = codes.map((code) => all[code]!);
  const sumOf = (some: readonly number[]) => some.reduce((sum, count) => sum + count, 0);
  const other = unlisted + sumOf(all) - sumOf(counts);
  return {
    ...column,
    categories: codes.map((code) => categories[code]!),
    codes,
    counts,
    missing,
    other,
    ...(other > 0 && !isInOrder && { frequencies: all }),
    ...(fill !== undefined && { fill: categories[fill]! }),
  };
}

/**
 * The code that stands in for a missing value: a category that was said, or the most frequent one, where
 * there is any.
 */
function fillCode(
  { categories, whenMissing }: CategoryColumn,
  counts: readonly number[],
): number | undefined {
  if (whenMissing === undefined) return undefined;
  if (whenMissing.fill !== "mode") {
    const code = categories.indexOf(whenMissing.fill);
    return code < 0 ? bug(`"${whenMissing.fill}" is no category, and fills one`) : code;
  }
  const most = counts.reduce((most, count) => Math.max(most, count), 0);
  return most === 0 ? undefined : counts.indexOf(most);
}

/** At most `categoryLimit` codes: those that occur, and one that has to be among them. */
function mostFrequent(counts: readonly number[], needed: number | undefined): number[] {
  const rank = (code: number) => (code === needed ? Number.POSITIVE_INFINITY : counts[code]!);
  return [...counts.keys()]
    .filter((code) => rank(code) > 0)
    .sort((a, b) => (rank(a) === rank(b) ? a - b : rank(b) - rank(a)))
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
