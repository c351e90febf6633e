/** A CSV file as a table in the database. */

import { largestFloat32 } from "../numbers.ts";
import { cellOfText, textColumns } from "./cells.ts";
import type { BadRows } from "./cleaning.ts";
import { type CsvFile, csvSource, keptRecords, requireWhole, scanCsvFile } from "./csv-file.ts";
import type { Delimiter } from "./csv-header.ts";
import type { Database, TableDatabase } from "./database.ts";
import type { LoadedColumns, OpenedTable, WantedColumns } from "./format.ts";

/** Scans a file, packed with gzip or not. Throws what is wrong with it; badRows says what is skipped instead. */
export async function openCsv(path: string, badRows: BadRows = "error"): Promise<OpenedTable> {
  const file = await scanCsvFile(path, badRows);
  const { header, scan, bad, isGzip } = file;
  return {
    name: path,
    columns: header.names,
    records: scan.records,
    ...(bad !== undefined && { bad }),
    dialect: `separated by ${delimiterNames[header.delimiter]}${isGzip ? ", packed with gzip" : ""}`,
    placeOf: async (record) => ({ path, unit: "line", line: await file.lineOf(record) }),
    load: (store, wanted) => load(file, store, wanted),
    texts: async () => `(select * from ${csvSource(file, bufferSize)})`,
  };
}

const delimiterNames = {
  ",": "commas",
  "\t": "tabs",
  ";": "semicolons",
  "|": "bars",
} as const satisfies Record<Delimiter, string>;

/** 4 MiB: memory is flat from the first megabytes of a file on, and reading takes as long as with 32. */
const bufferSize = 2 ** 22;

/**
 * Columns that look like numbers become numbers at once, which makes everything that follows several times as fast. Where one
 * turns out to have a text after all, it is read once more as the texts that it has.
 */
async function load(file: CsvFile, store: TableDatabase, wanted: WantedColumns): Promise<LoadedColumns> {
  const { database, temporaryFolder } = store;
  const source = csvSource(await keptRecords(file, temporaryFolder));
  const likely = await likelyNumbers(database, file, source, wanted.numbers);
  await create(database, file, source, wanted.columns, likely);
  const [counts] = await database.rows("select count(*)::double from cells");
  requireWhole(file, Number(counts![0]));
  const mixed = await withTexts(database, file, likely);
  const numbers = likely.filter((name) => !mixed.includes(name));
  if (mixed.length > 0) {
    await database.run("drop table cells");
    await create(database, file, source, wanted.columns, numbers);
  }
  return columnsOf(file, numbers);
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

async function create(
  database: Database,
  { id, scan }: CsvFile,
  source: string,
  columns: readonly string[],
  numbers: readonly string[],
): Promise<void> {
  // In a query of its own what is used twice is computed once: reading takes half as long.
  const terms = columns.map((name) => {
    const column = id(name);
    if (!numbers.includes(name)) return `trim(${column}) as ${column}`;
    return `${column}, ${scan.hasOddities ? `number(${column})` : `try_cast(${column} as double)`} as n${column}`;
  });
  const cells = columns.map((name) => {
    const column = id(name);
    if (!numbers.includes(name)) return `${cellOfText(column)} as ${column}`;
    return `case when abs(n${column}) <= ${largestFloat32} then n${column}
      when (${cellOfText(`trim(${column})`)}) is null then null else ${textMark} end as ${column}`;
  });
  await database.run(
    `create table cells as select ${cells.join(", ")} from (select ${terms.join(", ")} from ${source})`,
  );
}

/** Stands for a text in a column of numbers, none of which is infinite. */
const textMark = "'inf'::double";

async function withTexts(database: Database, { id }: CsvFile, names: readonly string[]): Promise<string[]> {
  if (names.length === 0) return [];
  const marks = names.map((name) => `count(*) filter (isinf(${id(name)})) > 0`);
  const [row] = await database.rows(`select ${marks.join(", ")} from cells`);
  return names.filter((_, index) => row![index] === true);
}
