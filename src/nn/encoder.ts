/** A table's raw columns as one row of features: fitted statistics as a layer, so the saved model takes raw input. */
import { float32, int32 } from "../array/array.ts";
import type { DType } from "../array/dtype.ts";
import type { CategoryStatistics, FeatureStatistics, TableStatistics } from "../array/schema.ts";
import { formatShape, type Shape, sameShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { constant, type Tensor } from "../graph/tensor.ts";
import { concat, reshape } from "../ops/movement.ts";
import { cast, equal, isNan, less, where } from "../ops/selection.ts";
import type { Layer } from "./layer.ts";
import { standardize } from "./standardize.ts";

/** A row of a table: its columns by name. */
export type EncoderInput = Readonly<Record<string, Tensor>>;

/**
 * A layer from a table's columns to features: row → float32 [batch, featureNames(statistics).length].
 *
 *   const features = encoder(await statistics(training));
 *   model: (row) => body(features(row))
 *
 * The columns of the result, in this order, each group in the order of the table:
 * 1. Every number, missing ones replaced by `fill`, minus the mean, divided by the deviation. A number whose deviation is
 *    0 in the training samples tells nothing and is left out.
 * 2. Every ordered category column as one number, its rank 0 … n − 1 (ordinal encoding: the categories are taken to lie at
 *    equal distances), standardised with the mean and the population's deviation of the ranks in the training samples.
 *    What is missing, or no category of the column, gets the mean rank, and so 0. One rank only is left out.
 * 3. For every number, then every ordered category column, that some training samples lack: 1 where it is missing, else 0.
 * 4. For every other category column: one column per category of the training samples (at most 100, the most frequent), 1
 *    where the sample has it, else 0; and one for "missing" where some training samples lack it. A category that was not
 *    seen in training, or is beyond the 100, gives zeros only. A column with one of these only is left out.
 *
 * Throws when no column is left, when the codes of an ordered column are no ranks, and, when applied, when the row lacks a
 * column or has it in another dtype or shape.
 */
export function encoder(statistics: TableStatistics): (row: EncoderInput) => Tensor {
  const { numbers, ranks, indicators, categories } = tellingColumns(statistics);
  const scaled = [...numbers, ...ranks];
  const fills = float32(scaled.map(({ fill }) => fill));
  const scale = standardizer(scaled);
  return (row) => {
    const parts: Tensor[] = [];
    if (scale !== undefined) {
      const raw = [...numbers.map(({ name }) => numberIn(row, name)), ...ranksIn(row, ranks)];
      const all = concat(raw); // [batch, numbers and ranks]
      parts.push(scale(where(isNan(all), constant(fills), all)));
    }
    const flags: Tensor[] = []; // booleans, so that one cast does for all
    const [lacking, unranked] = [indicators.numbers, indicators.ranks];
    if (lacking.length > 0) flags.push(isNan(concat(lacking.map((name) => numberIn(row, name)))));
    if (unranked.length > 0) flags.push(equal(concat(unranked.map((name) => codesIn(row, name))), -1));
    for (const { name, codes } of categories) {
      flags.push(equal(codesIn(row, name), constant(int32(codes)))); // [batch, codes]
    }
    if (flags.length > 0) parts.push(cast(concat(flags), "float32"));
    return concat(parts); // [batch, features]
  };
}

/** What each column of the encoder's result means: "age", "age is missing", "sex = female", "sex is missing". */
export function featureNames(statistics: TableStatistics): readonly string[] {
  const { numbers, ranks, indicators, categories } = tellingColumns(statistics);
  return [
    ...[...numbers, ...ranks].map(({ name }) => name),
    ...[...indicators.numbers, ...indicators.ranks].map((name) => `${name} is missing`),
    ...categories.flatMap(({ meanings }) => meanings),
  ];
}

/** A number, or a rank that is used as one. */
interface ScaledColumn {
  readonly name: string;
  readonly mean: number;
  readonly deviation: number;
  readonly fill: number;
}

/** An ordered category column: ranks 0 … size − 1. */
interface RankColumn extends ScaledColumn {
  readonly size: number;
}

/** The columns of the table that tell something, by what is made of them. */
interface TellingColumns {
  readonly numbers: readonly ScaledColumn[];
  readonly ranks: readonly RankColumn[];
  /** Names of columns that some training samples lack. */
  readonly indicators: { readonly numbers: readonly string[]; readonly ranks: readonly string[] };
  /** codes[k] gets the column that means meanings[k]; −1 is the code of a missing value. */
  readonly categories: readonly {
    readonly name: string;
    readonly codes: readonly number[];
    readonly meanings: readonly string[];
  }[];
}

function tellingColumns({ samples, features }: TableStatistics): TellingColumns {
  const isPartlyMissing = ({ missing }: FeatureStatistics) => missing > 0 && missing < samples;
  const namesOf = (columns: readonly FeatureStatistics[]) => columns.map(({ name }) => name);
  const numbers = features.filter((feature) => feature.kind === "number");
  const texts = features.filter((feature) => feature.kind === "category");
  const ordered = texts.filter(({ isOrdered }) => isOrdered === true);
  const categories = texts
    .filter(({ isOrdered }) => isOrdered !== true)
    .map((column) => oneHotColumns(column, isPartlyMissing(column)));
  const result = {
    numbers: numbers.filter(({ deviation }) => deviation > 0),
    ranks: ordered.map(rankColumn).filter(({ deviation }) => deviation > 0),
    indicators: {
      numbers: namesOf(numbers.filter(isPartlyMissing)),
      ranks: namesOf(ordered.filter(isPartlyMissing)),
    },
    categories: categories.filter(({ codes }) => codes.length > 1),
  };
  const { indicators } = result;
  const groups = [result.numbers, result.ranks, indicators.numbers, indicators.ranks, result.categories];
  if (groups.every(({ length }) => length === 0)) {
    fail("encoder", {
      expected: "at least one column with two different values in the training samples",
      got: `${namesOf(features).join(", ")}, each with one value in ${samples} samples`,
      fix: "train on more samples, or on columns that differ",
    });
  }
  return result;
}

function oneHotColumns({ name, categories, codes }: CategoryStatistics, hasMissing: boolean) {
  const meanings = categories.map((category) => `${name} = ${category}`);
  return hasMissing
    ? { name, codes: [...codes, -1], meanings: [...meanings, `${name} is missing`] }
    : { name, codes, meanings };
}

/** Mean and population deviation of the ranks in the training samples. */
function rankColumn({ name, categories, codes, counts }: CategoryStatistics): RankColumn {
  const size = categories.length;
  if (codes.length !== size || codes.some((code, rank) => code !== rank)) {
    fail(`encoder, column "${name}"`, {
      expected: `codes from 0 to ${size - 1} for the ${size} categories of an ordered column`,
      got: codes.join(", "),
      fix: "fit them with statistics(training), which keeps all categories of an ordered column",
    });
  }
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return { name, size, mean: 0, deviation: 0, fill: 0 };
  const mean = counts.reduce((sum, count, rank) => sum + rank * count, 0) / total;
  const squares = counts.reduce((sum, count, rank) => sum + count * (rank - mean) ** 2, 0);
  return { name, size, mean, deviation: Math.sqrt(squares / total), fill: mean };
}

function standardizer(numbers: readonly ScaledColumn[]): Layer | undefined {
  if (numbers.length === 0) return undefined;
  const [mean, deviation] = [
    numbers.map((feature) => feature.mean),
    numbers.map((feature) => feature.deviation),
  ];
  return standardize({ mean, deviation });
}

function numberIn(row: EncoderInput, name: string): Tensor {
  return columnIn(row, name, "float32", ["batch", 1]);
}

/** Ranks as numbers, [batch, columns] at once; NaN for a code that is none, so that they are filled as numbers are. */
function ranksIn(row: EncoderInput, columns: readonly RankColumn[]): Tensor[] {
  if (columns.length === 0) return [];
  const codes = cast(concat(columns.map(({ name }) => codesIn(row, name))), "float32");
  const sizes = constant(float32(columns.map(({ size }) => size)));
  const known = where(less(codes, sizes), codes, Number.NaN);
  return [where(less(codes, 0), Number.NaN, known)]; // [batch, columns]
}

function codesIn(row: EncoderInput, name: string): Tensor {
  return reshape(columnIn(row, name, "int32", ["batch"]), ["batch", 1]);
}

function columnIn(row: EncoderInput, name: string, dtype: DType, shape: Shape): Tensor {
  const column = Object.hasOwn(row, name) ? row[name] : undefined;
  if (column?.dtype === dtype && sameShape(column.shape, shape)) return column;
  return fail(`encoder, column "${name}"`, {
    expected: `${dtype} ${formatShape(shape)}`,
    got:
      column === undefined
        ? `only ${Object.keys(row).join(", ")}`
        : `${column.dtype} ${formatShape(column.shape)}`,
    fix: "pass the whole row of the table the statistics were fitted on",
  });
}
