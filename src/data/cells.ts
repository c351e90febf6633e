/** The cells of a CSV file inside the database: text, trimmed, or nothing where a value is missing. */
import { bug, fail, messageOf } from "../errors.ts";
import type { CsvHeader } from "./csv-header.ts";
import type { CsvScan } from "./csv-scan.ts";
import { type Database, sqlPath, sqlText } from "./database.ts";
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

/** What loadCells reads. */
export interface CellsOptions {
  /** For errors. */
  readonly path: string;
  /** The same, absolute. */
  readonly file: string;
  readonly header: CsvHeader;
  readonly scan: CsvScan;
  /** The columns to read; others are skipped. */
  readonly columns: readonly string[];
  /** Samples without one of these are left out of `kept`. */
  readonly targets: readonly string[];
  lineOf(record: number): Promise<number>;
}

/**
 * Reads the file with everything told, nothing guessed: text columns, the header's delimiter, RFC 4180 quotes.
 * Throws when the database refuses the file, and when it read fewer records than the file has.
 */
export async function loadCells(database: Database, options: CellsOptions): Promise<Cells> {
  const { path, header, scan, columns, targets, lineOf } = options;
  const id = (column: string) => `c${header.names.indexOf(column)}`;
  const markers = `[${missingMarkers.map((marker) => sqlText(marker.toLowerCase())).join(", ")}]`;
  const longest = Math.max(...missingMarkers.map((marker) => marker.length));
  // Trimmed in a query of its own, so that it is done once per cell: reading takes half as long.
  const trimmed = columns.map((name) => `trim(${id(name)}) as ${id(name)}`).join(", ");
  // Not "in (…)": the database makes a join of each, and 200 columns take more than 4 GB.
  const cells = columns.map(
    (name) => `case when strlen(${id(name)}) > ${longest} then ${id(name)}
      when list_contains(${markers}, lower(${id(name)})) then null else ${id(name)} end as ${id(name)}`,
  );
  try {
    await database.run(
      `create table cells as select ${cells.join(", ")} from (select ${trimmed} from ${csv(options)})`,
    );
  } catch (error) {
    refused(path, error);
  }
  const isKept = targets.map((name) => `${id(name)} is not null`).join(" and ") || "true";
  await database.run(`create view kept as select *, rowid as record from cells where ${isKept}`);
  await database.run(numberMacro);
  const [counts] = await database.rows(
    "select (select count(*)::double from cells), (select count(*)::double from kept)",
  );
  const [read, samples] = counts!.map(Number);
  if (read !== scan.records) bug(`${path} has ${scan.records} records, and the database read ${read}`);
  return { path, database, samples: samples!, id, lineOf };
}

/**
 * `number(text)` in SQL, the same as `parseNumber`: what the database casts to a double that float32 can hold. It would
 * take 1_000 and +-1 for numbers too.
 */
export const numberMacro = `create macro number(v) as
  case when not contains(v, '_') and not contains(v, '+-') and abs(try_cast(v as double)) <= ${largestFloat32}
  then try_cast(v as double) end`;

function csv({ file, header, scan }: CellsOptions): string {
  const columns = header.names.map((_, index) => `'c${index}': 'VARCHAR'`).join(", ");
  // Left to itself, the database takes the first line end it meets, which may stand inside the quotes of a name.
  const lineEnd = scan.lineEnd === undefined ? "" : `, new_line = ${sqlText(scan.lineEnd)}`;
  return `read_csv(${sqlPath(file)}, auto_detect = false, header = true, columns = {${columns}},
    delim = ${sqlText(header.delimiter)}, quote = '"', escape = '"', comment = '', compression = 'none',
    max_line_size = ${Math.max(2 ** 21, scan.longest + 1024)}${lineEnd})`;
}

function refused(path: string, error: unknown): never {
  return fail(
    path,
    {
      expected: "CSV text that the database can read",
      got: messageOf(error).split("\n").slice(0, 3).join(" | "),
      fix: "correct the file there, or report this message with the line",
    },
    { cause: error },
  );
}
