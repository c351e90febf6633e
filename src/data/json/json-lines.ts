/** A JSON Lines file as a dataset: what `table` makes of a CSV file, and lists of numbers. */
import { fail, kindOf } from "../../errors.ts";
import { collect } from "../collect.ts";
import { fingerprintOfFiles, openRanges, openRangesAgain } from "../file-ranges.ts";
import { nearest } from "../nearest.ts";
import type { Piece, Source } from "../source.ts";
import { describeCells } from "../table/cells.ts";
import { openForCsv } from "../table/csv-file.ts";
import { checkOptions, type LikeOptions, type TableOptions, type TargetOptions } from "../table/options.ts";
import { assignRoles } from "../table/roles.ts";
import { type DecidedTable, decide, type Table, type TableReport, tableOf } from "../table/table.ts";
import { TableRecords } from "../table/table-records.ts";
import type { OnBadLine, SkippedLines } from "./bad-lines.ts";
import { type LoadedLines, listColumns, loadJsonCells } from "./json-cells.ts";

export type { OnBadLine, SkippedLines } from "./bad-lines.ts";

/** What to read of a JSON Lines file, beside what `table` is told of a table to train on, or of a second one. */
export type JsonLinesOptions = LinesOptions &
  ((Omit<TargetOptions, "target"> & Partial<Pick<TargetOptions, "target">>) | LikeOptions);

interface LinesOptions {
  /**
   * The keys to read beside target and weight. Default: all but those of `ignore`; with `like`, those of the schema, and
   * lists are read where they are named here.
   */
  readonly columns?: readonly string[];
  /** Default "error". { skip: 10 } leaves out and reports up to ten lines. */
  readonly onBadLine?: OnBadLine;
}

/** The samples of a JSON Lines file. */
export interface JsonLines extends Table {
  readonly report: JsonLinesReport;
}

/** What reading found, for people to see. */
export interface JsonLinesReport extends TableReport {
  /** Lines that were left out because they are bad. */
  readonly skipped: SkippedLines;
}

/**
 * Reads a table from a JSON Lines file: one object to a line, UTF-8, packed with gzip or not.
 *
 *   const houses = await jsonLines("houses.jsonl", { target: "price" });
 *
 * What the columns are is decided as by `table`, and the dataset is the one that `table` gives for the same values in CSV: a
 * text counts as the cell of a table ("7" is a number, "NA" is missing), true and false are categories, null and a key that
 * is not there are missing values. A list of numbers, as long in every line, is a float32 column [k] (null in it is NaN)
 * beside those of the schema. Without a target the schema has none, and every key is a feature or a list. Empty lines are
 * passed over.
 *
 * Throws what `table` throws; and, naming line and key, for what is no JSON object, has a key twice, an object or a list
 * of anything but numbers under a key, or values of several kinds under one. `onBadLine: { skip: 10 }` leaves out such
 * lines instead, up to that many, and `report.skipped` says which. The whole table is held in memory.
 */
export async function jsonLines(path: string, options: JsonLinesOptions = {}): Promise<JsonLines> {
  checkLinesOptions(path, options);
  return withDecidedLines(path, options, async ({ decided, skipped }) => {
    const records = new TableRecords(decided);
    const { weight } = options;
    const dataset = await collect({
      name: path,
      columns: records.columns,
      size: decided.cells.samples,
      schema: decided.schema,
      ...(weight !== undefined && { weight }),
      fingerprint: async () => "", // of what is in memory the dataset makes its own
      pieces: () => records.pieces(options.like === undefined),
    });
    const report = { ...(await withMissingLists(decided, records.report())), skipped };
    return Object.freeze({ ...tableOf(dataset, report), report });
  });
}

/**
 * The same, piece by piece: a source for who keeps the samples elsewhere. The file is read when the source is opened, to
 * decide what its columns are, and each time its samples are read; what does not fit in memory lies in temporary files.
 */
export async function jsonLinesSource(path: string, options: JsonLinesOptions = {}): Promise<Source> {
  checkLinesOptions(path, options);
  const { size, changed, close } = await openRanges(path);
  await close();
  const described = await withDecidedLines(path, options, async ({ decided }) => ({
    columns: new TableRecords(decided).columns,
    schema: decided.schema,
    size: decided.cells.samples,
  }));
  const { weight } = options;
  return {
    name: path,
    ...described,
    ...(weight !== undefined && { weight }),
    fingerprint: () => fingerprintOfFiles([path], ["json lines", options]),
    async *pieces() {
      await (await openRangesAgain(path, { size, changed })).close();
      yield* readPieces(path, options);
    },
  };
}

/** The database closes when the reader stops. */
async function* readPieces(path: string, options: JsonLinesOptions): AsyncGenerator<Piece, void> {
  const { decided, close } = await openDecided(path, options);
  try {
    yield* new TableRecords(decided).pieces(options.like === undefined);
  } finally {
    await close();
  }
}

interface DecidedLines {
  readonly decided: DecidedTable;
  readonly skipped: SkippedLines;
}

async function withDecidedLines<Result>(
  path: string,
  options: JsonLinesOptions,
  use: (lines: DecidedLines) => Promise<Result>,
): Promise<Result> {
  const { close, ...lines } = await openDecided(path, options);
  try {
    return await use(lines);
  } finally {
    await close();
  }
}

/** Loads the file into a database and decides what its columns are. */
async function openDecided(
  path: string,
  options: JsonLinesOptions,
): Promise<DecidedLines & { close(): Promise<void> }> {
  const { onBadLine = "error" } = options;
  const wanted = wantedKeys(options);
  const { database, close } = await openForCsv({ path });
  try {
    const lines = await loadJsonCells(database, path, wanted, onBadLine);
    return { decided: await decideLines(path, lines, options, wanted), skipped: lines.skipped, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function decideLines(
  path: string,
  { columns, records, loaded }: LoadedLines,
  options: JsonLinesOptions,
  wants: (key: string) => boolean,
): Promise<DecidedTable> {
  const { columns: named = [], onBadLine: _, ...rest } = options;
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
  );
}

function wantedKeys({
  columns,
  target,
  weight,
  like,
  ignore = [],
}: JsonLinesOptions): (key: string) => boolean {
  const schema = like === undefined ? [] : [...like.features, ...like.targets].map(({ name }) => name);
  const targets = typeof target === "string" ? [target] : (target ?? []);
  const named = new Set([
    ...schema,
    ...targets,
    ...(weight === undefined ? [] : [weight]),
    ...(columns ?? []),
  ]);
  const isOpen = like === undefined && columns === undefined;
  const left = new Set(ignore);
  // A column needs a name.
  return (key) => key !== "" && (isOpen || named.has(key)) && !left.has(key);
}

function checkLinesOptions(path: string, { columns, onBadLine, ...options }: JsonLinesOptions): void {
  checkOptions(path, options.like === undefined ? { target: [], ...options } : options);
  const isNames =
    columns === undefined || (Array.isArray(columns) && columns.every((key) => typeof key === "string"));
  if (!isNames) {
    const fix = "correct it, or leave it out";
    fail(`${path}, option columns`, { expected: "a list of keys", got: kindOf(columns), fix });
  }
  const isKnown = onBadLine === undefined || onBadLine === "error";
  if (isKnown || (Number.isSafeInteger(onBadLine?.skip) && onBadLine.skip > 0)) return;
  fail(`${path}, option onBadLine`, {
    expected: '"error", or { skip: lines } with a whole number above 0',
    got: kindOf(onBadLine),
    fix: "for example onBadLine: { skip: 10 }",
  });
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
  { target = [], weight, types = {}, like }: JsonLinesOptions,
): void {
  const schema = like === undefined ? [] : [...like.features, ...like.targets].map(({ name }) => name);
  const roles = {
    target: typeof target === "string" ? [target] : target,
    weight: weight === undefined ? [] : [weight],
    types: Object.keys(types),
    like: schema,
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

/** Lists are no cells, so that the table has not counted those that are missing. */
async function withMissingLists({ cells }: DecidedTable, report: TableReport): Promise<TableReport> {
  const missing: Record<string, number> = { ...report.missing };
  for (const { name, sql } of cells.lists ?? []) {
    const [row] = await cells.database.rows(`select count(*)::double from ${cells.kept} and ${sql} is null`);
    if (Number(row![0]) > 0) missing[name] = Number(row![0]);
  }
  return { ...report, missing };
}
