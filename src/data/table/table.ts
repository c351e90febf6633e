/** A CSV or TSV file as a dataset: typed, cleaned and profiled columns. */

import type { FeatureColumn, TableSchema } from "../../array/schema.ts";
import { bug, fail } from "../../errors.ts";
import type { ColumnSpecs, Dataset } from "../dataset.ts";
import { type Fold, type FoldOptions, folds } from "../folds.ts";
import { memoryDataset } from "../memory.ts";
import type { ShareOptions, Split } from "../shares.ts";
import { type SplitOptions, split } from "../split.ts";
import { splitByGroup } from "../split-by-group.ts";
import { splitByTime, type TimeShares } from "../split-by-time.ts";
import { type Cells, loadCells } from "./cells/cells.ts";
import { type ColumnProfile, profileColumns } from "./cells/profile.ts";
import { type CleaningReport, cleanCells } from "./clean/clean-cells.ts";
import type { BadRowCount } from "./clean/skipped-rows.ts";
import { decideFeatures, sameAsEarlier } from "./columns/columns.ts";
import { requireFreeNames } from "./columns/dates.ts";
import { keptValues } from "./columns/kept.ts";
import { refuseLeaks } from "./columns/leaks.ts";
import { refuseUnknownClass, requireLike } from "./columns/like.ts";
import { impreciseColumns } from "./columns/precision.ts";
import { assignRoles, type IgnoredColumn, type Roles } from "./columns/roles.ts";
import { decideTarget, decideWeight } from "./columns/targets.ts";
import { textValues, truncatedOf } from "./columns/texts.ts";
import { featureValues, readValues, targetValues, type ValueColumn, weightValues } from "./columns/values.ts";
import { requireSeveralColumns } from "./csv/csv-header.ts";
import { inputName, type TableInput } from "./formats/input.ts";
import { readingOf, requireRecords, withTable } from "./formats/open-table.ts";
import { checkOptions, type TableOptions, type TargetOptions } from "./options.ts";

export type { CleaningReport, DroppedRows, OutlierCount } from "./clean/clean-cells.ts";
export type {
  BadRows,
  Cleaning,
  Filling,
  LikeCleaning,
  MissingPolicy,
  OutlierLimits,
} from "./clean/cleaning.ts";
export type { SkippedRow, SkippedRows } from "./clean/skipped-rows.ts";
export type { IgnoredColumn } from "./columns/roles.ts";
export type { EncodedText, EncodedTexts } from "./columns/texts.ts";
export type { Dialect } from "./csv/csv-dialect.ts";
export type { TableInput } from "./formats/input.ts";
export { type Query, sql } from "./formats/query.ts";
export type { ColumnType, LikeOptions, TableOptions, TargetOptions } from "./options.ts";

/** Samples of a table: a dataset that knows what its columns mean. */
export interface TableData extends Dataset {
  readonly schema: TableSchema;
  /** Divides the samples in two or three; see `split`. */
  split(options?: SplitOptions): Split<TableData>;
  /** Divides the samples so that none of a column's values is in two parts; see `splitByGroup`. */
  splitByGroup(column: string, options?: ShareOptions): Promise<Split<TableData>>;
  /** Divides the samples so that the latest by a column are judged on; see `splitByTime`. */
  splitByTime(column: string, shares?: TimeShares): Promise<Split<TableData>>;
  /** Parts to train and validate several models on, each sample being validated on once; see `folds`. */
  folds(count: number, options?: FoldOptions): Promise<Fold<TableData>[]>;
}

/** A whole table. */
export interface Table extends TableData {
  readonly report: TableReport;
}

/** What reading found, for people to see. */
export interface TableReport extends CleaningReport {
  /** Records in the file, below the header. */
  readonly records: number;
  /** Records left out because a target is missing. */
  readonly withoutTarget: number;
  /** How many samples have no value, by column, where there are any. */
  readonly missing: Readonly<Record<string, number>>;
  /**
   * How many samples have a category that its column does not list, where there are any: beyond the 1000 most frequent, or,
   * with `like`, one that the first table has not seen.
   */
  readonly unlisted: Readonly<Record<string, number>>;
  /** Columns that are no features, and why. */
  readonly ignored: readonly IgnoredColumn[];
  /** How many texts of a column of `texts` were cut to its length, where there are any. */
  readonly truncated?: Readonly<Record<string, number>>;
  /** Columns whose numbers lose more than a thousandth of their deviation in float32: subtract a constant first. */
  readonly imprecise: readonly string[];
}

/**
 * Reads a table from a file of CSV, packed with gzip or not, or of Parquet; from several with the same columns, by a pattern or a
 * list of paths; or from a query over such files (see `sql`).
 *
 *   const houses = await table("houses.csv", { target: "price" });
 *   const { training, validation } = houses.split({ validation: 0.2, seed: 7 });
 *   const trips = await table("trips/2024-*.parquet", { target: "tip" });
 *
 * Of CSV the delimiter (comma, tab, semicolon or bar) is found by the header line, and quotes are as in RFC 4180; `dialect` says
 * what is otherwise. Several files come one behind the other, those of a pattern in the order of their code points. Parquet's
 * NaN is missing; its booleans are the categories "false" and "true"; its times are texts, in UTC where they know their zone.
 *
 * Columns of the dataset: a number is float32 [1], NaN where missing; a category is an int32 code [], −1 where missing,
 * its categories in the order of their code points; a target is float32 [1] or an int32 class []; the weight is
 * float32 []; columns of `keep` are there and are no features. Missing is an empty field or NA, N/A, NaN, null, None or ?,
 * in any case; blanks around a value are dropped.
 * (The file of a saved model takes trimmed text, and "" alone for missing.) A feature is a number when all its values are; a target is
 * a class when it is text or has at most 10 different whole numbers. What tells nothing (constants, names of samples,
 * columns without a value or a name, what is identical to an earlier column) is left out. `report` says what was found.
 *
 * A column "sold" of dates as ISO 8601 writes them (2024-03-05, 2024-03-05 14:30, 2024-03-05T14:30:00Z) becomes its parts: "sold
 * year", "sold day" and "sold elapsed" (days since 1970) are numbers, "sold month" and "sold weekday" codes, and so are "sold
 * hour" and "sold minute" where there are times. splitByTime("sold elapsed") divides by them. types: { sold: "category" } makes
 * one category of each text instead.
 *
 * Where categories stand in an order, say it, and a model reads their ranks:
 * types: { cut: ["Fair", "Good", "Very Good"] }. Of more than 1000 categories the most frequent are listed, unless
 * types says "category"; the code of others is the number of those listed.
 *
 * A column of texts becomes codes of one length, which is no feature either: a model reads it by its name.
 *
 *   const mails = await table("mails.csv", { target: "label", texts: { body: { tokens: "bytes", length: 200 } } });
 *
 * body is then int32 [200], filled up with a code of its own (256 of bytes; `EncodedText`), and the saved model takes such codes.
 *
 * A second table for validation, test or evaluation is read by the schema of the first:
 *
 *   const test = await table("test.csv", { like: houses.schema });
 *
 * It then has the same columns, codes and classes. Other columns are not read; a category that the first table has not
 * seen has the number of categories as its code, as in a saved model.
 *
 * `clean` says what shall be left out instead of ending the reading, or of training on it (see `Cleaning`):
 *
 *   clean: { badRows: { skip: 20 }, missing: { age: "drop" }, outliers: { price: { deviations: 5 } }, duplicates: "drop" }
 *
 * Throws, naming file, line and column, when the file is missing, empty, damaged or no text; when an option names no
 * column; when numbers and text are mixed; when there is nothing to predict or nothing to predict from; for classes with a
 * single sample and for more than 1000; and for a feature that is the target under another name. With `like`: when a
 * column is missing, for text where the first table has numbers, and for classes that it does not have.
 * The whole table is held in memory: 4 bytes per value.
 */
export async function table(input: TableInput, options: TableOptions): Promise<Table> {
  const path = inputName(input);
  return withDecided(input, options, {}, async (decided) => {
    const { cells, schema, targets, weights, features } = decided;
    const { columns, unlisted } = await readValues(cells, [...targets, ...weights, ...features]);
    await requireKnownClasses(decided, unlisted);
    if (options.like === undefined) refuseLeaks(path, schema, columns);
    const weight = options.weight === undefined ? {} : { weight: options.weight };
    const dataset = memoryDataset<ColumnSpecs>({
      name: path,
      size: cells.samples,
      columns,
      schema,
      ...weight,
    });
    return tableOf(dataset, { ...decided.report, ...truncatedOf(features), unlisted });
  });
}

/** A table in the database whose columns are decided, and checked as far as that needs no numbers. */
export interface DecidedTable {
  readonly cells: Cells;
  readonly schema: TableSchema;
  /** How the numbers of each column are had. */
  readonly targets: readonly ValueColumn[];
  readonly weights: readonly ValueColumn[];
  readonly features: readonly ValueColumn[];
  /** What is known before the numbers are read. */
  readonly report: Omit<TableReport, "unlisted" | "truncated">;
}

/** Opens a table, decides its columns and hands it over. The database is gone afterwards. */
export async function withDecided<Result>(
  input: TableInput,
  options: TableOptions,
  limits: { readonly memoryLimit?: string },
  use: (decided: DecidedTable) => Promise<Result>,
): Promise<Result> {
  const path = inputName(input);
  checkOptions(path, options);
  return withTable(input, { ...limits, ...readingOf(options) }, async (opened, store) => {
    requireSeveralColumns(opened);
    const roles = assignRoles(path, opened.columns, options);
    requireRecords(opened);
    const { targets, weights, kept, features } = roles;
    const columns = [...targets, ...weights, ...kept, ...features];
    const numbers = wantedNumbers(roles, options);
    const cells = await loadCells(opened, store, { columns, numbers, targets });
    return use(await decide(cells, roles, opened.records, options, opened.bad));
  });
}

/** Columns that are numbers where all their values are: not those whose texts may be categories, classes, or shown. */
export function wantedNumbers({ targets, features }: Roles, options: TableOptions): string[] {
  if (options.like !== undefined) {
    const { features, targets } = options.like;
    const regression = targets.filter(({ task }) => task === "regression");
    const numbers = features.filter(({ kind, ofDate }) => kind === "number" && ofDate === undefined);
    return [...numbers, ...regression].map(({ name }) => name);
  }
  const { types = {}, task } = options;
  const isNumber = (name: string) => !Object.hasOwn(types, name) || types[name] === "number";
  return [...features.filter(isNumber), ...(task === "classification" ? [] : targets)];
}

/**
 * Cleans what is in the database, and decides its columns. records: how many were read, samples or not. bad: those that
 * could not be, where such are skipped.
 */
export async function decide(
  loaded: Cells,
  roles: Roles,
  records: number,
  options: TableOptions,
  bad?: BadRowCount,
): Promise<DecidedTable> {
  const { path } = loaded;
  if (loaded.samples === 0) noSamples(path, roles, records);
  const unread = bad?.skipped.count ?? 0;
  const { cells, found } = await cleanCells(loaded, roles, options, bad);
  const { samples } = cells;
  const names = [...roles.targets, ...roles.weights, ...roles.kept, ...roles.features];
  const profiles = new Map((await profileColumns(cells, names)).map((profile) => [profile.name, profile]));
  const { schema, ignored } =
    options.like === undefined
      ? await decideColumns(cells, roles, profiles, options)
      : { schema: await requireLike(cells, options.like, profiles), ignored: roles.ignored };
  const targets = await inOrder(schema.targets, (target) => targetValues(cells, target));
  const weights = await inOrder(roles.weights, async (name) => {
    await decideWeight(cells, profiles.get(name)!);
    return weightValues(cells, name);
  });
  const { texts = {} } = options;
  const kept = await inOrder(roles.kept, (name) =>
    Object.hasOwn(texts, name)
      ? textValues(cells, name, texts[name]!)
      : keptValues(cells, profiles.get(name)!, options.types?.[name]),
  );
  const features = await inOrder(schema.features, (feature) => featureValues(cells, feature));
  const missing = [...profiles.values()].filter(({ present }) => present < samples);
  const floats = [...targets, ...weights, ...kept, ...features].filter(
    ({ spec }) => spec.dtype === "float32",
  );
  const imprecise = await impreciseColumns(
    cells,
    floats.flatMap(({ name }) => profiles.get(name) ?? []), // parts of dates are exact
  );
  const report = {
    records: records + unread,
    withoutTarget: records - loaded.samples,
    ...found,
    missing: Object.fromEntries(missing.map(({ name, present }) => [name, samples - present])),
    ignored,
    imprecise,
  };
  return {
    cells,
    schema,
    targets,
    weights,
    features: [...features, ...kept, ...(cells.lists ?? [])],
    report,
  };
}

/** Throws at the first class that the schema of another table does not have. */
export async function requireKnownClasses(
  { cells, schema, targets }: DecidedTable,
  unlisted: TableReport["unlisted"],
): Promise<void> {
  for (const [index, target] of schema.targets.entries()) {
    if (target.task === "regression" || !Object.hasOwn(unlisted, target.name)) continue;
    await refuseUnknownClass(cells, target, targets[index]!.sql);
  }
}

/** One after the other: they share a database. */
async function inOrder<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}

/** What the columns are, by their values. */
async function decideColumns(
  cells: Cells,
  roles: Roles,
  profiles: ReadonlyMap<string, ColumnProfile>,
  { task, types = {}, texts = {}, clean = {} }: TargetOptions,
): Promise<{ readonly schema: TableSchema; readonly ignored: readonly IgnoredColumn[] }> {
  const targets = await inOrder(roles.targets, (name) => decideTarget(cells, profiles.get(name)!, task));
  const decisions = await decideFeatures(
    cells,
    roles.features.map((name) => profiles.get(name)!),
    types,
    clean,
  );
  const same = await sameAsEarlier(cells, decisions, profiles);
  const features: FeatureColumn[] = [];
  const ignored = [...roles.ignored];
  for (const { name, features: found } of decisions) {
    const to = same.get(name);
    if (typeof found === "string") ignored.push({ column: name, reason: found });
    else if (to !== undefined) ignored.push({ column: name, reason: "identical", to });
    else features.push(...found);
  }
  requireFreeNames(cells.path, features, [...profiles.keys()]);
  const isEmpty = features.length === 0 && cells.lists === undefined && Object.keys(texts).length === 0;
  if (isEmpty) noFeatures(cells.path, ignored);
  return { schema: { features, targets }, ignored };
}

function noSamples(path: string, { targets }: Roles, records: number): never {
  fail(`${path}, target ${targets.map((name) => `"${name}"`).join(", ")}`, {
    expected: "a value in at least one line",
    got: `none in ${records} lines`,
    fix: "name another target",
  });
}

/** A dataset with the schema of a table, and what reading it found. */
export function tableOf(dataset: Dataset, report: TableReport): Table {
  return Object.freeze({ ...tableData(dataset), report });
}

function tableData(dataset: Dataset): TableData {
  const schema = dataset.schema ?? bug(`${dataset.name} lost its schema`);
  return Object.freeze({
    ...dataset,
    schema,
    split: (options?: SplitOptions) => tableParts(split(dataset, options)),
    splitByGroup: async (column: string, options?: ShareOptions) =>
      tableParts(await splitByGroup(dataset, column, options)),
    splitByTime: async (column: string, shares?: TimeShares) =>
      tableParts(await splitByTime(dataset, column, shares)),
    folds: async (count: number, options?: FoldOptions) =>
      (await folds(dataset, count, options)).map(({ training, validation }) => ({
        training: tableData(training),
        validation: tableData(validation),
      })),
  });
}

function tableParts({ training, validation, test }: Split<Dataset>): Split<TableData> {
  return {
    training: tableData(training),
    validation: tableData(validation),
    ...(test !== undefined && { test: tableData(test) }),
  };
}

function noFeatures(path: string, ignored: readonly IgnoredColumn[]): never {
  return fail(path, {
    expected: "at least one column to predict from",
    got:
      ignored.length === 0
        ? "none beside the target"
        : ignored.map(({ column, reason }) => `"${column}" (${reason})`).join(", "),
    fix:
      ignored.length === 0
        ? "add features"
        : 'add features, or say what one is: types: { column: "category" }',
  });
}
