/** Reading a table: as DuckDB alone streams it, and as this package reads it. A step reads the whole file. */
import { DuckDBInstance } from "@duckdb/node-api";
import { type DecidedTable, withDecided } from "../../src/data/table/decided-table.ts";
import { TableRecords } from "../../src/data/table/table-records.ts";
import { table } from "../../src/node.ts";
import { type Prepared, timed } from "./protocol.ts";

/** The table that tables/reading.ts writes. */
export const numberColumns = ["size", "rooms", "age", "income", "distance", "price"] as const;
export const cities = ["Bonn", "Köln", "Mainz", "Trier", "Ulm"] as const;

interface ReadingCase {
  readonly file: string;
  readonly rows: number;
  /** duckdb: the query that gives the samples, streamed. samples: the same by this package, columns decided. table: all of it. */
  readonly by: "duckdb" | "samples" | "table";
}

/** Whole readings of a file. */
export async function reading({ file, rows, by }: ReadingCase): Promise<Prepared> {
  if (by === "duckdb") return duckdbAlone(file, rows);
  if (by === "samples") return samplesAlone(file);
  return { run: (steps) => timed(steps, async () => (await table(file, { target: "price" })).size) };
}

/** Float32 numbers and codes of categories into one array per column, as fast as its interface allows. */
async function duckdbAlone(file: string, rows: number): Promise<Prepared> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "2", memory_limit: "1GB" });
  const connection = await instance.connect();
  const columns = [...numberColumns.map((name) => `'${name}': 'FLOAT'`), "'city': 'VARCHAR'"];
  const order = ["size", "rooms", "age", "city", "income", "distance", "price"];
  const typed = order.map((name) => columns.find((column) => column.startsWith(`'${name}'`))).join(", ");
  const source = file.endsWith(".parquet")
    ? `read_parquet('${file}')`
    : `read_csv('${file}', auto_detect = false, header = true, columns = {${typed}}, delim = ',', quote = '"', escape = '"')`;
  const codes = `enum_code(city::enum(${cities.map((city) => `'${city}'`).join(", ")}))::float`;
  const query = `select ${numberColumns.map((name) => `${name}::float`).join(", ")}, ${codes} from ${source}`;
  const outputs = Array.from({ length: numberColumns.length + 1 }, () => new Float32Array(rows));
  const step = async () => {
    const result = await connection.stream(query);
    let at = 0;
    for (;;) {
      const chunk = await result.fetchChunk();
      const count = chunk?.rowCount ?? 0;
      if (chunk === null || count === 0) break;
      for (const [index, output] of outputs.entries()) {
        // A vector of float32 has its numbers in `items`.
        const { items } = chunk.getColumnVector(index) as unknown as { readonly items: Float32Array };
        output.set(items.subarray(0, count), at);
      }
      at += count;
    }
    if (at !== rows) throw new Error(`DuckDB read ${at} of ${rows} rows`);
    return at;
  };
  const close = () => {
    connection.closeSync();
    instance.closeSync();
  };
  return { run: (steps) => timed(steps, step), close };
}

/** The samples of a table whose columns are decided, piece by piece, as a cache is made of them. */
async function samplesAlone(file: string): Promise<Prepared> {
  const ready = Promise.withResolvers<DecidedTable>();
  const done = Promise.withResolvers<void>();
  const life = withDecided(file, { target: "price" }, {}, async (decided) => {
    ready.resolve(decided);
    await done.promise;
  });
  life.catch(ready.reject);
  const decided = await ready.promise;
  const step = async () => {
    let samples = 0;
    for await (const piece of new TableRecords(decided).pieces()) samples += piece.samples;
    return samples;
  };
  return {
    run: (steps) => timed(steps, step),
    async close() {
      done.resolve();
      await life;
    },
  };
}
