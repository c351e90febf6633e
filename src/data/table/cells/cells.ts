/** The cells of a table inside the database: texts or numbers, or nothing where a value is missing. */
import { largestFloat32, missingMarkers } from "../../numbers.ts";
import type { ValueColumn } from "../columns/values.ts";
import {
  type LoadedColumns,
  type OpenedTable,
  type Place,
  placeText,
  type WantedColumns,
} from "../formats/format.ts";
import { type Database, sqlText, type TableDatabase } from "./database.ts";

/** A table in the database. The rowid of a sample is its record, counting records of the table from 0. */
export interface Cells extends LoadedColumns {
  readonly path: string;
  readonly database: Database;
  /** The samples in SQL, "… where …": the records whose targets are present. Goes behind "from"; "and …" may follow. */
  readonly kept: string;
  /** How many there are. */
  readonly samples: number;
  /** What its numbers have in front of their decimals where they are texts, if that is no point. */
  readonly decimal?: ",";
  /** Whether another dialect could be given: `{ dialect: { decimal: "," } }`. */
  readonly isCsv?: boolean;
  /** Where a record stands. */
  placeOf(record: number): Promise<Place>;
  /** Columns of the dataset that are no cells, where the format has such. */
  readonly lists?: readonly ValueColumn[];
}

/** "houses.csv, line 3" */
export async function whereIs(cells: Pick<Cells, "placeOf">, record: number): Promise<string> {
  return placeText(await cells.placeOf(record));
}

/** Which columns to read. */
export interface CellsOptions extends WantedColumns {
  /** Records without one of these are no samples. */
  readonly targets: readonly string[];
}

/** Loads the columns of a table. */
export async function loadCells(
  table: OpenedTable,
  store: TableDatabase,
  { targets, ...wanted }: CellsOptions,
): Promise<Cells> {
  const { database } = store;
  const { name: path, placeOf, decimal, unit } = table;
  await defineNumbers(database, decimal);
  const written = { isCsv: unit === "line", ...(decimal !== undefined && { decimal }) };
  return describeCells(
    { path, database, placeOf, ...written, ...(await table.load(store, wanted)) },
    targets,
  );
}

/** Makes `number(text)` and `anynumber(text)` known to the database. */
export async function defineNumbers(database: Database, decimal?: ","): Promise<void> {
  for (const macro of [numberMacro, anyNumberMacro]) {
    const { condition, value } = decimal === "," ? decimalComma : decimalPoint;
    await database.run(macro(condition, value));
  }
}

/** The cells that have been loaded into `cells`. Records without one of the targets are no samples. */
export async function describeCells(
  loaded: Omit<Cells, "kept" | "samples">,
  targets: readonly string[],
): Promise<Cells> {
  const { database, id } = loaded;
  const present = targets.map((name) => `${id(name)} is not null`).join(" and ") || "true";
  const [counts] = await database.rows(
    `select count(*)::double, (count(*) filter (${present}))::double from cells`,
  );
  const [records, samples] = counts!.map(Number);
  // Not a view: planning a query over it takes as long as naming all its columns. And no condition that holds anyway: a
  // query with one takes twice as long.
  return { ...loaded, kept: `cells where ${records === samples ? "true" : present}`, samples: samples! };
}

/** Columns that are all texts, each called by `id`. */
export function textColumns(id: (column: string) => string): LoadedColumns {
  return { id, text: id, number: (column) => `number(${id(column)})`, isNumbers: () => false };
}

/** The SQL of a text without blanks around it, and null where that says that the value is missing. */
export function cellOfText(trimmed: string): string {
  // Not "in (…)": the database makes a join of each, and 200 columns take more than 4 GB.
  return `case when strlen(${trimmed}) > ${longestMarker} then ${trimmed}
    when list_contains(${markers}, lower(${trimmed})) then null else ${trimmed} end`;
}

const markers = `[${missingMarkers.map((marker) => sqlText(marker.toLowerCase())).join(", ")}]`;
const longestMarker = Math.max(...missingMarkers.map((marker) => marker.length));

/** What the database takes for a number, and what must hold of the text for it to be one. */
const decimalPoint = { condition: "not contains(v, '_') and not contains(v, '+-')", value: "v" };
const decimalComma = {
  condition: `${decimalPoint.condition} and not contains(v, '.')`,
  value: "replace(v, ',', '.')",
};

/**
 * `number(text)` in SQL, the same as `parseNumber`: what the database casts to a double that float32 can
 * hold. It would take 1_000 and +-1 for numbers too. Every number begins with a sign, a point, a comma, a
 * digit or a blank, which is quickly seen, and cases within cases look at the others no more: "and" would.
 */
const numberMacro = (condition: string, value: string) => `create macro number(v) as
  case when ascii(v) < 58 then case when ${condition} then
    case when abs(try_cast(${value} as double)) <= ${largestFloat32} then try_cast(${value} as double) end end end`;

/** `anynumber(text)`: as number, but also what float32 cannot hold, and infinities, which begin with I or i. */
const anyNumberMacro = (condition: string, value: string) => `create macro anynumber(v) as
  case when ascii(v) < 58 or ascii(v) = 73 or ascii(v) = 105 then
    case when ${condition} then try_cast(${value} as double) end end`;
