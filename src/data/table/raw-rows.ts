/** The rows of a table as they stand in the file, piece by piece, for a saved model that takes raw rows. */
import { bug, fail } from "../../errors.ts";
import { nearest } from "../nearest.ts";
import { cellOf, parseNumber, trimBlanks } from "../numbers.ts";
import { checkDialect, type Dialect } from "./csv/csv-dialect.ts";
import { type OpenedTable, placeText } from "./formats/format.ts";
import { inputName, type TableInput } from "./formats/input.ts";
import { openTable, requireRecords } from "./formats/open-table.ts";

/** What to read. */
export interface RawRowsOptions {
  /** The columns that are needed. */
  readonly columns: readonly string[];
  /** Those of them that must be numbers. */
  readonly numbers?: readonly string[];
  /** Those of them that the file may lack: the pieces then lack them too. */
  readonly absent?: readonly string[];
  /** How a CSV file is written, where its header does not show it. */
  readonly dialect?: Dialect;
}

/** Some rows of a file, at most 2048. Lists by column have one value per row. */
export interface RawPiece {
  /** All columns of the file, in its order; "" where one has no name. */
  readonly names: readonly string[];
  /** How many records of the file come before this piece. */
  readonly firstRecord: number;
  readonly rows: number;
  /** The columns of `names`, verbatim: quotes resolved, not trimmed, "" where empty. */
  readonly texts: readonly (readonly string[])[];
  /** The needed columns trimmed, null where a value is missing. Missing is what it is for `table`. */
  readonly columns: Readonly<Record<string, readonly (string | null)[]>>;
  /** The needed columns that must be numbers, NaN where missing. */
  readonly numbers: Readonly<Record<string, Float64Array>>;
  /** The number that a text of the file says, or undefined where it says none. */
  parse(text: string): number | undefined;
  /** Where a row of this piece stands: "houses.csv, line 3". May read the file again up to there. */
  placeOf(row: number): Promise<string>;
}

/**
 * Reads a table in the order of its records and in constant memory (but a query, whose result is held first).
 *
 *   for await (const piece of rawRows("houses.csv", { columns: ["size"], numbers: ["size"] })) …
 *
 * Throws what is wrong with the file before the first piece, when a needed column is not in it, and, naming line and
 * column, at a text that is no number in a column that must be numbers.
 */
export async function* rawRows(input: TableInput, options: RawRowsOptions): AsyncGenerator<RawPiece> {
  const { dialect } = options;
  if (dialect !== undefined) checkDialect(inputName(input), dialect);
  const { opened, store } = await openTable(input, {
    memoryLimit,
    ...(dialect !== undefined && { dialect }),
  });
  try {
    const { name: path, columns: names } = opened;
    const isThere = (name: string) => names.includes(name);
    requireColumns(path, options, names);
    requireRecords(opened);
    const needed = {
      columns: options.columns.filter(isThere),
      numbers: (options.numbers ?? []).filter(isThere),
    };
    // The database gives nothing for an empty field.
    const texts = names.map((_, index) => `coalesce(c${index}, '')`).join(", ");
    let firstRecord = 0;
    for await (const { rows, columns } of store.database.pieces(
      `select ${texts} from ${await opened.texts(store)}`,
    )) {
      // What SQL calls varchar and is not null comes as a text.
      yield await readPiece(opened, needed, firstRecord, rows, columns as readonly (readonly string[])[]);
      firstRecord += rows;
    }
    if (firstRecord !== opened.records)
      bug(`${path} has ${opened.records} records, and the database read ${firstRecord}`);
  } finally {
    await store.close();
  }
}

/** Enough for one piece of very long lines; measured, more changes nothing. */
const memoryLimit = "512MB";

async function readPiece(
  table: OpenedTable,
  needed: { readonly columns: readonly string[]; readonly numbers: readonly string[] },
  firstRecord: number,
  rows: number,
  texts: readonly (readonly string[])[],
): Promise<RawPiece> {
  const names = table.columns;
  const parse = (text: string) => parseNumber(text, table.decimal);
  const textsOf = (name: string) => texts[names.indexOf(name)]!;
  const placeOf = async (row: number) => placeText(await table.placeOf(firstRecord + row));
  const columns = Object.fromEntries(needed.columns.map((name) => [name, textsOf(name).map(cellOf)]));
  const numbers: [string, Float64Array][] = [];
  for (const name of needed.numbers) {
    const values = numbersOf(
      Object.hasOwn(columns, name) ? columns[name]! : textsOf(name).map(cellOf),
      parse,
    );
    if (typeof values !== "number") numbers.push([name, values]);
    else noNumber(`${await placeOf(values)}, column "${name}"`, trimBlanks(textsOf(name)[values]!), table);
  }
  return { names, firstRecord, rows, texts, columns, numbers: Object.fromEntries(numbers), parse, placeOf };
}

/** The numbers, or the first row whose text is none. */
function numbersOf(values: readonly (string | null)[], parse: RawPiece["parse"]): Float64Array | number {
  const numbers = new Float64Array(values.length);
  for (let row = 0; row < values.length; row++) {
    const value = values[row]!;
    const number = value === null ? Number.NaN : parse(value);
    if (number === undefined) return row;
    numbers[row] = number;
  }
  return numbers;
}

function noNumber(where: string, text: string, { unit, decimal }: OpenedTable): never {
  const isComma = unit === "line" && decimal === undefined && parseNumber(text, ",") !== undefined;
  return fail(where, {
    expected: `a number that fits float32${decimal === undefined ? "" : ", with a decimal comma"}`,
    got: JSON.stringify(text),
    fix: `correct the value, or leave it empty if it is missing${isComma ? '; if that is a decimal comma, dialect: { decimal: "," }' : ""}`,
  });
}

function requireColumns(
  path: string,
  { columns, numbers = [], absent = [] }: RawRowsOptions,
  names: readonly string[],
): void {
  const needed = [...new Set([...columns, ...numbers])].filter((name) => !absent.includes(name));
  const lacking = needed.filter((name) => !names.includes(name));
  if (lacking.length === 0) return;
  const close = nearest(
    lacking[0]!,
    names.filter((name) => name !== ""),
  );
  fail(path, {
    expected: `the model's columns ${needed.join(", ")}`,
    got: `no ${lacking.join(", ")}`,
    fix:
      close === undefined
        ? "add the columns, empty where a value is missing"
        : `rename "${close}" to "${lacking[0]}"`,
  });
}
