/** What the training samples of a table say about its columns. */
import {
  type CategoryColumn,
  type CategoryStatistics,
  categoryLimit,
  type FeatureColumn,
  type FeatureStatistics,
  type NumberStatistics,
  type TableSchema,
  type TableStatistics,
  type TargetColumn,
  type TargetStatistics,
} from "../array/schema.ts";
import { fail } from "../errors.ts";
import type { Dataset } from "./dataset.ts";
import type { ColumnArray } from "./memory.ts";
import { allSamples } from "./samples.ts";

/**
 * The statistics an encoder is fitted on. Pass the training samples only: what is fitted on others too makes validation
 * look better than it is. Weights do not count here. Computed in float64 from the float32 numbers, in two passes.
 * Throws for a dataset that is no table.
 */
export async function statistics(
  data: Pick<Dataset, "name" | "size" | "columns" | "read" | "schema">,
): Promise<TableStatistics> {
  const schema = data.schema ?? noSchema(data.name);
  const samples = allSamples(data);
  const numbers = async (name: string) => {
    const values = new Float32Array(data.size);
    await data.read(name, samples, values);
    return values;
  };
  const codes = async (name: string) => {
    const values = new Int32Array(data.size);
    await data.read(name, samples, values);
    return values;
  };
  const ofFeature = async (feature: FeatureColumn): Promise<FeatureStatistics> =>
    feature.kind === "number"
      ? numberStatistics(feature.name, await numbers(feature.name))
      : categoryStatistics(feature, await codes(feature.name));
  const ofTarget = async (target: TargetColumn): Promise<TargetStatistics> => {
    if (target.task === "classification") {
      return { ...target, counts: countCodes(await codes(target.name), target.categories.length) };
    }
    const { mean, deviation } = numberStatistics(target.name, await numbers(target.name));
    return { ...target, mean, deviation };
  };
  return { samples: data.size, ...(await allColumns(schema, ofFeature, ofTarget)) };
}

/** One column after the other, so that one column's values are in memory at a time. */
async function allColumns(
  schema: TableSchema,
  ofFeature: (feature: FeatureColumn) => Promise<FeatureStatistics>,
  ofTarget: (target: TargetColumn) => Promise<TargetStatistics>,
): Promise<Pick<TableStatistics, "features" | "targets">> {
  const features: FeatureStatistics[] = [];
  for (const feature of schema.features) features.push(await ofFeature(feature));
  const targets: TargetStatistics[] = [];
  for (const target of schema.targets) targets.push(await ofTarget(target));
  return { features, targets };
}

/** The statistics of one column of numbers, NaN where they are missing. */
export function numberStatistics(name: string, values: ColumnArray): NumberStatistics {
  let count = 0;
  let sum = 0;
  let minimum = Number.POSITIVE_INFINITY;
  let maximum = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    count++;
    sum += value;
    if (value < minimum) minimum = value;
    if (value > maximum) maximum = value;
  }
  const missing = values.length - count;
  if (count === 0) {
    return { kind: "number", name, mean: 0, deviation: 0, minimum: 0, maximum: 0, missing, fill: 0 };
  }
  const mean = sum / count; // of equal numbers exactly their value: float64 has 29 bits to spare for a sum of float32
  let squares = 0;
  for (const value of values) if (!Number.isNaN(value)) squares += (value - mean) ** 2;
  const deviation = Math.sqrt(squares / count);
  return { kind: "number", name, mean, deviation, minimum, maximum, missing, fill: mean };
}

/**
 * Keeps the most frequent categories that occur, the earlier of equally frequent ones, in the order of their codes. Of an
 * ordered column it keeps all, in order: their codes are ranks.
 */
function categoryStatistics(feature: CategoryColumn, values: Int32Array): CategoryStatistics {
  const { categories, isOrdered } = feature;
  const all = countCodes(values, categories.length);
  const codes = isOrdered === true ? [...all.keys()] : mostFrequent(all);
  const counts = codes.map((code) => all[code]!);
  const missing = values.reduce((sum, code) => sum + (code < 0 ? 1 : 0), 0);
  return {
    kind: "category",
    name: feature.name,
    categories: codes.map((code) => categories[code]!),
    ...(isOrdered !== undefined && { isOrdered }),
    codes,
    counts,
    missing,
    other: values.length - missing - counts.reduce((sum, count) => sum + count, 0),
  };
}

function mostFrequent(counts: readonly number[]): number[] {
  return [...counts.keys()]
    .filter((code) => counts[code]! > 0)
    .sort((a, b) => counts[b]! - counts[a]! || a - b)
    .slice(0, categoryLimit)
    .sort((a, b) => a - b);
}

/** How many samples have each code. Missing ones, and those of no listed category, are not among them. */
function countCodes(values: Int32Array, categories: number): number[] {
  const counts = Array<number>(categories).fill(0);
  for (const code of values) if (code >= 0 && code < categories) counts[code]!++;
  return counts;
}

function noSchema(name: string): never {
  return fail(`statistics of ${name}`, {
    expected: "a table, which knows what its columns mean",
    got: "columns of numbers only",
    fix: "read it with table(path, { target }), or standardise with standardize({ mean, deviation })",
  });
}
