/**
 * What the columns of a table mean, as plain data: a dataset knows it, an encoder is made from it, a saved model carries
 * it. Codes are positions in a column's list of categories; −1 is a missing value.
 */
import { fail } from "../errors.ts";

/** A feature that is a number. Missing is NaN. */
export interface NumberColumn {
  readonly kind: "number";
  readonly name: string;
}

/** A feature that is one of a list of texts. */
export interface CategoryColumn {
  readonly kind: "category";
  readonly name: string;
  readonly categories: readonly string[];
  /** True where the categories stand in an order that means something, from least to most: the code is a rank. */
  readonly isOrdered?: boolean;
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
  /** What stands in for a missing number: the mean. */
  readonly fill: number;
}

/**
 * What the training samples say about a category: only categories that occur in them, at most `categoryLimit`. Of an
 * ordered column all categories, in order: a rank must keep its place, whether it occurs or not.
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
}

export type FeatureStatistics = NumberStatistics | CategoryStatistics;

/** What the training samples say about a number to predict. */
export interface RegressionStatistics extends RegressionTarget {
  readonly mean: number;
  readonly deviation: number;
}

/** What the training samples say about a class to predict: counts[k] samples are of class k. */
export interface ClassificationStatistics extends ClassificationTarget {
  readonly counts: readonly number[];
}

export type TargetStatistics = RegressionStatistics | ClassificationStatistics;

/** What an encoder is fitted on. Plain JSON. */
export interface TableStatistics {
  /** How many samples these are the statistics of. */
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

const metadataKey = "microbatch.schema";

/** The schema as the metadata of an ONNX file: one key, "microbatch.schema", whose value is JSON. */
export function schemaToMetadata(schema: TableSchema): Record<string, string> {
  return {
    [metadataKey]: JSON.stringify({ version: 1, features: schema.features, targets: schema.targets }),
  };
}

/**
 * The schema that `schemaToMetadata` wrote, or undefined where the metadata holds none.
 * Throws when it holds one that cannot be read.
 */
export function schemaFromMetadata(metadata: Readonly<Record<string, string>>): TableSchema | undefined {
  if (!Object.hasOwn(metadata, metadataKey)) return undefined;
  const text = metadata[metadataKey]!;
  const read = parse(text);
  if (isRecord(read) && read.version === 1 && Array.isArray(read.features) && Array.isArray(read.targets)) {
    const features = read.features.filter(isFeature);
    const targets = read.targets.filter(isTarget);
    if (features.length === read.features.length && targets.length === read.targets.length) {
      return { features, targets };
    }
  }
  return fail(`metadata "${metadataKey}"`, {
    expected: "the columns of a table, as version 1 of this package writes them",
    got: text.length > 80 ? `${text.slice(0, 80)}…` : text,
    fix: "save the model again with this version of microbatch",
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function isFeature(value: unknown): value is FeatureColumn {
  if (!isRecord(value) || typeof value.name !== "string") return false;
  if (value.kind === "number") return true;
  const isOrdered = value.isOrdered === undefined || typeof value.isOrdered === "boolean";
  return value.kind === "category" && isTexts(value.categories) && isOrdered;
}

function isTarget(value: unknown): value is TargetColumn {
  if (!isRecord(value) || typeof value.name !== "string") return false;
  return value.task === "regression" || (value.task === "classification" && isTexts(value.categories));
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
