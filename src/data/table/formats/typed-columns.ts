/** Columns that come with types of their own, from Parquet files and queries, as the cells of a table. */
import { fail, shorten } from "../../../errors.ts";
import { largestFloat32 } from "../../numbers.ts";
import { cellOfText, textColumns } from "../cells/cells.ts";
import type { Database } from "../cells/database.ts";
import type { LoadedColumns } from "./format.ts";

/** A column as the database describes it. */
export interface TypedColumn {
  readonly name: string;
  /** In the database's words. */
  readonly type: string;
  /** What it is called in SQL, where that is not its name. */
  readonly id?: string;
}

/** The columns of a query, in order. Within another query the second of a name would be renamed. */
export async function describeQuery(database: Database, query: string): Promise<TypedColumn[]> {
  const rows = await database.rows(`describe ${query}`);
  return rows.map(([name, type]) => ({ name: String(name), type: String(type) }));
}

/** "Tables whose columns have names of their own": throws where two have one name, or one has none. */
export function requireNames(where: string, columns: readonly TypedColumn[]): void {
  const names = columns.map(({ name }) => name.trim());
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined && !names.includes("")) return;
  fail(where, {
    expected: "every column under a name of its own",
    got: twice === undefined ? "a column without a name" : `"${twice}" twice`,
    fix: 'name it in a query: sql("select … as name …")',
  });
}

/** What the cells of a column are made from. */
type Kind = "integer" | "number" | "text" | "other text" | "none";

function kindOfType(type: string): Kind {
  if (/[[(]/.test(type) && !/^(DECIMAL|ENUM)\(.*\)$/s.test(type)) return "none"; // lists, structures, maps
  if (/^(U?(TINY|SMALL|BIG)INT|U?INTEGER)$/.test(type)) return "integer";
  if (/^(U?HUGEINT|FLOAT|DOUBLE|DECIMAL)/.test(type)) return "number";
  if (/^(VARCHAR|ENUM)/.test(type)) return "text";
  return /^(BOOLEAN|DATE|TIME|UUID)/.test(type) ? "other text" : "none";
}

/** Whether values of the type are numbers, in the database's words. */
export function isNumberType(type: string): boolean {
  return kindOfType(type) === "integer" || kindOfType(type) === "number";
}

/**
 * SQL of the wanted columns of a relation as cells: numbers as they are, but NaN as missing; texts trimmed,
 * and null where they say that a value is missing; booleans as true and false; dates and times as ISO 8601
 * writes them, in UTC where they know their zone. rowid: the SQL of the record's number, where the relation
 * is to have one.
 * Throws for a column of lists or anything else that is not one value.
 */
export function cellsOf(
  where: string,
  relation: string,
  columns: readonly TypedColumn[],
  wanted: readonly string[],
  rowid?: string,
): string {
  const chosen = wanted.map((name) => columns.find((column) => column.name.trim() === name)!);
  for (const column of chosen) requireCells(where, column);
  const values = chosen.map((column, index) => `${readable(column)} as v${index}`);
  const cells = chosen.map(({ name, type }, index) => {
    const id = idOf(columns, name.trim());
    return `${cellOf(type, `v${index}`)} as ${id}, v${index} as raw_${id}`;
  });
  const inner = [...(rowid === undefined ? [] : [`${rowid} as record`]), ...values];
  const outer = [...(rowid === undefined ? [] : ["record as rowid"]), ...cells];
  return `select ${outer.join(", ")} from (select ${inner.join(", ")} from ${relation})`;
}

/** What those are called. */
export function typedColumns(columns: readonly TypedColumn[]): LoadedColumns {
  const id = (name: string) => idOf(columns, name);
  const texts = textColumns(id);
  const typeOf = (name: string) => columns.find((column) => column.name.trim() === name)!.type;
  const isNumbers = (name: string) => isNumberType(typeOf(name));
  return {
    id,
    text: (name) => (isNumbers(name) ? `${id(name)}::varchar` : id(name)),
    number(name) {
      if (kindOfType(typeOf(name)) === "integer") return `${id(name)}::double`;
      if (!isNumbers(name)) return texts.number(name);
      return `case when abs(${id(name)}::double) <= ${largestFloat32} then ${id(name)}::double end`;
    },
    isNumbers,
    // The database rounds decimals to float32 twice, and ends at its neighbour now and then.
    raw: (name) => `raw_${id(name)}${typeOf(name).startsWith("DECIMAL") ? "::double" : ""}`,
  };
}

/** SQL of all columns as texts c0, c1, …, verbatim. */
export function textsOf(relation: string, columns: readonly TypedColumn[]): string {
  const texts = columns.map((column, index) => {
    const isText = kindOfType(column.type) === "text";
    const value = isText ? called(column) : cellOf(column.type, readable(column));
    return `(${value})::varchar as c${index}`;
  });
  return `(select ${texts.join(", ")} from ${relation})`;
}

const idOf = (columns: readonly TypedColumn[], name: string) =>
  `c${columns.findIndex((column) => column.name.trim() === name)}`;

const called = ({ name, id }: TypedColumn) => id ?? `"${name.replaceAll('"', '""')}"`;

/** The value, or nothing where that says that it is missing. */
function cellOf(type: string, value: string): string {
  if (kindOfType(type) === "text") return cellOfText(value);
  return isFloating(type) ? `case when not isnan(${value}) then ${value} end` : value;
}

const isFloating = (type: string) => type === "FLOAT" || type === "DOUBLE";

function readable(column: TypedColumn): string {
  const { type } = column;
  const value = called(column);
  if (/^(VARCHAR|ENUM)/.test(type)) return `trim(${value}::varchar)`;
  if (type.startsWith("TIMESTAMP WITH")) return `(${value} at time zone 'UTC')::varchar`;
  return kindOfType(type) === "other text" ? `${value}::varchar` : value;
}

function requireCells(where: string, { name, type }: TypedColumn): void {
  if (kindOfType(type) !== "none") return;
  fail(`${where}, column "${name.trim()}"`, {
    expected: "one number, text, boolean, date or time in each row",
    got: `the type ${shorten(type)}`,
    fix: `leave it out: ignore: [${JSON.stringify(name.trim())}], or take parts of it in a query: sql("select …")`,
  });
}
