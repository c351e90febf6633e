/** What a saved model tells about the table it was trained on: its columns, and their statistics, as metadata of the file. */
import { fail } from "../errors.ts";
import { dateParts } from "./date.ts";
import type {
  FeatureColumn,
  FeatureStatistics,
  TableSchema,
  TableStatistics,
  TargetColumn,
  TargetStatistics,
} from "./schema.ts";

const schemaKey = "microbatch.schema";
const statisticsKey = "microbatch.statistics";
const textsKey = "microbatch.texts";
/** Longer lists of categories are written once, in the schema: there may be many thousands of classes. */
const longestList = 100;

/** The schema as the metadata of an ONNX file: one key, "microbatch.schema", whose value is JSON. */
export function schemaToMetadata({ features, targets }: TableSchema): Record<string, string> {
  return { [schemaKey]: JSON.stringify({ version: 1, features, targets }) };
}

/**
 * The schema that `schemaToMetadata` wrote, or undefined where the metadata holds none. source: what errors call the file.
 * Throws when it holds one that cannot be read.
 */
export function schemaFromMetadata(metadata: Metadata, source?: string): TableSchema | undefined {
  return readJson({ metadata, key: schemaKey, source }, "columns", ({ features, targets }) =>
    isListOf(isFeature, features) && isListOf(isTarget, targets) ? { features, targets } : undefined,
  );
}

/**
 * The statistics of the training samples as the metadata of an ONNX file: one key, "microbatch.statistics", whose value is
 * JSON. Of columns with more than 100 categories the names are left out, since the schema tells them.
 */
export function statisticsToMetadata(statistics: TableStatistics): Record<string, string> {
  const { samples } = statistics;
  const features = statistics.features.map(withoutLongList);
  const targets = statistics.targets.map(withoutLongList);
  return { [statisticsKey]: JSON.stringify({ version: 1, samples, features, targets }) };
}

/**
 * The statistics that `statisticsToMetadata` wrote, or undefined where the metadata holds none. Long lists of categories
 * are taken from the schema in the same metadata. source: what errors call the file.
 * Throws when it holds some that cannot be read, or whose targets are not those of the schema.
 */
export function statisticsFromMetadata(metadata: Metadata, source?: string): TableStatistics | undefined {
  if (!Object.hasOwn(metadata, statisticsKey)) return undefined;
  const schema = schemaFromMetadata(metadata, source);
  return readJson({ metadata, key: statisticsKey, source }, "statistics", (read) => {
    const { samples } = read;
    const features = withLongLists(read.features, schema?.features);
    const targets = withLongLists(read.targets, schema?.targets);
    return isCount(samples) &&
      isListOf(isFeatureStatistics, features) &&
      isListOf(isTargetStatistics, targets) &&
      (schema === undefined || areOf(schema.targets, targets))
      ? { samples, features, targets }
      : undefined;
  });
}

/** A column of texts that a saved model cuts into words itself. */
export interface TextColumn {
  readonly name: string;
  /** How many words are listed. */
  readonly words: number;
  /** How many words of each text count. */
  readonly length: number;
}

/** The columns of texts as the metadata of an ONNX file: one key, "microbatch.texts", whose value is JSON. */
export function textsToMetadata(columns: readonly TextColumn[]): Record<string, string> {
  return { [textsKey]: JSON.stringify({ version: 1, columns }) };
}

/** The columns that `textsToMetadata` wrote; none where the metadata holds none. Throws when it holds some that cannot be read. */
export function textsFromMetadata(metadata: Metadata, source?: string): readonly TextColumn[] {
  const read = readJson({ metadata, key: textsKey, source }, "texts", ({ columns }) =>
    isListOf(isTextColumn, columns) ? columns : undefined,
  );
  return read ?? [];
}

function withoutLongList(column: FeatureStatistics | TargetStatistics): object {
  if (!("categories" in column) || column.categories.length <= longestList) return column;
  const { categories: _, ...rest } = column;
  return rest;
}

/** Columns with the categories they lack, from the schema's columns of the same names. */
function withLongLists(columns: unknown, known: readonly (FeatureColumn | TargetColumn)[] = []): unknown {
  if (!Array.isArray(columns)) return columns;
  return columns.map((column: unknown) => {
    if (!isRecord(column) || column.categories !== undefined) return column;
    const same = known.find(({ name }) => name === column.name);
    return same !== undefined && "categories" in same ? { ...column, categories: same.categories } : column;
  });
}

/** Whether statistics are of these targets: models are judged by both, so a damaged file must not make them differ. */
function areOf(targets: readonly TargetColumn[], statistics: readonly TargetStatistics[]): boolean {
  const told = (target: TargetColumn) =>
    JSON.stringify([target.name, target.task, "categories" in target ? target.categories : []]);
  return statistics.map(told).join() === targets.map(told).join();
}

/** What an ONNX file says about itself, by key. */
type Metadata = Readonly<Record<string, string>>;

/** Where a value of this package's lies. */
interface Place {
  readonly metadata: Metadata;
  readonly key: string;
  readonly source: string | undefined;
}

/** The value under a key as `read` finds it in its JSON, of version 1. */
function readJson<Value>(
  { metadata, key, source }: Place,
  what: string,
  read: (json: Readonly<Record<string, unknown>>) => Value | undefined,
): Value | undefined {
  if (!Object.hasOwn(metadata, key)) return undefined;
  const text = metadata[key]!;
  const json = parse(text);
  const value = isRecord(json) && json.version === 1 ? read(json) : undefined;
  if (value !== undefined) return value;
  return fail(`${source === undefined ? "" : `${source}, `}metadata "${key}"`, {
    expected: `the ${what} of a table, as version 1 of this package writes them`,
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
  if (!isRecord(value) || typeof value.name !== "string" || !isPartOfDate(value.ofDate)) return false;
  if (value.kind === "number") return isFilling(value.whenMissing, isNumberFill);
  const { kind, categories, isOrdered = false, isCyclic = false, whenMissing } = value;
  return (
    kind === "category" &&
    isListOf(isText, categories) &&
    typeof isOrdered === "boolean" &&
    typeof isCyclic === "boolean" &&
    isFilling(whenMissing, (fill) => fill === "mode" || categories.some((category) => category === fill))
  );
}

function isTextColumn(value: unknown): value is TextColumn {
  return isRecord(value) && typeof value.name === "string" && isCount(value.words) && isCount(value.length);
}

function isPartOfDate(value: unknown): boolean {
  if (value === undefined) return true;
  return isRecord(value) && typeof value.column === "string" && dateParts.some((part) => part === value.part);
}

function isFilling(value: unknown, isFill: (fill: unknown) => boolean): boolean {
  if (value === undefined) return true;
  return isRecord(value) && isFill(value.fill) && ["undefined", "boolean"].includes(typeof value.indicator);
}

const isNumberFill = (fill: unknown) =>
  (typeof fill === "number" && Number.isFinite(Math.fround(fill))) ||
  fill === "mean" ||
  fill === "median" ||
  fill === "mode";

function isTarget(value: unknown): value is TargetColumn {
  if (!isRecord(value) || typeof value.name !== "string") return false;
  return (
    value.task === "regression" || (value.task === "classification" && isListOf(isText, value.categories))
  );
}

function isFeatureStatistics(value: unknown): value is FeatureStatistics {
  if (!isFeature(value)) return false;
  const read: Readonly<Record<string, unknown>> = { ...value };
  if (value.kind === "number") {
    const { mean, deviation, minimum, maximum, missing, fill, quartiles, logarithm } = read;
    const areQuartiles = isListOf(Number.isFinite, quartiles) && quartiles.length === 3;
    return (
      [mean, deviation, minimum, maximum, fill].every(Number.isFinite) &&
      isCount(missing) &&
      (quartiles === undefined || areQuartiles) &&
      (logarithm === undefined || isFit(logarithm))
    );
  }
  const isPerCategory = hasLength(value.categories.length);
  return (
    isListOf(Number.isInteger, read.codes) &&
    isPerCategory(read.codes) &&
    isListOf(isCount, read.counts) &&
    isPerCategory(read.counts) &&
    isCount(read.missing) &&
    isCount(read.other) &&
    (read.fill === undefined || value.categories.some((category) => category === read.fill)) &&
    (read.frequencies === undefined || isListOf(isCount, read.frequencies))
  );
}

function isTargetStatistics(value: unknown): value is TargetStatistics {
  if (!isTarget(value)) return false;
  const { mean, deviation, counts, weights }: Readonly<Record<string, unknown>> = { ...value };
  if (value.task === "regression") return [mean, deviation].every(Number.isFinite);
  const isPerClass = hasLength(value.categories.length);
  const areWeights = weights === undefined || (isListOf(isWeight, weights) && isPerClass(weights));
  return isListOf(isCount, counts) && isPerClass(counts) && areWeights;
}

const isFit = (value: unknown) => isRecord(value) && [value.mean, value.deviation].every(Number.isFinite);
const isText = (value: unknown): value is string => typeof value === "string";
const isCount = (value: unknown): value is number => Number.isInteger(value) && Number(value) >= 0;
const isWeight = (value: unknown): value is number => Number.isFinite(value) && Number(value) >= 0;
const hasLength = (length: number) => (list: readonly unknown[]) => list.length === length;

function isListOf<Item>(is: (value: unknown) => value is Item, list: unknown): list is readonly Item[];
function isListOf(is: (value: unknown) => boolean, list: unknown): list is readonly unknown[];
function isListOf(is: (value: unknown) => boolean, list: unknown): boolean {
  return Array.isArray(list) && list.every((item: unknown) => is(item));
}
