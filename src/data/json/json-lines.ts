/** A JSON Lines file as a dataset: what `table` makes of a CSV file, and lists of numbers. */
import { sourceOf } from "../../array/schema.ts";
import { fail, kindOf } from "../../errors.ts";
import { collect } from "../collect.ts";
import type { ColumnSpecs } from "../dataset.ts";
import { fingerprintOfFiles, openRanges, openRangesAgain } from "../file-ranges.ts";
import { nearest } from "../nearest.ts";
import type { Piece, Source } from "../source.ts";
import { defineNumbers, describeCells } from "../table/cells/cells.ts";
import { openTableDatabase } from "../table/cells/database.ts";
import type { Cleaning } from "../table/clean/cleaning.ts";
import { assignRoles } from "../table/columns/roles.ts";
import { tokenizersOf } from "../table/columns/texts.ts";
import { type DecidedTable, decide } from "../table/decided-table.ts";
import { checkOptions, type LikeOptions, type TableOptions, type TargetOptions } from "../table/options.ts";
import { type Table, type TableReport, tableOf } from "../table/table-data.ts";
import { TableRecords } from "../table/table-records.ts";
import { type LoadedLines, listColumns, loadJsonCells } from "./json-cells.ts";

/** What to read of a JSON Lines file, beside what `table` is told of a table to train on, or of a second one. */
export type JsonLinesOptions = LinesOptions &
  (
    | (Omit<TargetOptions, "target" | "dialect"> & Partial<Pick<TargetOptions, "target">>)
    | Omit<LikeOptions, "dialect">
  );

interface LinesOptions {
  /**
   * The keys to read beside target and weight. Default: all but those of `ignore`; with `like`, those of the
   * schema, and lists are read where they are named here.
   */
  readonly columns?: readonly string[];
}

/**
 * Reads a table from a JSON Lines file: one object to a line, UTF-8, packed with gzip or not.
 *
 *   const houses = await jsonLines("houses.jsonl", { target: "price" });
 *
 * What the columns are is decided as by `table`, and the dataset is the one that `table` gives for the same
 * values in CSV: a text counts as the cell of a table ("7" is a number, "NA" is missing), true and false are
 * categories, null and a key that is not there are missing values. A list of numbers, as long in every line,
 * is a float32 column [k] (null in it is NaN) beside those of the schema. Without a target the schema has
 * none, and every key is a feature or a list. Empty lines are passed over.
 *
 * Throws what `table` throws; and, naming line and key, for what is no JSON object, has a key twice, an
 * object or a list of anything but numbers under a key, or values of several kinds under one. clean: {
 * badRows: { skip: 10 } } leaves out such lines instead, up to that many, and `report.skipped` says which.
 * The whole table is held in memory.
 */
export async function jsonLines(path: string, options: JsonLinesOptions = {}): Promise<Table> {
  checkLinesOptions(path, options);
  return withDecidedLines(path, options, async (decided) => {
    const records = new TableRecords(decided);
    const { weight } = options;
    const dataset = await collect({
      name: path,
      columns: records.columns,
      size: decided.cells.samples,
      schema: decided.schema,
      ...(weight !== undefined && { weight }),
      fingerprint: async () => "", // of what is in memory the dataset makes its own
      pieces: () => records.pieces(),
    });
    return tableOf(dataset, await records.report());
  });
}

/**
 * The same, piece by piece: a source for who keeps the samples elsewhere. The file is read when the source is
 * opened, to decide what its columns are, and each time its samples are read; what does not fit in memory
 * lies in temporary files. A cache that need not read it to be opened is `cachedJsonLines`.
 */
export async function jsonLinesSource(
  path: string,
  options: JsonLinesOptions = {},
): Promise<Source<ColumnSpecs, Table>> {
  checkLinesOptions(path, options);
  const { size, changed, close } = await openRanges(path);
  await close();
  const described = await withDecidedLines(path, options, async (decided) => ({
    columns: new TableRecords(decided).columns,
    schema: decided.schema,
    size: decided.cells.samples,
  }));
  const { weight } = options;
  let last: TableReport | undefined;
  return {
    name: path,
    ...described,
    ...(weight !== undefined && { weight }),
    fingerprint: () => fingerprintOfFiles([path, ...tokenizersOf(options.texts)], ["json lines", options]),
    async *pieces() {
      await (await openRangesAgain(path, { size, changed })).close();
      last = undefined;
      last = yield* readPieces(path, options);
    },
    report: () => last ?? notRead(path),
    dataOf: (dataset, report) => tableOf(dataset, report as TableReport), // what report gave
  };
}

function notRead(path: string): never {
  return fail(`report of ${path}`, {
    expected: "a reading that came to its end",
    got: "none yet",
    fix: "read all pieces() first",
  });
}

/** The database closes when the reader stops. */
async function* readPieces(path: string, options: JsonLinesOptions): AsyncGenerator<Piece, TableReport> {
  const { decided, close } = await openDecided(path, options);
  try {
    const records = new TableRecords(decided);
    yield* records.pieces();
    return await records.report();
  } finally {
    await close();
  }
}

/**
 * Opens a file, decides its columns and hands it over. The database is gone afterwards; limit: the memory it
 * may take.
 */
export async function withDecidedLines<Result>(
  path: string,
  options: JsonLinesOptions,
  use: (decided: DecidedTable) => Promise<Result>,
  limit?: string,
): Promise<Result> {
  const { decided, close } = await openDecided(path, options, limit);
  try {
    return await use(decided);
  } finally {
    await close();
  }
}

const jsonProof = {
  expected: "values that the database can hold",
  fix: "correct them, or report this message",
} as const;

/** Loads the file into a database and decides what its columns are. */
async function openDecided(
  path: string,
  options: JsonLinesOptions,
  limit?: string,
): Promise<{ readonly decided: DecidedTable; close(): Promise<void> }> {
  const wanted = wantedKeys(options);
  const limits = limit === undefined ? {} : { memoryLimit: limit };
  const { database, close } = await openTableDatabase(path, { damaged: jsonProof, ...limits });
  try {
    await defineNumbers(database);
    const lines = await loadJsonCells(database, path, wanted, options.clean?.badRows);
    return { decided: await decideLines(path, lines, options, wanted), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function decideLines(
  path: string,
  { columns, records, bad, loaded }: LoadedLines,
  options: JsonLinesOptions,
  wants: (key: string) => boolean,
): Promise<DecidedTable> {
  const { columns: named = [], ...rest } = options;
  const keys = columns.map(({ key }) => key);
  requireKeys(path, named, keys);
  const tableOptions: TableOptions = rest.like === undefined ? { target: [], ...rest } : rest;
  const lists = listColumns(columns, loaded.id);
  refuseListRoles(path, lists, options);
  const isList = (key: string) => lists.some(({ name }) => name === key);
  const ignored = rest.ignore ?? [];
  const cells = keys.filter((key) => !isList(key) && (wants(key) || ignored.includes(key) || key === ""));
  const roles = assignRoles(path, cells, tableOptions, options.target === undefined);
  return decide(
    await describeCells({ ...loaded, ...(lists.length > 0 && { lists }) }, roles.targets),
    roles,
    records,
    tableOptions,
    bad,
  );
}

function wantedKeys({
  columns,
  target,
  weight,
  like,
  keep = [],
  texts = {},
  ignore = [],
}: JsonLinesOptions): (key: string) => boolean {
  const schema =
    like === undefined ? [] : [...like.features.map(sourceOf), ...like.targets.map(({ name }) => name)];
  const targets = typeof target === "string" ? [target] : (target ?? []);
  const named = new Set([
    ...schema,
    ...targets,
    ...(weight === undefined ? [] : [weight]),
    ...keep,
    ...Object.keys(texts),
    ...(columns ?? []),
  ]);
  const isOpen = like === undefined && columns === undefined;
  const left = new Set(ignore);
  // A column needs a name.
  return (key) => key !== "" && (isOpen || named.has(key)) && !left.has(key);
}

/** Throws for what is no such option. */
export function checkLinesOptions(path: string, { columns, ...options }: JsonLinesOptions): void {
  checkOptions(path, options.like === undefined ? { target: [], ...options } : options);
  if ("dialect" in options && options.dialect !== undefined) {
    const expected = "a CSV file, whose dialect it is";
    fail(`${path}, option dialect`, { expected, got: "JSON Lines", fix: "leave it out" });
  }
  if (columns === undefined) return;
  if (Array.isArray(columns) && columns.every((key) => typeof key === "string")) return;
  const fix = "correct it, or leave it out";
  fail(`${path}, option columns`, { expected: "a list of keys", got: kindOf(columns), fix });
}

function requireKeys(path: string, named: readonly string[], keys: readonly string[]): void {
  const unknown = named.find((key) => !keys.includes(key));
  if (unknown === undefined) return;
  const meant = nearest(unknown, keys);
  fail(`${path}, option columns`, {
    expected: `keys of the file, ${keys.join(", ")}`,
    got: `"${unknown}"`,
    fix: meant === undefined ? "name one of those" : `did you mean "${meant}"?`,
  });
}

/** What is predicted, weighs a sample or has a type is a single value. */
function refuseListRoles(
  path: string,
  lists: readonly { readonly name: string; readonly spec: { readonly shape: readonly number[] } }[],
  { target = [], weight, keep = [], texts = {}, types = {}, like, clean }: JsonLinesOptions,
): void {
  const schema =
    like === undefined ? [] : [...like.features.map(sourceOf), ...like.targets.map(({ name }) => name)];
  const { missing = {}, outliers = {} }: Cleaning = clean ?? {};
  const roles = {
    target: typeof target === "string" ? [target] : target,
    weight: weight === undefined ? [] : [weight],
    keep,
    texts: Object.keys(texts),
    types: Object.keys(types),
    like: schema,
    "clean.missing": Object.keys(missing),
    "clean.outliers": Object.keys(outliers),
  };
  for (const [option, names] of Object.entries(roles)) {
    const list = lists.find(({ name }) => names.includes(name));
    if (list === undefined) continue;
    fail(`${path}, option ${option}`, {
      expected: "keys with a single value in every line",
      got: `"${list.name}", lists of ${list.spec.shape[0]} numbers`,
      fix: "name another key",
    });
  }
}
