/**
 * Parquet files as a table in the database: read in place, column by column, without a copy. Source: Apache
 * Parquet.
 */
import { resolve } from "node:path";
import { fail } from "../../../errors.ts";
import { type Database, sqlPath, type TableDatabase } from "../cells/database.ts";
import type { OpenedTable, Place } from "./format.ts";
import {
  cellsOf,
  describeQuery,
  isNumberType,
  requireNames,
  type TypedColumn,
  textsOf,
  typedColumns,
} from "./typed-columns.ts";

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
  const { relation, columns } = await relationOf(database, paths);
  requireNames(name, columns);
  requireRecordNumbers(name, columns, paths.length > 1);
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

/**
 * The files as one relation. The database would make the first file's types of the others' values, and of 2.7
 * in a later file 3 without a word: numbers of several types get one that holds them all, and nothing else
 * may differ.
 */
async function relationOf(
  database: Database,
  paths: readonly string[],
): Promise<{ readonly relation: string; readonly columns: readonly TypedColumn[] }> {
  const relation = (some: readonly string[], byName: boolean) =>
    `read_parquet([${some.map((path) => sqlPath(resolve(path))).join(", ")}],
      hive_partitioning = false, union_by_name = ${byName})`;
  const first = await describeQuery(database, `from ${relation(paths.slice(0, 1), false)}`);
  let areAlike = true;
  for (const path of paths.slice(1)) {
    const columns = await describeQuery(database, `from ${relation([path], false)}`);
    requireSameNames([paths[0]!, first], [path, columns]);
    for (const { name, type } of columns) {
      const other = first.find((column) => column.name === name)!;
      if (type === other.type) continue;
      areAlike = false;
      if (!haveCommonType(type, other.type)) refuseTypes(path, name, type, paths[0]!, other.type);
    }
  }
  if (areAlike) return { relation: relation(paths, false), columns: first };
  return {
    relation: relation(paths, true),
    columns: await describeQuery(database, `from ${relation(paths, true)}`),
  };
}

type Described = readonly [path: string, columns: readonly TypedColumn[]];

function requireSameNames([first, wanted]: Described, [path, columns]: Described): void {
  const [names, expected] = [columns, wanted].map((list) => list.map(({ name }) => name));
  const lacking = expected!.filter((name) => !names!.includes(name));
  const others = names!.filter((name) => !expected!.includes(name));
  if (lacking.length === 0 && others.length === 0) return;
  fail(path, {
    expected: `the columns of ${first}, ${expected!.join(", ")}`,
    got: lacking.length > 0 ? `no ${lacking.join(", ")}` : `also ${others.join(", ")}`,
    fix: 'give the files the same columns, or choose some in a query: sql("select … union all select …")',
  });
}

/** FLOAT is what the database takes for integers and FLOAT, which would make one of ids that differ. */
function haveCommonType(...types: readonly [string, string]): boolean {
  return types.every(isNumberType) && (!types.includes("FLOAT") || types.includes("DOUBLE"));
}

function refuseTypes(path: string, name: string, type: string, first: string, other: string): never {
  return fail(`${path}, column "${name}"`, {
    expected: `the type that it has in ${first}, ${other}`,
    got: type,
    fix: `make one of them in a query: sql("select … union all by name select * replace (${name}::… as ${name}) from …")`,
  });
}

/** Throws where a column hides what the database calls the number of a record. */
function requireRecordNumbers(name: string, columns: readonly TypedColumn[], areSeveral: boolean): void {
  const hidden = areSeveral ? /^file_(row_number|index)$/i : /^file_row_number$/i;
  const hiding = columns.find((column) => hidden.test(column.name));
  if (hiding === undefined) return;
  fail(`${name}, column "${hiding.name}"`, {
    expected: "a name that DuckDB does not give to the place of a row",
    got: "one that it does",
    fix: `rename it in a query: sql("select * rename (${hiding.name} as …) from …")`,
  });
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
