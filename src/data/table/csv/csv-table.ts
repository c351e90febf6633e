/** CSV files as a table in the database. */

import { bug, fail } from "../../../errors.ts";
import { largestFloat32 } from "../../numbers.ts";
import { cellOfText, textColumns } from "../cells/cells.ts";
import type { Database, TableDatabase } from "../cells/database.ts";
import type { BadRows } from "../clean/cleaning.ts";
import { BadRowCount } from "../clean/skipped-rows.ts";
import type { LoadedColumns, OpenedTable, Place, WantedColumns } from "../formats/format.ts";
import { type Dialect, dialectWords } from "./csv-dialect.ts";
import { type CsvFile, csvSource, keptRecords, requireWhole, scanCsvFile } from "./csv-file.ts";

/** How CSV files are read. */
export interface CsvOptions {
  readonly badRows?: BadRows;
  /** How all of them are written. */
  readonly dialect?: Dialect;
}

/**
 * Scans files, packed with gzip or not, which have the same columns, in any order, and each a delimiter of
 * its own where none is given. name: what errors call them together. Throws what is wrong with them; badRows
 * says what is skipped instead.
 */
export async function openCsv(
  name: string,
  paths: readonly [string, ...string[]],
  { badRows = "error", dialect = {} }: CsvOptions = {},
): Promise<OpenedTable> {
  const bad = badRows === "error" ? undefined : new BadRowCount(name, badRows);
  const first = await scanCsvFile(paths[0], dialect, bad, name);
  const files = [first];
  for (const path of paths.slice(1)) {
    const file = await scanCsvFile(path, dialect, bad, name);
    requireSameColumns(first, file);
    files.push(file);
  }
  const records = files.reduce((sum, { scan }) => sum + scan.records, 0);
  bad?.require(records + bad.skipped.count);
  const columns = first.header.names;
  return {
    name,
    columns,
    records,
    ...(bad !== undefined && { bad }),
    unit: "line",
    dialect: wordsOf(files),
    ...(dialect.decimal === "," && { decimal: dialect.decimal }),
    placeOf: (record) => placeOf(files, record),
    load: (store, wanted) => load(files, store, wanted),
    async texts({ temporaryFolder }) {
      const kept: CsvFile[] = [];
      for (const file of files) kept.push(await keptRecords(file, temporaryFolder));
      const relations = kept.map(
        (file) => `select ${textsInOrder(file, columns)} from ${csvSource(file, bufferSize)}`,
      );
      return `(${relations.join(" union all ")})`;
    },
  };
}

/** What errors say where the database cannot read what was scanned. */
export const csvProof = {
  expected: "CSV text that the database can read",
  fix: "correct the file there, or report this message with the line",
} as const;

function requireSameColumns(first: CsvFile, file: CsvFile): void {
  const [wanted, given] = [first.header.names, file.header.names];
  const lacking = wanted.filter((name) => !given.includes(name));
  const extra = given.filter((name) => !wanted.includes(name));
  if (lacking.length === 0 && extra.length === 0 && wanted.length === given.length) return;
  fail(file.path, {
    expected: `the columns of ${first.path}, ${wanted.join(", ")}`,
    got: lacking.length > 0 ? `no ${lacking.join(", ")}` : `also ${extra.join(", ")}`,
    fix: 'give the files the same columns, or choose some in a query: sql("select … union all select …")',
  });
}

function wordsOf(files: readonly CsvFile[]): string {
  const isGzip = files.some((file) => file.isGzip);
  const delimiters = files.map(({ header }) => header.delimiter);
  const many = files.length === 1 ? "" : `${files.length} files, `;
  return `${many}${dialectWords(delimiters, files[0]!.dialect)}${isGzip ? ", packed with gzip" : ""}`;
}

/** 4 MiB: memory is flat from the first megabytes of a file on, and reading takes as long as with 32. */
const bufferSize = 2 ** 22;

/**
 * The columns of a file under the ids that the first file gives them. Several may have no name: the first is
 * the first.
 */
function textsInOrder({ header }: CsvFile, columns: readonly string[]): string {
  const left = [...header.names.entries()];
  return columns
    .map((name, index) => {
      const [[place]] = left.splice(
        left.findIndex(([, other]) => other === name),
        1,
      ) as [[number, string]]; // the names are the same
      return `c${place} as c${index}`;
    })
    .join(", ");
}

async function placeOf(files: readonly CsvFile[], record: number): Promise<Place> {
  let first = 0;
  for (const file of files) {
    const { path, scan } = file;
    if (record < first + scan.records) return { path, unit: "line", line: await file.lineOf(record - first) };
    first += scan.records;
  }
  return bug(`no file has record ${record}`);
}

/**
 * Columns that look like numbers become numbers at once, which makes everything that follows several times as
 * fast. Where one turns out to have a text after all, it is read once more as the texts that it has.
 */
async function load(
  files: readonly CsvFile[],
  store: TableDatabase,
  wanted: WantedColumns,
): Promise<LoadedColumns> {
  const { database, temporaryFolder } = store;
  const sources: string[] = [];
  for (const file of files) sources.push(csvSource(await keptRecords(file, temporaryFolder)));
  const likely = await likelyNumbers(database, files[0]!, sources[0]!, wanted.numbers);
  await create(database, files, sources, wanted.columns, likely);
  const mixed = await withTexts(database, files[0]!, likely);
  const numbers = likely.filter((name) => !mixed.includes(name));
  if (mixed.length > 0) {
    await database.run("drop table cells");
    await create(database, files, sources, wanted.columns, numbers);
  }
  return columnsOf(files[0]!, numbers);
}

function columnsOf(file: CsvFile, numbers: readonly string[]): LoadedColumns {
  const { id } = file;
  const isNumbers = (column: string) => numbers.includes(column);
  const texts = textColumns(id);
  return {
    id,
    text: (column) => (isNumbers(column) ? `${id(column)}::varchar` : id(column)),
    number: (column) => (isNumbers(column) ? id(column) : texts.number(column)),
    isNumbers,
  };
}

/** Columns whose first values are all numbers or missing. */
async function likelyNumbers(
  database: Database,
  { id }: CsvFile,
  source: string,
  names: readonly string[],
): Promise<string[]> {
  if (names.length === 0) return [];
  const counts = names.map(
    (name) => `count(number(${id(name)})) > 0 and count(number(${id(name)})) = count(${id(name)})`,
  );
  const cells = names.map((name) => `${cellOfText(`trim(${id(name)})`)} as ${id(name)}`);
  const [row] = await database.rows(
    `select ${counts.join(", ")} from (select ${cells.join(", ")} from (select * from ${source} limit 1000))`,
  );
  return names.filter((_, index) => row![index] === true);
}

/** Makes `cells` of all files, one behind the other, in the ids of the first. */
async function create(
  database: Database,
  files: readonly CsvFile[],
  sources: readonly string[],
  columns: readonly string[],
  numbers: readonly string[],
): Promise<void> {
  let records = 0;
  for (const [index, file] of files.entries()) {
    const cells = cellsOf(file, files[0]!, sources[index]!, columns, numbers);
    await database.run(`${index === 0 ? "create table cells as" : "insert into cells"} ${cells}`);
    const [counts] = await database.rows("select count(*)::double from cells");
    requireWhole(file, Number(counts![0]) - records);
    records += file.scan.records;
  }
}

function cellsOf(
  { id, scan, dialect }: CsvFile,
  first: CsvFile,
  source: string,
  columns: readonly string[],
  numbers: readonly string[],
): string {
  const isPlain = !scan.hasOddities && dialect.decimal !== ",";
  // In a query of its own what is used twice is computed once: reading takes half as long.
  const terms = columns.map((name) => {
    const column = id(name);
    if (!numbers.includes(name)) return `trim(${column}) as ${column}`;
    return `${column}, ${isPlain ? `try_cast(${column} as double)` : `number(${column})`} as n${column}`;
  });
  const cells = columns.map((name) => {
    const column = id(name);
    if (!numbers.includes(name)) return `${cellOfText(column)} as ${first.id(name)}`;
    return `case when abs(n${column}) <= ${largestFloat32} then n${column}
      when (${cellOfText(`trim(${column})`)}) is null then null else ${textMark} end as ${first.id(name)}`;
  });
  return `select ${cells.join(", ")} from (select ${terms.join(", ")} from ${source})`;
}

/** Stands for a text in a column of numbers, none of which is infinite. */
const textMark = "'inf'::double";

async function withTexts(database: Database, { id }: CsvFile, names: readonly string[]): Promise<string[]> {
  if (names.length === 0) return [];
  const marks = names.map((name) => `count(*) filter (isinf(${id(name)})) > 0`);
  const [row] = await database.rows(`select ${marks.join(", ")} from cells`);
  return names.filter((_, index) => row![index] === true);
}
