/** The columns of a table as they stand in the file, for a saved model that takes raw rows. */
import { fail } from "../errors.ts";
import { noRecords, withCsv } from "./csv-file.ts";
import { nearest } from "./nearest.ts";

/** Texts by column, null where a value is missing. */
export interface RawTable {
  /** All columns of the file that have a name, in its order. */
  readonly names: readonly string[];
  readonly rows: number;
  readonly columns: Readonly<Record<string, readonly (string | null)[]>>;
}

/**
 * Reads every column of a CSV file as trimmed text. Missing is what it is for `table`.
 * Throws what is wrong with the file, and when one of the needed columns is not in it.
 */
export function rawColumns(path: string, needed: readonly string[]): Promise<RawTable> {
  return withCsv(path, ({ header, scan }) => {
    const names = header.names.filter((name) => name !== "");
    const absent = needed.filter((name) => !names.includes(name));
    if (absent.length > 0) {
      const close = nearest(absent[0]!, names);
      fail(path, {
        expected: `the model's columns ${needed.join(", ")}`,
        got: `no ${absent.join(", ")}`,
        fix:
          close === undefined
            ? "add the columns, empty where a value is missing"
            : `rename "${close}" to "${absent[0]}"`,
      });
    }
    if (scan.records === 0) noRecords(path);
    return {
      columns: names,
      targets: [],
      use: async (cells) => {
        const columns = Object.fromEntries(names.map((name) => [name, [] as (string | null)[]]));
        const lists = names.map((name) => columns[name]!);
        await cells.database.visit(
          `select ${names.map((name) => cells.id(name)).join(", ")} from kept order by record`,
          (column, row, value) => {
            lists[column]![row] = value === null ? null : String(value);
          },
        );
        return { names, rows: cells.samples, columns };
      },
    };
  });
}
