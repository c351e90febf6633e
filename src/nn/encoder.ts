/** A table's raw columns as one row of features: fitted statistics as a layer, so the saved model takes raw input. */
import { float32, int32 } from "../array/array.ts";
import type { DType } from "../array/dtype.ts";
import type { NumberStatistics, TableStatistics } from "../array/schema.ts";
import { formatShape, type Shape, sameShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { constant, type Tensor } from "../graph/tensor.ts";
import { concat, reshape } from "../ops/movement.ts";
import { cast, equal, isNan, where } from "../ops/selection.ts";
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
 * 2. For every number that some training samples lack: 1 where it is missing, else 0.
 * 3. For every category column: one column per category of the training samples (at most 100, the most frequent), 1 where
 *    the sample has it, else 0; and one for "missing" where some training samples lack it. A category that was not seen
 *    in training, or is beyond the 100, gives zeros only. A column with one of these only is left out.
 *
 * Throws when no column is left, and, when applied, when the row lacks a column or has it in another dtype or shape.
 */
export function encoder(statistics: TableStatistics): (row: EncoderInput) => Tensor {
  const { numbers, indicators, categories } = tellingColumns(statistics);
  const fills = float32(numbers.map(({ fill }) => fill));
  const scale = standardizer(numbers);
  return (row) => {
    const parts: Tensor[] = [];
    if (scale !== undefined) {
      const raw = concat(numbers.map(({ name }) => numberIn(row, name))); // [batch, numbers]
      parts.push(scale(where(isNan(raw), constant(fills), raw)));
    }
    const flags: Tensor[] = []; // booleans, so that one cast does for all
    if (indicators.length > 0) flags.push(isNan(concat(indicators.map(({ name }) => numberIn(row, name)))));
    for (const { name, codes } of categories) {
      flags.push(equal(reshape(codesIn(row, name), ["batch", 1]), constant(int32(codes)))); // [batch, codes]
    }
    if (flags.length > 0) parts.push(cast(concat(flags), "float32"));
    return concat(parts); // [batch, features]
  };
}

/** What each column of the encoder's result means: "age", "age is missing", "sex = female", "sex is missing". */
export function featureNames(statistics: TableStatistics): readonly string[] {
  const { numbers, indicators, categories } = tellingColumns(statistics);
  return [
    ...numbers.map(({ name }) => name),
    ...indicators.map(({ name }) => `${name} is missing`),
    ...categories.flatMap(({ meanings }) => meanings),
  ];
}

/** The columns of the table that tell something, by what is made of them. */
interface TellingColumns {
  readonly numbers: readonly NumberStatistics[];
  readonly indicators: readonly NumberStatistics[];
  /** codes[k] gets the column that means meanings[k]; −1 is the code of a missing value. */
  readonly categories: readonly {
    readonly name: string;
    readonly codes: readonly number[];
    readonly meanings: readonly string[];
  }[];
}

function tellingColumns({ samples, features }: TableStatistics): TellingColumns {
  const isPartlyMissing = (missing: number) => missing > 0 && missing < samples;
  const numbers = features.filter((feature) => feature.kind === "number");
  const categories = features
    .filter((feature) => feature.kind === "category")
    .map(({ name, categories, codes, missing }) => ({
      name,
      codes: isPartlyMissing(missing) ? [...codes, -1] : codes,
      meanings: [
        ...categories.map((category) => `${name} = ${category}`),
        ...(isPartlyMissing(missing) ? [`${name} is missing`] : []),
      ],
    }));
  const result = {
    numbers: numbers.filter(({ deviation }) => deviation > 0),
    indicators: numbers.filter(({ missing }) => isPartlyMissing(missing)),
    categories: categories.filter(({ codes }) => codes.length > 1),
  };
  if (result.numbers.length + result.indicators.length + result.categories.length === 0) {
    fail("encoder", {
      expected: "at least one column with two different values in the training samples",
      got: `${features.map(({ name }) => name).join(", ")}, each with one value in ${samples} samples`,
      fix: "train on more samples, or on columns that differ",
    });
  }
  return result;
}

function standardizer(numbers: readonly NumberStatistics[]): Layer | undefined {
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

function codesIn(row: EncoderInput, name: string): Tensor {
  return columnIn(row, name, "int32", ["batch"]);
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
