/** A table's raw columns as one row of features: fitted statistics as a layer, so the saved model takes raw input. */
import { int32 } from "../array/array.ts";
import type { FeatureStatistics, TableStatistics } from "../array/schema.ts";
import { fail } from "../errors.ts";
import { constant, type Tensor } from "../graph/tensor.ts";
import { concat } from "../ops/movement.ts";
import { cast, equal, isNan } from "../ops/selection.ts";
import {
  type CyclicColumn,
  circle,
  cyclicColumn,
  type EmbeddedColumn,
  embeddedColumn,
  embedding,
  hasIndicator,
  hasSeveral,
  isEmbedded,
  type OneHotColumn,
  oneHotColumn,
  type RankColumn,
  rankColumn,
  ranksIn,
} from "./encoder/categories.ts";
import { codesIn, type EncoderInput, filledCodesIn, numberIn } from "./encoder/columns.ts";
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
 *    0 in the training samples tells nothing and is left out. `numbers` chooses other scales, `clip` a limit. Unless the
 *    column says what stands in for missing numbers (`whenMissing`), robust ones take the median, logarithms their mean.
 *    Mean, deviation and all else are of the numbers that are there.
 * 2. Every ordered category column as one number, its rank 0 … n − 1 (ordinal encoding: the categories are taken to lie at
 *    equal distances), standardised with the mean and the population's deviation of the ranks in the training samples.
 *    What is missing, unless `whenMissing` says otherwise, or no category of the column, gets the mean rank, and so 0. One
 *    rank only is left out.
 * 3. For every number, then every ordered category column, then every other one that has `whenMissing`, that some training
 *    samples lack: 1 where it is missing, else 0. None where `whenMissing` wants no indicator.
 * 4. For every other category column: one column per category of the training samples (at most 100, the most frequent), 1
 *    where the sample has it, else 0; and one for "missing" where some training samples lack it and `whenMissing` names no
 *    category to stand in. A category that was not seen in training, or is beyond the 100, gives zeros only. A column with
 *    one of these only is left out.
 * 5. For every category column that `categories` embeds: a trained vector (Guo & Berkhahn 2016, arXiv:1604.06737), first
 *    uniform in ±0.05 as Keras does. Categories of two training samples or more have one each. Those of one sample share
 *    one with those that were never seen, which so learns what a rare category is like. Missing values have their own.
 * 6. For every category column that goes round (month, hour and minute of a date): the sine and cosine of its place on the
 *    circle, 0 and 0 where it is missing. One category only is left out.
 *
 * The parts of a date are missing together: one of them, the year, tells it.
 *
 * Throws when no column is left, when the codes of an ordered column are no ranks, for options that name what is not there,
 * and, when applied, when the row lacks a column or has it in another dtype or shape.
 */
export function encoder(
  statistics: TableStatistics,
  options: EncoderOptions = {},
): (row: EncoderInput) => Tensor {
  const { numbers, ranks, indicators, categories, embedded, cyclic } = tellingColumns(statistics, options);
  const scaled = [...numbers, ...ranks];
  const scale = scaled.length === 0 ? undefined : scaler(scaled);
  const tables = [...embedded.map(embedding), ...cyclic.map(circle)];
  return (row) => {
    const parts: Tensor[] = [];
    if (scale !== undefined) {
      parts.push(scale(concat([...numbersIn(row, numbers), ...ranksIn(row, ranks)]))); // [batch, numbers and ranks]
    }
    const flags: Tensor[] = []; // booleans, so that one cast does for all
    const [lacking, uncoded] = [indicators.numbers, indicators.codes];
    if (lacking.length > 0) flags.push(isNan(concat(lacking.map((name) => numberIn(row, name)))));
    if (uncoded.length > 0) flags.push(equal(concat(uncoded.map((name) => codesIn(row, name))), -1));
    for (const column of categories) {
      flags.push(equal(filledCodesIn(row, [column]), constant(int32(column.codes)))); // [batch, codes]
    }
    if (flags.length > 0) parts.push(cast(concat(flags), "float32"));
    parts.push(...tables.map((lookUp) => lookUp(row)));
    return concat(parts); // [batch, features]
  };
}

/**
 * What each column of the encoder's result means: "age", "age is missing", "sex = female", "sex is missing"; of vectors
 * "city 1", "city 2" and so on; of what goes round "month sine" and "month cosine".
 */
export function featureNames(statistics: TableStatistics, options: EncoderOptions = {}): readonly string[] {
  const { numbers, ranks, indicators, categories, embedded, cyclic } = tellingColumns(statistics, options);
  return [
    ...[...numbers, ...ranks].map(({ name }) => name),
    ...[...indicators.numbers, ...indicators.codes].map((name) => `${name} is missing`),
    ...categories.flatMap(({ meanings }) => meanings),
    ...embedded.flatMap(({ name, size }) => Array.from({ length: size }, (_, at) => `${name} ${at + 1}`)),
    ...cyclic.flatMap(({ name }) => [`${name} sine`, `${name} cosine`]),
  ];
}

/** The columns of the table that tell something, by what is made of them. */
interface TellingColumns {
  readonly numbers: readonly ScaledColumn[];
  readonly ranks: readonly RankColumn[];
  /** Names of columns that some training samples lack. */
  readonly indicators: { readonly numbers: readonly string[]; readonly codes: readonly string[] };
  readonly categories: readonly OneHotColumn[];
  readonly embedded: readonly EmbeddedColumn[];
  readonly cyclic: readonly CyclicColumn[];
}

function tellingColumns(statistics: TableStatistics, options: EncoderOptions): TellingColumns {
  checkOptions(statistics, options);
  const { samples, features } = statistics;
  const namesOf = (columns: readonly FeatureStatistics[]) => columns.map(({ name }) => name);
  const numbers = features.filter((feature) => feature.kind === "number");
  const texts = features.filter((feature) => feature.kind === "category");
  const ordered = texts.filter(({ isOrdered }) => isOrdered === true);
  const cyclic = texts.filter(({ isCyclic }) => isCyclic === true);
  const unordered = texts.filter((column) => !ordered.includes(column) && !cyclic.includes(column));
  // The parts of a date are missing together, and one mark is enough.
  const lacks = ({ missing, ofDate }: FeatureStatistics) =>
    missing > 0 && missing < samples && (ofDate === undefined || ofDate.part === "year");
  const isMarked = (column: FeatureStatistics) => lacks(column) && column.whenMissing?.indicator !== false;
  const telling = unordered
    .map((column) => ({ column, oneHot: oneHotColumn(column, lacks(column)) }))
    .filter(({ oneHot }) => oneHot.codes.length > 1);
  const result = {
    numbers: scaledNumbers(statistics, options),
    ranks: ordered.map(rankColumn).filter(({ deviation }) => deviation > 0),
    indicators: {
      numbers: namesOf(numbers.filter(isMarked)),
      codes: namesOf([
        ...[...ordered, ...cyclic].filter(isMarked),
        ...unordered.filter(lacks).filter(hasIndicator),
      ]),
    },
    categories: telling.filter(({ column }) => !isEmbedded(column, options)).map(({ oneHot }) => oneHot),
    embedded: telling
      .filter(({ column }) => isEmbedded(column, options))
      .map(({ column }) => embeddedColumn(column, options)),
    cyclic: cyclic.filter(hasSeveral).map(cyclicColumn),
  };
  const { indicators, ranks, categories, embedded } = result;
  const groups = [
    ...[result.numbers, ranks, indicators.numbers, indicators.codes],
    ...[categories, embedded, result.cyclic],
  ];
  if (groups.every(({ length }) => length === 0)) {
    fail("encoder", {
      expected: "at least one column with two different values in the training samples",
      got: `${namesOf(features).join(", ")}, each with one value in ${samples} samples`,
      fix: "train on more samples, or on columns that differ",
    });
  }
  return result;
}
