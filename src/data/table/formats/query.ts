/** A query as a table: whatever the database can make of files. */
import { fail, kindOf, MicrobatchError, messageOf, shorten } from "../../../errors.ts";
import type { Database, TableDatabase } from "../cells/database.ts";
import { whatItSays } from "../cells/database-errors.ts";
import type { OpenedTable } from "./format.ts";
import { cellsOf, describeQuery, requireNames, textsOf, typedColumns } from "./typed-columns.ts";

/** A table that is made by a query. */
export interface Query {
  readonly sql: string;
}

/**
 * A query to read a table from, in the SQL of DuckDB 1.5, over files of CSV, Parquet and JSON by their paths:
 *
 *   const trips = await table(sql("select t.*, z.borough from 'trips/*.parquet' t join 'zones.csv' z using (zone)"), {
 *     target: "tip",
 *   });
 *
 * One select, whose columns have names. Without "order by" the samples stand in the order in which one thread
 * makes them, which is the same each time for the same files, unless the query draws at random. Paths are
 * those of the process's folder; nothing is downloaded. Throws for what is no text; the query itself is
 * looked at when it is read.
 */
export function sql(query: string): Query {
  if (typeof query !== "string" || query.trim() === "") {
    const got = typeof query === "string" ? "an empty text" : kindOf(query);
    fail("sql", { expected: "a query", got, fix: "for example sql(\"select * from 'trips/*.parquet'\")" });
  }
  return Object.freeze({ sql: query });
}

/** What errors and caches call a query: its first words. */
export function queryName({ sql }: Query): string {
  const words = sql.trim().replace(/\s+/g, " ");
  return `query "${shorten(words)}"`;
}

/** Runs the query, whose result lies in the database's memory or in its temporary files. */
export async function openQuery(query: Query, { database }: TableDatabase): Promise<OpenedTable> {
  const name = queryName(query);
  // In brackets, so that it is one query that changes nothing; on a line of its own, should it end in a comment.
  const relation = `(\n${withoutEnd(query.sql)}\n)`;
  const described = await explained(name, describeQuery(database, relation));
  // Under names of our own: to the database "A" is "a", and a column "rowid" would hide the number of the record.
  const columns = described.map((column, index) => ({ ...column, id: `s${index}` }));
  requireNames(name, columns);
  await explained(
    name,
    inOneThread(
      database,
      `create table records as select * from ${relation} as q(${columns.map(({ id }) => id).join(", ")})`,
    ),
  );
  const [counts] = await database.rows("select count(*)::double from records");
  return {
    name,
    columns: columns.map((column) => column.name.trim()),
    records: Number(counts![0]),
    unit: "row",
    dialect: "the result of a query",
    placeOf: async (record) => ({ path: name, unit: "row", line: record + 1 }),
    async load(store, wanted) {
      const cells = cellsOf(name, "records", columns, wanted.columns, "rowid");
      await store.database.run(`create view cells as ${cells}`);
      return typedColumns(columns);
    },
    texts: async () => textsOf("records", columns),
  };
}

/** The query without its semicolon, which comments may follow: those that have no quote, and so are no end of a text. */
function withoutEnd(query: string): string {
  const lines = query.split("\n");
  while (/^\s*(--[^'"]*)?$/.test(lines.at(-1) ?? "x")) lines.pop();
  return lines
    .join("\n")
    .replace(/;\s*--[^'"\n]*$/, "")
    .replace(/[;\s]+$/, "");
}

/** Several threads would finish in another order each time. */
async function inOneThread(database: Database, statement: string): Promise<void> {
  const [row] = await database.rows("select current_setting('threads')::double");
  await database.run("set threads = 1");
  try {
    await database.run(statement);
  } finally {
    await database.run(`set threads = ${Number(row![0])}`);
  }
}

/** What errors say of a query that cannot be run. */
export const queryProof = {
  expected: "a query that DuckDB can run, over files that are there",
  fix: "correct it; paths are relative to the folder that the process runs in",
} as const;

/** What is wrong with a query is said in the database's words. */
async function explained<Result>(name: string, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    const cause = error instanceof MicrobatchError ? error.cause : error;
    const message = messageOf(cause);
    // A proof of something else, such as too little memory, stays what it is.
    if (cause !== error && !message.startsWith("IO Error: No files found")) throw error;
    if (!/^[A-Z][A-Za-z ]+ Error: /.test(message)) throw error;
    fail(name, { ...queryProof, got: whatItSays(message, 1) });
  }
}
