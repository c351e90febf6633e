import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../../../test/temporary-folder.ts";
import type { Dataset } from "../../dataset.ts";
import { allSamples } from "../../samples.ts";
import { cachedTable } from "../cached-table.ts";
import { openTableDatabase } from "../cells/database.ts";
import { csvProof } from "../csv/csv-table.ts";
import { rawRows } from "../raw-rows.ts";
import { sql, table } from "../table.ts";
import type { TableInput } from "./input.ts";

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

/** Runs a statement in a database of its own, to write Parquet files. */
async function run(statement: string): Promise<void> {
  const { database, close } = await openTableDatabase("test", { damaged: csvProof });
  await database.run(statement);
  await close();
}

async function refusal(input: TableInput): Promise<string> {
  return table(input, { target: "price" }).then(
    () => assert.fail("it was read"),
    (error: Error) => error.message.replaceAll(`${folder}/`, ""),
  );
}

async function numbersOf(data: Dataset, name: string): Promise<number[]> {
  const values = new Float32Array(data.size);
  await data.read(name, allSamples(data), values);
  return [...values];
}

/** The texts of the column at that place, as they stand. */
async function textsAt(input: TableInput, column: number): Promise<readonly string[]> {
  for await (const { texts } of rawRows(input, { columns: [] })) return texts[column]!;
  return assert.fail("there is no row");
}

test("numbers of several types in several files of Parquet get one that holds all, and nothing else may differ", async () => {
  const write = (name: string, query: string) =>
    run(`copy (select ${query} from range(4)) to '${at(name)}' (format parquet)`);
  await mkdir(at("types"));
  const [first, second] = [at("types/a.parquet"), at("types/b.parquet")];
  const read = async () => {
    return numbersOf(await table([first, second], { target: "price" }), "size");
  };
  await write("types/a.parquet", "range::int as size, 1.5::double * range as price");
  await write("types/b.parquet", "10 + range as price, range + 0.75::double as size");
  assert.deepEqual(await read(), [0, 1, 2, 3, 0.75, 1.75, 2.75, 3.75]);
  const refused = (type: string) =>
    `types/b.parquet, column "size": expected the type that it has in types/a.parquet, INTEGER, got ${type}. ` +
    'Fix: make one of them in a query: sql("select … union all by name select * replace (size::… as size) from …")';
  for (const [value, type] of [
    ["'1.7'", "VARCHAR"],
    ["true", "BOOLEAN"],
    ["16777217::float", "FLOAT"],
  ]) {
    await write("types/b.parquet", `10 + range as price, ${value} as size`);
    assert.equal(await refusal([first, second]), refused(type!));
  }
  await write("types/b.parquet", "10 + range as price, range as size, 1 as weight");
  assert.equal(
    await refusal([first, second]),
    `types/b.parquet: expected the columns of types/a.parquet, size, price, got also weight. ` +
      'Fix: give the files the same columns, or choose some in a query: sql("select … union all select …")',
  );
});

test("a decimal is the float32 next to it, and lists of decimals or of enums are no values", async () => {
  const query = sql(
    "select (413317456.0183205376 + 3.5 * range)::decimal(38, 10) as size, range as price from range(9)",
  );
  const [size] = await numbersOf(await table(query, { target: "price" }), "size");
  assert.equal(size, Math.fround(413317456.0183205376));
  for (const [list, type] of [
    ["[1.5::decimal(3, 1)]", "DECIMAL(3,1)[]"],
    ["['a'::enum('a', 'b')]", "ENUM('a', 'b')[]"],
  ]) {
    const message = await refusal(sql(`select ${list} as size, range as price from range(9)`));
    assert.match(message, /column "size": expected one number, /);
    assert.ok(message.includes(`, got the type ${type}. Fix: `), message);
  }
});

test("columns whose names differ in case, or are the database's own, have their own values", async () => {
  const columns =
    "range as a, 100 - range * range as A, 7 - range as rowid, 2.5 * range as price from range(4)";
  const query = sql(`select ${columns} union all select ${columns}`);
  const read = await table(query, { target: "price", clean: { duplicates: "drop" } });
  const values = { a: [0, 1, 2, 3], A: [100, 99, 96, 91], rowid: [7, 6, 5, 4], price: [0, 2.5, 5, 7.5] };
  for (const [name, expected] of Object.entries(values)) {
    assert.deepEqual(await numbersOf(read, name), expected);
  }
  assert.deepEqual((await textsAt(query, 1)).slice(0, 4), ["100", "99", "96", "91"]);
  await run(
    `copy (select 3 - range as file_row_number, range as price from range(4)) to '${at("hidden.parquet")}' (format parquet)`,
  );
  assert.equal(
    await refusal(at("hidden.parquet")),
    'hidden.parquet, column "file_row_number": expected a name that DuckDB does not give to the place of a row, got one that ' +
      'it does. Fix: rename it in a query: sql("select * rename (file_row_number as …) from …")',
  );
});

test("a query may end in semicolons and comments", async () => {
  const select = "select range as size, 2.5 * range as price, '; -- a' as note\nfrom range(3)";
  for (const end of [
    "",
    ";",
    " ; ;\n",
    "; -- all",
    "\n-- all of them\n;\n-- it's\n",
    ";\n-- one\n\n  -- two\n",
  ]) {
    const isOdd = end.includes("'"); // it may be the end of a text, and stays
    const read = table(sql(select + end), { target: "price" });
    if (isOdd) await assert.rejects(read, /syntax error/);
    else assert.deepEqual(await numbersOf(await read, "size"), [0, 1, 2]);
  }
  assert.deepEqual(await textsAt(sql("select 1 as size, 'a;\n-- b'"), 1), ["a;\n-- b"]);
});

test("a query's times are those of UTC wherever it runs", async () => {
  const query = sql(
    "select (timestamp '2024-03-10 02:30:00')::timestamptz as moment, range as size from range(2)",
  );
  const { TZ } = process.env;
  process.env.TZ = "America/New_York";
  try {
    assert.deepEqual(await textsAt(query, 0), ["2024-03-10 02:30:00", "2024-03-10 02:30:00"]);
    assert.deepEqual(await textsAt(sql("select current_setting('TimeZone') as zone, 1 as size"), 0), ["UTC"]);
  } finally {
    if (TZ === undefined) delete process.env.TZ;
    else process.env.TZ = TZ;
  }
});

test("a query whose paths are computed is not kept, since nobody could tell that a file has changed", async () => {
  await writeFile(at("a.csv"), "size,price\n1,2.5\n2,3.5\n4,5.5\n");
  const cache = { folder: at("cache") };
  const options = { target: "price" };
  const computed = `select * from read_csv('${folder}' || '/a.csv')`;
  await table(sql(computed), options);
  await assert.rejects(cachedTable(sql(computed), options, cache), (error: Error) => {
    assert.match(error.message, /^query "select \* from read_csv\('/);
    assert.match(
      error.message,
      /: expected paths as texts in quotes, which tell when a kept copy .*, got read_csv\('/,
    );
    assert.match(error.message, /\. Fix: write the paths out, or read the query without a cache$/);
    return true;
  });
  for (const path of [`'${at("a.csv")}'`, `'file://${at("a.csv")}'`, `['${at("a.csv")}']`]) {
    const query = sql(`select * from read_csv(${path}, delim = ',')`);
    await writeFile(at("a.csv"), "size,price\n1,2.5\n2,3.5\n4,5.5\n");
    await cachedTable(query, options, cache);
    await writeFile(at("a.csv"), "size,price\n1,2.5\n2,3.5\n4,5.5\n8,9.5\n");
    assert.deepEqual(await numbersOf(await cachedTable(query, options, cache), "size"), [1, 2, 4, 8]);
  }
});
