/** The cells of a CSV file inside the database: text, trimmed, or nothing where a value is missing. */
import { type CsvFile, csvSource, openForCsv, requireWhole } from "./csv-file.ts";
import { type Database, sqlText } from "./database.ts";
import { largestFloat32, missingMarkers } from "./numbers.ts";

/** A file in the database: table `cells` holds every record, view `kept` those whose targets are present. */
export interface Cells {
  readonly path: string;
  readonly database: Database;
  /** Records in `kept`. */
  readonly samples: number;
  /** What a column is called in SQL. */
  id(column: string): string;
  /** The line at which a record starts, counting records of the file from 0. */
  lineOf(record: number): Promise<number>;
}

/** Which columns to read. */
export interface CellsOptions {
  /** Others are skipped. */
  readonly columns: readonly string[];
  /** Samples without one of these are left out of `kept`. */
  readonly targets: readonly string[];
}

/**
 * Loads a file and hands it over. The database is gone afterwards.
 * Throws when the database refuses the file, and when it read fewer records than the file has.
 */
export async function withCells<Result>(
  file: CsvFile,
  options: CellsOptions,
  use: (cells: Cells) => Promise<Result>,
): Promise<Result> {
  const { database, close } = await openForCsv(file);
  try {
    return await use(await loadCells(database, file, options));
  } finally {
    await close();
  }
}

async function loadCells(
  database: Database,
  file: CsvFile,
  { columns, targets }: CellsOptions,
): Promise<Cells> {
  const { path, id, lineOf } = file;
  const markers = `[${missingMarkers.map((marker) => sqlText(marker.toLowerCase())).join(", ")}]`;
  const longest = Math.max(...missingMarkers.map((marker) => marker.length));
  // Trimmed in a query of its own, so that it is done once per cell: reading takes half as long.
  const trimmed = columns.map((name) => `trim(${id(name)}) as ${id(name)}`).join(", ");
  // Not "in (…)": the database makes a join of each, and 200 columns take more than 4 GB.
  const cells = columns.map(
    (name) => `case when strlen(${id(name)}) > ${longest} then ${id(name)}
      when list_contains(${markers}, lower(${id(name)})) then null else ${id(name)} end as ${id(name)}`,
  );
  await database.run(
    `create table cells as select ${cells.join(", ")} from (select ${trimmed} from ${csvSource(file)})`,
  );
  const isKept = targets.map((name) => `${id(name)} is not null`).join(" and ") || "true";
  await database.run(`create view kept as select *, rowid as record from cells where ${isKept}`);
  await database.run(numberMacro);
  const [counts] = await database.rows(
    "select (select count(*)::double from cells), (select count(*)::double from kept)",
  );
  const [read, samples] = counts!.map(Number);
  requireWhole(file, read!);
  return { path, database, samples: samples!, id, lineOf };
}

/**
 * `number(text)` in SQL, the same as `parseNumber`: what the database casts to a double that float32 can hold. It would
 * take 1_000 and +-1 for numbers too.
 */
export const numberMacro = `create macro number(v) as
  case when not contains(v, '_') and not contains(v, '+-') and abs(try_cast(v as double)) <= ${largestFloat32}
  then try_cast(v as double) end`;
