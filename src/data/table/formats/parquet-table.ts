/** Parquet files as a table in the database: read in place, column by column, without a copy. Source: Apache Parquet. */
import { resolve } from "node:path";
import { type Database, sqlPath, type TableDatabase } from "../cells/database.ts";
import type { OpenedTable, Place } from "./format.ts";
import { cellsOf, describeQuery, requireNames, textsOf, typedColumns } from "./typed-columns.ts";

/** What errors say of a file that is none. */
export const parquetProof = {
  expected: "Parquet files that can be read, with the same columns",
  fix: 'copy or write them again; columns of different types can be made one in a query: sql("select … union all …")',
} as const;

/** Opens files with the same columns, one behind the other. name: what errors call them together. */
export async function openParquet(
  name: string,
  paths: readonly string[],
  { database }: TableDatabase,
): Promise<OpenedTable> {
  const files = `[${paths.map((path) => sqlPath(resolve(path))).join(", ")}]`;
  const relation = `read_parquet(${files}, hive_partitioning = false)`;
  const columns = await describeQuery(database, `from ${relation}`);
  requireNames(name, columns);
  const starts = await startsOf(database, paths);
  const records = starts.pop()!;
  // The file's place among the others, and the record's in the file: nothing is counted or sorted.
  const rowid =
    paths.length === 1
      ? "file_row_number"
      : `file_row_number + [${starts.join(", ")}][file_index::bigint + 1]`;
  return {
    name,
    columns: columns.map((column) => column.name.trim()),
    records,
    unit: "row",
    dialect: paths.length === 1 ? "Parquet" : `${paths.length} files of Parquet`,
    placeOf: async (record) => placeOf(paths, starts, record),
    async load(store, wanted) {
      await store.database.run(
        `create view cells as ${cellsOf(name, relation, columns, wanted.columns, rowid)}`,
      );
      return typedColumns(columns);
    },
    texts: async () => textsOf(relation, columns),
  };
}

/** The first record of each file, and behind them the number of all. */
async function startsOf(database: Database, paths: readonly string[]): Promise<number[]> {
  const starts = [0];
  for (const path of paths) {
    const [row] = await database.rows(
      `select num_rows::double from parquet_file_metadata(${sqlPath(resolve(path))})`,
    );
    starts.push(starts.at(-1)! + Number(row![0]));
  }
  return starts;
}

function placeOf(paths: readonly string[], starts: readonly number[], record: number): Place {
  const file = starts.findLastIndex((start) => start <= record);
  return { path: paths[file]!, unit: "row", line: record - starts[file]! + 1 };
}
