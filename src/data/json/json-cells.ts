/** JSON Lines inside the database: cells as a table has them, and lists of numbers. */
import { fail } from "../../errors.ts";
import { type Cells, textColumns } from "../table/cells/cells.ts";
import type { Appender, Database } from "../table/cells/database.ts";
import type { BadRows } from "../table/clean/cleaning.ts";
import { BadRowCount } from "../table/clean/skipped-rows.ts";
import type { ValueColumn } from "../table/columns/values.ts";
import { type JsonColumn, JsonColumns, type LineProblem } from "./json-columns.ts";
import { parseLine } from "./json-object.ts";
import { readLines } from "./lines.ts";

/** What was loaded. */
export interface LoadedLines {
  /** All keys of the file, in the order in which they come first. */
  readonly columns: readonly JsonColumn[];
  /** Objects that were read. */
  readonly records: number;
  /** Lines that hold no such object, where those are skipped. */
  readonly bad?: BadRowCount;
  readonly loaded: Omit<Cells, "kept" | "samples" | "lists">;
}

/** Rows that the database takes at a time. */
const rowsAtATime = 2048;

/**
 * Loads a file into the table `cells` of the database, in one pass. wants: whether the values of a key are looked at.
 * Throws, naming line and key, for what is no JSON object, has a key twice, or has values of several kinds under a key,
 * unless such lines are skipped; and when no object was read.
 */
export async function loadJsonCells(
  database: Database,
  path: string,
  wants: (key: string) => boolean,
  badRows: BadRows = "error",
): Promise<LoadedLines> {
  const bad = badRows === "error" ? undefined : new BadRowCount(path, badRows);
  const columns = new JsonColumns(wants);
  const writer = new CellWriter(database);
  await writer.open();
  try {
    await readInto(path, columns, writer, bad);
  } finally {
    await writer.close(); // before the database is
  }
  await writer.addEmpty(columns.columns.filter(({ key }) => wants(key)));
  const { records, id } = writer;
  if (records === 0) noRecords(path, bad);
  bad?.require(records + bad.skipped.count);
  const loaded = { path, database, ...textColumns(id), placeOf: await lineFinder(path, database) };
  return { columns: columns.columns, records, ...(bad !== undefined && { bad }), loaded };
}

async function readInto(
  path: string,
  columns: JsonColumns,
  writer: CellWriter,
  bad: BadRowCount | undefined,
): Promise<void> {
  for await (const { first, texts } of readLines(path)) {
    for (const [index, text] of texts.entries()) {
      if (text !== null && isBlank(text)) continue;
      const wrong = addLine(columns, text, first + index);
      if (wrong !== undefined) skip(bad, path, first + index, wrong);
      if (columns.size === rowsAtATime) await writer.write(columns);
    }
  }
  await writer.write(columns);
}

/** The lines in a table of their own, since cleaning puts others in the place of the cells. */
async function lineFinder(path: string, database: Database): Promise<Cells["placeOf"]> {
  await database.run("create table lines as select line from cells");
  return async (record) => {
    const [row] = await database.rows(`select line from lines where rowid = ${record}`);
    return { path, unit: "line", line: Number(row![0]) };
  };
}

/** The lists among the columns, as columns of the dataset. */
export function listColumns(columns: readonly JsonColumn[], id: (key: string) => string): ValueColumn[] {
  return columns
    .filter(({ kind }) => kind === "list")
    .map(({ key, elements }) => ({
      name: key,
      spec: { dtype: "float32", shape: [elements] },
      sql: id(key),
      isList: true,
    }));
}

const isBlank = (text: string) => /^\s*$/.test(text);

/** Adds the object of a line, or says what is wrong with it. */
function addLine(columns: JsonColumns, text: string | null, line: number): LineProblem | undefined {
  const { object, problem } = parseLine(text);
  return problem === undefined ? columns.add(object, line) : { proof: problem };
}

function skip(bad: BadRowCount | undefined, path: string, line: number, { key, proof }: LineProblem): void {
  if (bad !== undefined) bad.add(line, proof, 1, key === undefined ? {} : { column: key });
  else fail(`${path}, line ${line}${key === undefined ? "" : `, key ${JSON.stringify(key)}`}`, proof);
}

function noRecords(path: string, bad: BadRowCount | undefined): never {
  const [first] = bad?.skipped.first ?? [];
  return fail(path, {
    expected: "at least one line with a JSON object",
    got: first === undefined ? "none" : `none: line ${first.line} (${first.reason})`,
    fix: "check that the file was written, one object to a line",
  });
}

/** Writes rows into `cells`, which gets a column when its kind is known. */
class CellWriter {
  records = 0;
  readonly #database: Database;
  /** Keys in the order of the table's columns. */
  readonly #keys: string[] = [];
  readonly #places = new Map<string, number>();
  /** Open from the first rows on, until the table gets another column. */
  #appender: Appender | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /** What a key is called in SQL. */
  readonly id = (key: string): string => `c${this.#places.get(key)}`;

  open(): Promise<void> {
    return this.#database.run("create table cells (line double)");
  }

  async write(columns: JsonColumns): Promise<void> {
    if (columns.size === 0) return;
    const { lines, values } = columns.take();
    for (const [key, { type }] of values) await this.#addColumn(key, type);
    this.records += lines.length;
    this.#appender ??= await this.#database.appender("cells");
    await this.#appender.append([
      { type: "double", values: lines },
      ...this.#keys.map((key) => values.get(key)!), // a kind that is known stays known
    ]);
  }

  async close(): Promise<void> {
    await this.#appender?.close();
    this.#appender = undefined;
  }

  /** Keys that never have a value are columns too. */
  async addEmpty(columns: readonly JsonColumn[]): Promise<void> {
    for (const { key } of columns) await this.#addColumn(key, "varchar");
  }

  async #addColumn(key: string, type: string): Promise<void> {
    if (this.#places.has(key)) return;
    await this.close();
    const place = this.#keys.push(key) - 1;
    this.#places.set(key, place);
    await this.#database.run(`alter table cells add column c${place} ${type}`);
  }
}
