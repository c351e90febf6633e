/** The cells of a table inside the database: text, trimmed, or nothing where a value is missing. */
import { largestFloat32, missingMarkers } from "../numbers.ts";
import { type CsvFile, csvSource, keptRecords, openForCsv, requireWhole } from "./csv-file.ts";
import { type Database, sqlText } from "./database.ts";
import type { ValueColumn } from "./values.ts";

/** A file in the database. The rowid of a sample is its record, counting records of the file from 0. */
export interface Cells {
  readonly path: string;
  readonly database: Database;
  /** The samples in SQL, "… where …": the records whose targets are present. Goes behind "from"; "and …" may follow. */
  readonly kept: string;
  /** How many there are. */
  readonly samples: number;
  /** What a column is called in SQL. */
  id(column: string): string;
  /** The line at which a record starts, counting records of the file from 0. */
  lineOf(record: number): Promise<number>;
  /** Columns of the dataset that are no cells, where the format has such. */
  readonly lists?: readonly ValueColumn[];
}

/** Which columns to read. */
export interface CellsOptions {
  /** Others are skipped. */
  readonly columns: readonly string[];
  /** Records without one of these are no samples. */
  readonly targets: readonly string[];
  /** In the database's words; what does not fit goes to temporary files. */
  readonly memoryLimit?: string;
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
  const { database, temporaryFolder, close } = await openForCsv(file, options.memoryLimit);
  try {
    const kept = await keptRecords(file, temporaryFolder);
    return await use(await loadCells(database, file, csvSource(kept), options));
  } finally {
    await close();
  }
}

async function loadCells(
  database: Database,
  file: CsvFile,
  source: string,
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
    `create table cells as select ${cells.join(", ")} from (select ${trimmed} from ${source})`,
  );
  const [counts] = await database.rows("select count(*)::double from cells");
  requireWhole(file, Number(counts![0]));
  return describeCells({ path, database, id, lineOf }, targets);
}

/** The cells that have been loaded into the table `cells`. Records without one of the targets are no samples. */
export async function describeCells(
  loaded: Omit<Cells, "kept" | "samples">,
  targets: readonly string[],
): Promise<Cells> {
  const { database, id } = loaded;
  for (const macro of [numberMacro, anyNumberMacro]) await database.run(macro);
  // Not a view: planning a query over it takes as long as naming all its columns.
  const kept = `cells where ${targets.map((name) => `${id(name)} is not null`).join(" and ") || "true"}`;
  const [counts] = await database.rows(`select count(*)::double from ${kept}`);
  return { ...loaded, kept, samples: Number(counts![0]) };
}

/**
 * `number(text)` in SQL, the same as `parseNumber`: what the database casts to a double that float32 can hold. It would
 * take 1_000 and +-1 for numbers too. Every number begins with a sign, a point, a digit or a blank, which is quickly seen.
 */
export const numberMacro = `create macro number(v) as
  case when ascii(v) < 58 and not contains(v, '_') and not contains(v, '+-')
    and abs(try_cast(v as double)) <= ${largestFloat32} then try_cast(v as double) end`;

/** `anynumber(text)`: as number, but also what float32 cannot hold, and infinities. */
const anyNumberMacro = `create macro anynumber(v) as
  case when (ascii(v) < 58 or v ilike 'inf%') and not contains(v, '_') and not contains(v, '+-')
  then try_cast(v as double) end`;
