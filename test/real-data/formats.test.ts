/** Three million flights in Parquet, and one table of orders in four formats. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { DuckDBInstance } from "@duckdb/node-api";
import { cached } from "../../src/data/cache/cache.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { jsonLinesSource } from "../../src/data/json/json-lines.ts";
import { allSamples } from "../../src/data/samples.ts";
import { cachedTable } from "../../src/data/table/cached-table.ts";
import { sql } from "../../src/data/table/formats/query.ts";
import { table } from "../../src/data/table/table.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { superstore, testWith, vega } from "./installed.ts";
import { assertMadeOnce, readColumn } from "./same-samples.ts";
import { readSimply } from "./second-parquet.ts";

const folder = temporaryFolder();

/** The rows of a query, in the database's own hands. */
async function rowsOf(query: string): Promise<Record<string, unknown>[]> {
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  try {
    return (await connection.runAndReadAll(query)).getRowObjectsJS();
  } finally {
    connection.closeSync();
  }
}

function sumOf(values: ArrayLike<number | bigint>): number {
  let sum = 0;
  for (let at = 0; at < values.length; at++) sum += Number(values[at]);
  return sum;
}

const flights = join(vega.folder, "flights-3m.parquet");

testWith(
  vega,
  "three million flights from Parquet are those of the file, in order, and come from a cache",
  async () => {
    const options = { target: "delay", ignore: ["date"] } as const;
    const open = (cache: Parameters<typeof cachedTable>[2]) => cachedTable(flights, options, cache);
    const data = await table(flights, options);
    assert.equal(data.size, 3_000_000);
    assert.deepEqual([data.report.withoutTarget, data.report.missing], [0, {}]);
    const expected = await readSimply(readFileSync(flights), ["delay", "distance", "origin", "destination"]);
    const all = allSamples(data);
    for (const name of ["delay", "distance"] as const) {
      const values = await readColumn(data, name, all);
      const wrong = expected[name].findIndex((value, sample) => Number(value) !== values[sample]);
      assert.equal(wrong, -1, name);
    }
    for (const name of ["origin", "destination"] as const) {
      const { categories = [] } = data.columns[name]!;
      const codes = await readColumn(data, name, all);
      const wrong = expected[name].findIndex((value, sample) => value !== categories[Number(codes[sample])]);
      assert.equal(wrong, -1, name);
    }
    const [sums] = await rowsOf(
      `select sum(delay)::double as delay, sum(distance)::double as distance from '${flights}'`,
    );
    assert.deepEqual([sums!.delay, sums!.distance], [20_003_603, 2_194_861_208]);
    assert.equal(sumOf(await readColumn(data, "delay", all)), 20_003_603);
    assert.equal(sumOf(await readColumn(data, "distance", all)), 2_194_861_208);
    await assertMadeOnce(open, data, join(folder, "flights"));
  },
);

testWith(vega, "a query over the flights is what it says", async () => {
  const query = `select origin, distance, delay from '${flights}' where origin in ('JFK', 'LGA', 'EWR') and delay > 60`;
  const data = await table(sql(query), { target: "delay" });
  const [counted] = await rowsOf(`select count(*)::double as n, sum(delay)::double as s from (${query})`);
  assert.deepEqual(
    [data.size, sumOf(await readColumn(data, "delay", allSamples(data)))],
    [counted!.n, counted!.s],
  );
  assert.deepEqual(data.columns.origin!.categories, ["EWR", "JFK", "LGA"]);
});

testWith(
  superstore,
  "9994 orders in CSV, TSV, packed CSV, JSON Lines and Parquet give the same cache, byte for byte",
  async () => {
    const csv = join(superstore.folder, "superstore.csv");
    const [header, ...rows] = recordsOf(readFileSync(csv, "utf8"));
    assert.equal(rows.length, 9994);
    const numbers = new Set(["Row ID", "Postal Code", "Sales", "Quantity", "Discount", "Profit"]);
    const files = {
      tsv: join(folder, "orders.tsv"),
      packed: join(folder, "orders.gz"),
      jsonl: join(folder, "orders.jsonl"),
    };
    const quoted = (field: string) => (/["\t\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field);
    await writeFile(
      files.tsv,
      [header!, ...rows].map((fields) => `${fields.map(quoted).join("\t")}\n`).join(""),
    );
    await writeFile(files.packed, gzipSync(readFileSync(csv)));
    const objects = rows.map((fields) =>
      Object.fromEntries(
        header!.map((name, at) => {
          const field = fields[at]!;
          return [name, field === "" ? null : numbers.has(name) ? Number(field) : field];
        }),
      ),
    );
    await writeFile(files.jsonl, objects.map((object) => `${JSON.stringify(object)}\n`).join(""));

    const options = { target: "Profit", ignore: ["Row ID"] } as const;
    const at = (name: string) => ({ folder: join(folder, `orders-${name}`) });
    const opened: Record<string, Dataset> = {
      csv: await cachedTable(csv, options, at("csv")),
      tsv: await cachedTable(files.tsv, options, at("tsv")),
      packed: await cachedTable(files.packed, options, at("packed")),
      parquet: await cachedTable(join(superstore.folder, "superstore.parquet"), options, at("parquet")),
      jsonl: await cached(await jsonLinesSource(files.jsonl, options), at("jsonl")),
    };
    const found: string[] = [];
    for (const [name, data] of Object.entries(opened)) {
      const [key] = await readdir(at(name).folder);
      const bytes = await readFile(join(at(name).folder, key!, "samples.npy"));
      found.push(createHash("sha256").update(bytes).digest("hex"));
      assert.equal(data.size, 9994);
      assert.deepEqual(data.schema, opened.csv!.schema, name);
      assert.deepEqual(data.columns, opened.csv!.columns, name);
    }
    assert.deepEqual(found, Array(5).fill(found[0]));
    // And what they give is what a simple reader finds.
    const sales = await readColumn(opened.parquet!, "Sales", allSamples(opened.parquet!));
    assert.deepEqual(
      Array.from(sales, Number),
      rows.map((fields) => Math.fround(Number(fields[header!.indexOf("Sales")]))),
    );
  },
);

/** The records of a whole CSV text, by one regular expression. */
function recordsOf(text: string): string[][] {
  const records: string[][] = [];
  let fields: string[] = [];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^,\r\n]*))(,|\r?\n)/g)) {
    fields.push(quoted === undefined ? plain! : quoted.replaceAll('""', '"'));
    if (end === ",") continue;
    records.push(fields);
    fields = [];
  }
  return records;
}
