/** Opens a table of any format. */
import { fail, shorten } from "../../../errors.ts";
import { openTableDatabase, type TableDatabase, type TableDatabaseOptions } from "../cells/database.ts";
import type { BadRows } from "../clean/cleaning.ts";
import type { Dialect } from "../csv/csv-dialect.ts";
import { type CsvOptions, csvProof, openCsv } from "../csv/csv-table.ts";
import type { TableOptions } from "../options.ts";
import type { OpenedTable } from "./format.ts";
import { type FoundTable, findTable, type TableInput } from "./input.ts";
import { openParquet, parquetProof } from "./parquet-table.ts";
import { openQuery, queryProof } from "./query.ts";

/** How a table is opened. */
export interface OpenOptions extends Omit<TableDatabaseOptions, "damaged"> {
  readonly badRows?: BadRows;
  /** How CSV files are written. */
  readonly dialect?: Dialect;
}

/** What options say of how a table is opened. */
export function readingOf({ clean, dialect }: Pick<TableOptions, "clean" | "dialect">): OpenOptions {
  return {
    ...(clean?.badRows !== undefined && { badRows: clean.badRows }),
    ...(dialect !== undefined && { dialect }),
  };
}

/** Opens a table beside an empty database, for who closes it. */
export async function openTable(
  input: TableInput,
  { badRows, dialect, ...limits }: OpenOptions = {},
): Promise<{ readonly opened: OpenedTable; readonly store: TableDatabase }> {
  const found = await findTable(input);
  if (dialect !== undefined && found.kind !== "csv") refuseDialect(found);
  const damaged = found.kind === "csv" ? csvProof : found.kind === "parquet" ? parquetProof : queryProof;
  const reading = { ...(badRows !== undefined && { badRows }), ...(dialect !== undefined && { dialect }) };
  const store = await openTableDatabase(found.name, { ...limits, damaged });
  try {
    return { opened: await openFound(found, store, reading), store };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Throws: only a text can be written in several ways. */
function refuseDialect({ kind, name }: FoundTable): never {
  return fail(`${name}, option dialect`, {
    expected: "a CSV file, whose dialect it is",
    got: kind === "query" ? "a query" : "a Parquet file",
    fix:
      kind === "query" ? "leave it out; read_csv(…) in the query takes options of its own" : "leave it out",
  });
}

function openFound(found: FoundTable, store: TableDatabase, reading: CsvOptions): Promise<OpenedTable> {
  if (found.kind === "query") return openQuery(found.query, store);
  if (found.kind === "parquet") return openParquet(found.name, found.paths, store);
  return openCsv(found.name, found.paths, reading);
}

/** The same, handed over and closed afterwards. */
export async function withTable<Result>(
  input: TableInput,
  options: OpenOptions,
  use: (opened: OpenedTable, store: TableDatabase) => Promise<Result>,
): Promise<Result> {
  const { opened, store } = await openTable(input, options);
  try {
    return await use(opened, store);
  } finally {
    await store.close();
  }
}

/** Throws for a single column: in a text most often another delimiter, and never enough to learn from. */
export function requireSeveralColumns({
  name,
  columns,
  unit,
}: Pick<OpenedTable, "name" | "columns" | "unit">): void {
  if (columns.length > 1) return;
  const [separated, orDelimiter] =
    unit === "row"
      ? ["", ""]
      : [
          ", separated by comma, tab, semicolon or bar",
          '; or name what separates them: dialect: { delimiter: ":" }',
        ];
  fail(name, {
    expected: `at least two columns${separated}`,
    got: `one column, "${shorten(columns[0]!)}"`,
    fix: `add a column: a table needs a target and at least one feature${orDelimiter}`,
  });
}

/** Throws where there are columns and no record. */
export function requireRecords({ name, records, unit }: OpenedTable): void {
  if (records > 0) return;
  fail(name, {
    expected: unit === "line" ? "at least one line of values below the header" : "at least one row",
    got: "none",
    fix: unit === "line" ? "check that the file was written to its end" : "check what the rows are chosen by",
  });
}
