/** The columns of a whole table as they stand in the file, where it is small enough for memory. */
import { cellOf } from "./numbers.ts";
import { rawRows } from "./raw-rows.ts";

/** Texts by column, null where a value is missing. */
export interface RawTable {
  /** All columns of the file that have a name, in its order. */
  readonly names: readonly string[];
  readonly rows: number;
  readonly columns: Readonly<Record<string, readonly (string | null)[]>>;
}

/**
 * Reads every column of a CSV file as trimmed text; `rawRows` reads piece by piece. Missing is what it is for `table`.
 * Throws what is wrong with the file, and when one of the needed columns is not in it.
 */
export async function rawColumns(path: string, needed: readonly string[]): Promise<RawTable> {
  let names: readonly string[] = [];
  let rows = 0;
  const columns = new Map<string, (string | null)[]>();
  for await (const piece of rawRows(path, { columns: needed })) {
    names = piece.names;
    rows += piece.rows;
    for (const name of names) {
      const values = columns.get(name) ?? [];
      columns.set(name, values);
      for (const value of piece.columns[name] ?? piece.texts[name]!.map(cellOf)) values.push(value);
    }
  }
  return { names, rows, columns: Object.fromEntries(columns) };
}
