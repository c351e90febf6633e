/** Opens a table of any format. */
import { fail } from "../../errors.ts";
import type { BadRows } from "./cleaning.ts";
import { openCsv } from "./csv-table.ts";
import { openTableDatabase, type TableDatabase, type TableDatabaseOptions } from "./database.ts";
import type { OpenedTable } from "./format.ts";

/** How a table is opened. */
export interface OpenOptions extends TableDatabaseOptions {
  readonly badRows?: BadRows;
}

/** Opens a table beside an empty database, for who closes it. */
export async function openTable(
  path: string,
  { badRows, ...limits }: OpenOptions = {},
): Promise<{ readonly opened: OpenedTable; readonly store: TableDatabase }> {
  const store = await openTableDatabase(path, limits);
  try {
    return { opened: await openCsv(path, badRows), store };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** The same, handed over and closed afterwards. */
export async function withTable<Result>(
  path: string,
  options: OpenOptions,
  use: (opened: OpenedTable, store: TableDatabase) => Promise<Result>,
): Promise<Result> {
  const { opened, store } = await openTable(path, options);
  try {
    return await use(opened, store);
  } finally {
    await store.close();
  }
}

/** Throws where there are columns and no record. */
export function requireRecords({ name, records }: OpenedTable): void {
  if (records > 0) return;
  fail(name, {
    expected: "at least one line of values below the header",
    got: "none",
    fix: "check that the file was written to its end",
  });
}
