/** A table's raw columns as one row of features: fitted statistics as a layer, so the saved model takes raw input. */
import { int32 } from "../array/array.ts";
import type { FeatureStatistics, TableStatistics } from "../array/schema.ts";
import { fail } from "../errors.ts";
import { constant, type Tensor } from "../graph/tensor.ts";
import { concat } from "../ops/movement.ts";
import { cast, equal, isNan } from "../ops/selection.ts";
import {
  type EmbeddedColumn,
  embeddedColumn,
  embedding,
  isEmbedded,
  type OneHotColumn,
  oneHotColumn,
  type RankColumn,
  rankColumn,
  ranksIn,
} from "./encoder/categories.ts";
import { codesIn, type EncoderInput, numberIn } from "./encoder/columns.ts";
import { numbersIn, type ScaledColumn, scaledNumbers, scaler } from "./encoder/numbers.ts";
import { checkOptions, type EncoderOptions } from "./encoder/options.ts";

export type { EncoderInput } from "./encoder/columns.ts";
export { clipLimits } from "./encoder/numbers.ts";
export { type CategoryForm, type EncoderOptions, type NumberScale, numberScales } from "./encoder/options.ts";

/**
 * A layer from a table's columns to features: row → float32 [batch, featureNames(statistics, options).length].
 *
 *   const features = encoder(await statistics(training));
 *   model: (row) => body(features(row))
 *
 * The columns of the result, in this order, each group in the order of the table:
 * 1. Every number, missing ones replaced by `fill`, minus the mean, divided by the deviation. A number whose deviation is
 *    0 in the training samples tells nothing and is left out. `numbers` chooses other scales, `clip` a limit. Robust ones
 *    take the median for what is missing, logarithms their mean.
 * 2. Every ordered category column as one number, its rank 0 … n − 1 (ordinal encoding: the categories are taken to lie at
 *    equal distances), standardised with the mean and the population's deviation of the ranks in the training samples.
 *    What is missing, or no category of the column, gets the mean rank, and so 0. One rank only is left out.
 * 3. For every number, then every ordered category column, that some training samples lack: 1 where it is missing, else 0.
 * 4. For every other category column: one column per category of the training samples (at most 100, the most frequent), 1
 *    where the sample has it, else 0; and one for "missing" where some training samples lack it. A category that was not
 *    seen in training, or is beyond the 100, gives zeros only. A column with one of these only is left out.
 * 5. For every category column that `categories` embeds: a trained vector (Guo & Berkhahn 2016, arXiv:1604.06737), first
 *    uniform in ±0.05 as Keras does. Categories of two training samples or more have one each. Those of one sample share
 *    one with those that were never seen, which so learns what a rare category is like. Missing values have their own.
 *
 * Throws when no column is left, when the codes of an ordered column are no ranks, for options that name what is not there,
 * and, when applied, when the row lacks a column or has it in another dtype or shape.
 */
export function encoder(
  statistics: TableStatistics,
  options: EncoderOptions = {},
): (row: EncoderInput) => Tensor {
  const { numbers, ranks, indicators, categories, embedded } = tellingColumns(statistics, options);
  const scaled = [...numbers, ...ranks];
  const scale = scaled.length === 0 ? undefined : scaler(scaled);
  const embeddings = embedded.map(embedding);
  return (row) => {
    const parts: Tensor[] = [];
    if (scale !== undefined) {
      parts.push(scale(concat([...numbersIn(row, numbers), ...ranksIn(row, ranks)]))); // [batch, numbers and ranks]
    }
    const flags: Tensor[] = []; // booleans, so that one cast does for all
    const [lacking, unranked] = [indicators.numbers, indicators.ranks];
    if (lacking.length > 0) flags.push(isNan(concat(lacking.map((name) => numberIn(row, name)))));
    if (unranked.length > 0) flags.push(equal(concat(unranked.map((name) => codesIn(row, name))), -1));
    for (const { name, codes } of categories) {
      flags.push(equal(codesIn(row, name), constant(int32(codes)))); // [batch, codes]
    }
    if (flags.length > 0) parts.push(cast(concat(flags), "float32"));
    parts.push(...embeddings.map((embed) => embed(row)));
    return concat(parts); // [batch, features]
  };
}

/**
 * What each column of the encoder's result means: "age", "age is missing", "sex = female", "sex is missing"; of vectors
 * "city 1", "city 2" and so on.
 */
export function featureNames(statistics: TableStatistics, options: EncoderOptions = {}): readonly string[] {
  const { numbers, ranks, indicators, categories, embedded } = tellingColumns(statistics, options);
  return [
    ...[...numbers, ...ranks].map(({ name }) => name),
    ...[...indicators.numbers, ...indicators.ranks].map((name) => `${name} is missing`),
    ...categories.flatMap(({ meanings }) => meanings),
    ...embedded.flatMap(({ name, size }) => Array.from({ length: size }, (_, at) => `${name} ${at + 1}`)),
  ];
}

/** The columns of the table that tell something, by what is made of them. */
interface TellingColumns {
  readonly numbers: readonly ScaledColumn[];
  readonly ranks: readonly RankColumn[];
  /** Names of columns that some training samples lack. */
  readonly indicators: { readonly numbers: readonly string[]; readonly ranks: readonly string[] };
  readonly categories: readonly OneHotColumn[];
  readonly embedded: readonly EmbeddedColumn[];
}

function tellingColumns(statistics: TableStatistics, options: EncoderOptions): TellingColumns {
  checkOptions(statistics, options);
  const { samples, features } = statistics;
  const isPartlyMissing = ({ missing }: FeatureStatistics) => missing > 0 && missing < samples;
  const namesOf = (columns: readonly FeatureStatistics[]) => columns.map(({ name }) => name);
  const numbers = features.filter((feature) => feature.kind === "number");
  const texts = features.filter((feature) => feature.kind === "category");
  const ordered = texts.filter(({ isOrdered }) => isOrdered === true);
  const telling = texts
    .filter(({ isOrdered }) => isOrdered !== true)
    .map((column) => ({ column, oneHot: oneHotColumn(column, isPartlyMissing(column)) }))
    .filter(({ oneHot }) => oneHot.codes.length > 1);
  const result = {
    numbers: scaledNumbers(statistics, options),
    ranks: ordered.map(rankColumn).filter(({ deviation }) => deviation > 0),
    indicators: {
      numbers: namesOf(numbers.filter(isPartlyMissing)),
      ranks: namesOf(ordered.filter(isPartlyMissing)),
    },
    categories: telling.filter(({ column }) => !isEmbedded(column, options)).map(({ oneHot }) => oneHot),
    embedded: telling
      .filter(({ column }) => isEmbedded(column, options))
      .map(({ column }) => embeddedColumn(column, options)),
  };
  const { indicators, ranks, categories, embedded } = result;
  const groups = [result.numbers, ranks, indicators.numbers, indicators.ranks, categories, embedded];
  if (groups.every(({ length }) => length === 0)) {
    fail("encoder", {
      expected: "at least one column with two different values in the training samples",
      got: `${namesOf(features).join(", ")}, each with one value in ${samples} samples`,
      fix: "train on more samples, or on columns that differ",
    });
  }
  return result;
}
