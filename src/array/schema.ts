/**
 * What the columns of a table mean, as plain data: a dataset knows it, an encoder is made from it, a saved model carries
 * it. Codes are positions in a column's list of categories; −1 is a missing value.
 */
import { type DatePart, datePartNames, dateParts } from "./date.ts";

export { type DatePart, dateParts } from "./date.ts";
export {
  schemaFromMetadata,
  schemaToMetadata,
  statisticsFromMetadata,
  statisticsToMetadata,
  type TextColumn,
  textsFromMetadata,
  textsToMetadata,
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
  readonly ofDate?: PartOfDate;
}

/** Where a feature is a part of a date: the column of the table that has the dates, and the part. */
export interface PartOfDate {
  readonly column: string;
  readonly part: DatePart;
}

/** A feature that is one of a list of texts. */
export interface CategoryColumn {
  readonly kind: "category";
  readonly name: string;
  readonly categories: readonly string[];
  /** True where the categories stand in an order that means something, from least to most: the code is a rank. */
  readonly isOrdered?: boolean;
  /** True where the categories go round, as months do: the first comes behind the last. */
  readonly isCyclic?: boolean;
  readonly ofDate?: PartOfDate;
  /** "mode", or one of the categories. Default: missing is a category of its own; in an ordered column, the mean rank. */
  readonly whenMissing?: MissingFill<string>;
}

/** What a model may read. */
export type FeatureColumn = NumberColumn | CategoryColumn;

/** The column of the table that a feature is made from: its own, or that of the date it is a part of. */
export const sourceOf = ({ name, ofDate }: FeatureColumn): string => ofDate?.column ?? name;

/**
 * The features that a column of dates becomes, named "<column> year" and so on; hours and minutes only where the dates have
 * times. Year, day of the month and elapsed days are numbers, which go on beyond those that training has seen; the weekday is
 * a category, since any of the seven may be unlike the next; months, hours and minutes go round, so that December lies beside
 * January and a month that training has not seen between its neighbours.
 */
export function dateFeatures(column: string, hasTimes: boolean): FeatureColumn[] {
  return dateParts
    .filter((part) => hasTimes || (part !== "hour" && part !== "minute"))
    .map((part) => {
      const [name, ofDate] = [`${column} ${part}`, { column, part }];
      const categories = datePartNames[part];
      if (categories === undefined) return { kind: "number", name, ofDate };
      return { kind: "category", name, categories, ...(part !== "weekday" && { isCyclic: true }), ofDate };
    });
}

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
 * that stands in for missing values. Of an ordered or cyclic column all categories, in order: a rank must keep its place,
 * whether it occurs or not.
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
