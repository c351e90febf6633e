/** What the training samples of a table say about its columns. */
import {
  type CategoryColumn,
  type CategoryStatistics,
  categoryLimit,
  type NumberStatistics,
  type TableStatistics,
  type TargetStatistics,
} from "../array/schema.ts";
import { fail } from "../errors.ts";
import type { Dataset } from "./dataset.ts";
import type { ColumnArray } from "./memory.ts";
import { withWeight } from "./samples.ts";

/**
 * The statistics an encoder is fitted on. Pass the training samples only: what is fitted on others too makes validation
 * look better than it is. A sample of weight 0 might as well not be there; other weights count for the targets, whose
 * mean or classes are what a model must beat, and not for the features. Computed in float64 from the float32 numbers, in
 * two passes over the samples, some thousand at a time: data on a disk may be larger than memory.
 * Throws for a dataset that is no table.
 */
export async function statistics(
  data: Pick<Dataset, "name" | "size" | "columns" | "read" | "schema" | "weight">,
): Promise<TableStatistics> {
  const schema = data.schema ?? noSchema(data.name);
  const folds = new Map<string, Fold>();
  for (const column of [...schema.features, ...schema.targets]) {
    const fold = "categories" in column ? new CodeFold(column.categories.length) : new NumberFold();
    folds.set(column.name, fold);
  }
  const samples = await sweep(data, folds, (fold, values, weights) => fold.add(values, weights));
  // Deviations are taken from the mean, since Σx² − (Σx)²/n would cancel.
  const numbers = new Map(
    [...folds].filter((entry): entry is [string, NumberFold] => entry[1] instanceof NumberFold),
  );
  if (numbers.size > 0)
    await sweep(data, numbers, (fold, values, weights) => fold.addSquares(values, weights));
  const numbersOf = (name: string) => numbers.get(name)!.statistics(name); // every column of numbers has a fold
  const codesOf = (name: string) => folds.get(name) as CodeFold; // and every column of codes
  return {
    samples,
    features: schema.features.map((feature) =>
      feature.kind === "number"
        ? numbersOf(feature.name)
        : categoryStatistics(feature, codesOf(feature.name)),
    ),
    targets: schema.targets.map((target): TargetStatistics => {
      if (target.task === "classification") {
        const { counts, weights } = codesOf(target.name);
        return { ...target, counts, ...(data.weight !== undefined && { weights }) };
      }
      const { mean, deviation } = numbersOf(target.name);
      return { ...target, mean, deviation };
    }),
  };
}

/** Samples that are read at once: 64 KiB of each column. */
const samplesAtOnce = 2 ** 14;

/**
 * Shows the folds their columns, all of them before the next samples: a sample on a disk is read once per sweep. Targets
 * come with the weights of the samples, where there are any. Gives how many samples have been shown.
 */
async function sweep<Some extends Fold>(
  data: Pick<Dataset, "size" | "read" | "schema" | "weight">,
  folds: ReadonlyMap<string, Some>,
  show: (fold: Some, values: ColumnArray, weights: Float32Array | undefined) => void,
): Promise<number> {
  const floats = new Float32Array(samplesAtOnce);
  const codes = new Int32Array(samplesAtOnce);
  const targets = new Set(data.schema?.targets.map(({ name }) => name));
  let shown = 0;
  for (let first = 0; first < data.size; first += samplesAtOnce) {
    const length = Math.min(samplesAtOnce, data.size - first);
    const samples = await withWeight(
      data,
      Uint32Array.from({ length }, (_, at) => first + at),
    );
    const weights = data.weight === undefined ? undefined : new Float32Array(samples.length);
    if (data.weight !== undefined && weights !== undefined) await data.read(data.weight, samples, weights);
    for (const [name, fold] of folds) {
      const into = fold instanceof NumberFold ? floats : codes;
      await data.read(name, samples, into);
      show(fold, into.subarray(0, samples.length), targets.has(name) ? weights : undefined);
    }
    shown += samples.length;
  }
  return shown;
}

type Fold = NumberFold | CodeFold;

/** The running numbers of a column of numbers, NaN where they are missing. */
class NumberFold {
  #count = 0;
  #weight = 0;
  #missing = 0;
  #sum = 0;
  #minimum = Number.POSITIVE_INFINITY;
  #maximum = Number.NEGATIVE_INFINITY;
  #squares = 0;

  add(values: ColumnArray, weights?: Float32Array): void {
    for (let index = 0; index < values.length; index++) {
      const value = values[index]!;
      if (Number.isNaN(value)) {
        this.#missing++;
        continue;
      }
      const weight = weights?.[index] ?? 1;
      this.#count++;
      this.#weight += weight;
      this.#sum += weight * value;
      if (value < this.#minimum) this.#minimum = value;
      if (value > this.#maximum) this.#maximum = value;
    }
  }

  /** Once all were added: of equal numbers exactly their value, since float64 has 29 bits to spare for a sum of float32. */
  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#weight;
  }

  /** The second pass. */
  addSquares(values: ColumnArray, weights?: Float32Array): void {
    const { mean } = this;
    for (let index = 0; index < values.length; index++) {
      const value = values[index]!;
      if (!Number.isNaN(value)) this.#squares += (weights?.[index] ?? 1) * (value - mean) ** 2;
    }
  }

  statistics(name: string): NumberStatistics {
    const { mean } = this;
    const missing = this.#missing;
    if (this.#count === 0) {
      return { kind: "number", name, mean, deviation: 0, minimum: 0, maximum: 0, missing, fill: mean };
    }
    const deviation = Math.sqrt(this.#squares / this.#weight);
    return {
      kind: "number",
      name,
      mean,
      deviation,
      minimum: this.#minimum,
      maximum: this.#maximum,
      missing,
      fill: mean,
    };
  }
}

/** How many samples have each code, and what they weigh; missing ones, and those of no listed category, are apart. */
class CodeFold {
  readonly counts: number[];
  readonly weights: number[];
  missing = 0;
  unlisted = 0;

  constructor(categories: number) {
    this.counts = Array<number>(categories).fill(0);
    this.weights = Array<number>(categories).fill(0);
  }

  add(codes: ColumnArray, weights?: Float32Array): void {
    for (let index = 0; index < codes.length; index++) {
      const code = codes[index]!;
      if (code < 0) this.missing++;
      else if (code < this.counts.length) {
        this.counts[code]!++;
        this.weights[code]! += weights?.[index] ?? 1;
      } else this.unlisted++;
    }
  }
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
  return {
    kind: "category",
    name,
    categories: codes.map((code) => categories[code]!),
    ...(isOrdered !== undefined && { isOrdered }),
    codes,
    counts,
    missing,
    other: unlisted + sumOf(all) - sumOf(counts),
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
