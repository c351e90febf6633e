/**
 * What the columns of a table mean, as plain data: a dataset knows it, an encoder is made from it, a saved model carries
 * it. Codes are positions in a column's list of categories; −1 is a missing value.
 */
export {
  schemaFromMetadata,
  schemaToMetadata,
  statisticsFromMetadata,
  statisticsToMetadata,
} from "./metadata.ts";

/**
 * What an encoder, and so a saved model, puts where a feature has no value: a statistic of the training samples, or always
 * the same value. Of equally frequent values the mode is the smallest number, or the category that is listed first.
 */
export interface MissingFill<Value> {
  readonly fill: Value;
  /** Whether a feature of its own tells where something was filled in. Default true. */
  readonly indicator?: boolean;
}

/** A feature that is a number. Missing is NaN. */
export interface NumberColumn {
  readonly kind: "number";
  readonly name: string;
  /** Default: what suits the encoder's scale, with an indicator. */
  readonly whenMissing?: MissingFill<"mean" | "median" | "mode" | number>;
}

/** A feature that is one of a list of texts. */
export interface CategoryColumn {
  readonly kind: "category";
  readonly name: string;
  readonly categories: readonly string[];
  /** True where the categories stand in an order that means something, from least to most: the code is a rank. */
  readonly isOrdered?: boolean;
  /** "mode", or one of the categories. Default: missing is a category of its own; in an ordered column, the mean rank. */
  readonly whenMissing?: MissingFill<string>;
}

/** What a model may read. */
export type FeatureColumn = NumberColumn | CategoryColumn;

/** A number to predict. */
export interface RegressionTarget {
  readonly task: "regression";
  readonly name: string;
}

/** A class to predict; class k is called categories[k]. */
export interface ClassificationTarget {
  readonly task: "classification";
  readonly name: string;
  readonly categories: readonly string[];
}

/** What a model predicts. */
export type TargetColumn = RegressionTarget | ClassificationTarget;

/** The columns of a table by what they are for, each list in the order of the file. */
export interface TableSchema {
  readonly features: readonly FeatureColumn[];
  readonly targets: readonly TargetColumn[];
}

/**
 * What the training samples say about a number. The deviation is the population's, √(Σ(x−mean)²/count), exactly 0 where
 * all numbers are equal. Where every sample is missing, all of them are 0.
 */
export interface NumberStatistics extends NumberColumn {
  readonly mean: number;
  readonly deviation: number;
  readonly minimum: number;
  readonly maximum: number;
  /** How many samples have no number. */
  readonly missing: number;
  /** What stands in for a missing number: what `whenMissing` says, by default the mean. */
  readonly fill: number;
  /** A quarter, a half (the median) and three quarters of the numbers are at most these. Earlier versions do not tell. */
  readonly quartiles?: readonly [number, number, number];
  /** Mean and deviation of sign(x) · ln(1 + |x|). Earlier versions do not tell. */
  readonly logarithm?: { readonly mean: number; readonly deviation: number };
}

/**
 * What the training samples say about a category: only categories that occur in them, at most `categoryLimit`, and the one
 * that stands in for missing values. Of an ordered column all categories, in order: a rank must keep its place, whether it
 * occurs or not.
 */
export interface CategoryStatistics extends CategoryColumn {
  /** codes[k] is the code that the dataset gives categories[k]. */
  readonly codes: readonly number[];
  /** How many samples have categories[k]. */
  readonly counts: readonly number[];
  /** How many samples have none. */
  readonly missing: number;
  /** How many samples have a category beyond the `categoryLimit` most frequent. */
  readonly other: number;
  /** Where some are of other categories than those: how many samples have each code of the dataset, from 0 on. */
  readonly frequencies?: readonly number[];
  /** Which of these categories stands in for missing values, where `whenMissing` says that one does. */
  readonly fill?: string;
}

export type FeatureStatistics = NumberStatistics | CategoryStatistics;

/** What the training samples say about a number to predict; where they have weights, by these. */
export interface RegressionStatistics extends RegressionTarget {
  readonly mean: number;
  readonly deviation: number;
}

/** What the training samples say about a class to predict: counts[k] samples are of class k. */
export interface ClassificationStatistics extends ClassificationTarget {
  readonly counts: readonly number[];
  /** The sum of their weights, where samples have weights. */
  readonly weights?: readonly number[];
}

export type TargetStatistics = RegressionStatistics | ClassificationStatistics;

/** What an encoder is fitted on. Plain JSON. */
export interface TableStatistics {
  /** How many samples these are the statistics of: those of weight 0 are none. */
  readonly samples: number;
  readonly features: readonly FeatureStatistics[];
  readonly targets: readonly TargetStatistics[];
}

/**
 * What a saved model calls its outputs for a target: "prediction" (the number, or the name of the class) and
 * "probabilities" (one per class), with "of <target>" behind them where there are several targets.
 */
export function outputNames(
  schema: Pick<TableSchema, "targets">,
  target: string,
): { readonly prediction: string; readonly probabilities: string } {
  const suffix = schema.targets.length === 1 ? "" : ` of ${target}`;
  return { prediction: `prediction${suffix}`, probabilities: `probabilities${suffix}` };
}

/** How many categories of one column get a feature of their own: the most frequent ones. */
export const categoryLimit = 100;

/** What stands for a missing value in a table, whatever its case, with blanks around it or in quotes. */
export const missingMarkers: readonly string[] = ["", "NA", "N/A", "NaN", "null", "None", "?"];
