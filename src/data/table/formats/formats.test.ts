import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { temporaryFolder } from "../../../../test/temporary-folder.ts";
import { cached } from "../../cache/cache.ts";
import type { Dataset } from "../../dataset.ts";
import { jsonLinesSource } from "../../json/json-lines.ts";
import { cachedTable } from "../cached-table.ts";
import { openTableDatabase } from "../cells/database.ts";
import { csvProof } from "../csv/csv-table.ts";
import { type RawPiece, rawRows } from "../raw-rows.ts";
import { sql, table } from "../table.ts";
import { profileTable } from "../table-profile.ts";
import { fingerprintOfTable, type TableInput } from "./input.ts";

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

/** Runs statements in a database of their own, to write Parquet files. */
async function run(...statements: readonly string[]): Promise<void> {
  const { database, close } = await openTableDatabase("test", { damaged: csvProof });
  for (const statement of statements) await database.run(statement);
  await close();
}

async function refusal(input: TableInput, options: { readonly target?: string } = {}): Promise<string> {
  return table(input, { target: "price", ...options }).then(
    () => assert.fail("it was read"),
    (error: Error) => error.message.replaceAll(`${folder}/`, ""),
  );
}

/** The numbers of all columns. */
async function valuesOf(data: Dataset): Promise<Record<string, Float32Array | Int32Array>> {
  const all = Uint32Array.from({ length: data.size }, (_, index) => index);
  const values: Record<string, Float32Array | Int32Array> = {};
  for (const [name, { dtype }] of Object.entries(data.columns)) {
    const into = dtype === "float32" ? new Float32Array(data.size) : new Int32Array(data.size);
    await data.read(name, all, into);
    values[name] = into;
  }
  return values;
}

async function piecesOf(input: TableInput): Promise<RawPiece[]> {
  const pieces: RawPiece[] = [];
  for await (const piece of rawRows(input, { columns: ["city"], numbers: ["size"] })) pieces.push(piece);
  return pieces;
}

const houses = Array.from({ length: 300 }, (_, row) => ({
  size: row % 7 === 3 ? null : 20 + ((row * 37) % 200) / 4,
  rooms: 1 + (row % 5),
  city: row % 11 === 5 ? null : ["Bonn", "Köln", "Ulm, West"][row % 3]!,
  isNew: row % 4 === 0,
  price: 1000 + row * 12.5,
}));
type House = (typeof houses)[number];
const names = ["size", "rooms", "city", "isNew", "price"] as const;

function csvOf(rows: readonly House[], delimiter: string, columns: readonly (keyof House)[] = names): string {
  const cell = (value: unknown) => (value === null ? "" : `"${value}"`);
  return [columns, ...rows.map((row) => columns.map((name) => row[name]))]
    .map((cells) => `${cells.map(cell).join(delimiter)}\n`)
    .join("");
}

before(async () => {
  await writeFile(at("houses.csv"), csvOf(houses, ","));
  await writeFile(at("houses.tsv.gz"), gzipSync(csvOf(houses, "\t")));
  await writeFile(at("houses.jsonl"), houses.map((row) => `${JSON.stringify(row)}\n`).join(""));
  await run(
    `copy (select size::double as size, rooms::tinyint as rooms, city, isNew::boolean as isNew, price::float as price
      from read_csv('${at("houses.csv")}')) to '${at("houses.parquet")}' (format parquet, row_group_size 100)`,
  );
  await mkdir(at("parts"));
  await writeFile(at("parts/1.csv"), csvOf(houses.slice(0, 100), ","));
  await writeFile(
    at("parts/2.csv"),
    csvOf(houses.slice(100, 200), ";", ["price", "city", "isNew", "rooms", "size"]),
  );
  await writeFile(at("parts/3.csv"), gzipSync(csvOf(houses.slice(200), "\t")));
});

test("JSON is read in a query, and told to be where CSV is wanted", async () => {
  const path = at("houses.jsonl");
  const message =
    `${path}: expected a CSV or Parquet file, got JSON. ` +
    `Fix: read it in a query: sql("select * from '${path}'")`;
  await assert.rejects(table(path, { target: "price" }), { message });
  assert.equal((await table(sql(`select * from '${path}'`), { target: "price" })).size, houses.length);
});

test("one table in four formats, in several files and from a query gives one cache, byte for byte", async () => {
  const options = { target: "price" };
  const cache = { folder: at("cache") };
  const inputs: TableInput[] = [
    at("houses.csv"),
    at("houses.tsv.gz"),
    at("houses.parquet"),
    at("parts/*.csv"),
    [1, 2, 3].map((part) => at(`parts/${part}.csv`)),
    sql(`select * from '${at("houses.parquet")}'`),
    sql(`select * from '${at("houses.csv")}'`),
  ];
  for (const input of inputs) await cachedTable(input, options, cache);
  await cached(await jsonLinesSource(at("houses.jsonl"), options), cache);
  const files = await readdir(at("cache"));
  assert.equal(files.length, inputs.length + 1);
  const bytes = await Promise.all(files.map((key) => readFile(join(at("cache"), key, "samples.npy"))));
  for (const other of bytes) assert.deepEqual(other, bytes[0]);
});

test("a Parquet file, several files and a query have the numbers of the CSV file, and its report", async () => {
  const wanted = await table(at("houses.csv"), { target: "price" });
  assert.deepEqual(wanted.report.missing, { size: 43, city: 27 });
  for (const input of [at("houses.parquet"), at("parts/*.csv"), sql(`from '${at("houses.parquet")}'`)]) {
    const given = await table(input, { target: "price" });
    assert.deepEqual(given.schema, wanted.schema);
    assert.deepEqual(given.report, wanted.report);
    assert.deepEqual(await valuesOf(given), await valuesOf(wanted));
    const second = await table(input, { like: wanted.schema });
    assert.deepEqual(await valuesOf(second), await valuesOf(wanted));
  }
});

test("typed columns become numbers, categories or missing values, by their types", async () => {
  await run(
    `copy (select range::hugeint as huge, (range / 4)::decimal(10, 2) as share,
        case when range % 2 = 0 then 'nan'::float else range end as holes,
        case when range % 3 = 0 then ' NA ' else 'a' end as letter,
        (['low', 'high'][range % 2 + 1])::enum('low', 'high') as level,
        date '2024-01-01' + (range % 2)::int as day,
        timestamptz '2024-03-05 12:00:00+02' + interval (range % 2) hour as moment,
        range % 2 = 0 as even, 3.5 * range as price from range(40)) to '${at("types.parquet")}' (format parquet)`,
  );
  const types = { day: "category", moment: "category" } as const;
  const read = await table(at("types.parquet"), { target: "price", types });
  const { huge, share, holes, even } = await valuesOf(read);
  assert.deepEqual([...(huge as Float32Array)].slice(0, 3), [0, 1, 2]);
  assert.deepEqual([...(share as Float32Array)].slice(0, 3), [0, 0.25, 0.5]);
  assert.deepEqual([...(holes as Float32Array)].slice(0, 4), [Number.NaN, 1, Number.NaN, 3]);
  assert.deepEqual([...(even as Int32Array)].slice(0, 3), [1, 0, 1]);
  const categories = Object.fromEntries(
    read.schema.features.flatMap((one) => (one.kind === "category" ? [[one.name, one.categories]] : [])),
  );
  assert.deepEqual(categories, {
    letter: ["a"],
    level: ["high", "low"],
    day: ["2024-01-01", "2024-01-02"],
    moment: ["2024-03-05 10:00:00", "2024-03-05 11:00:00"], // UTC
    even: ["false", "true"],
  });
  assert.deepEqual(read.report.missing, { holes: 20, letter: 14 });
});

test("an infinity among typed numbers is refused with its row, and skipped where that was asked for", async () => {
  await run(
    `copy (select case when range = 7 then 'inf'::double else range end as size, 2.0 * range as price from range(30))
     to '${at("infinite.parquet")}' (format parquet)`,
  );
  assert.equal(
    await refusal(at("infinite.parquet")),
    'infinite.parquet, row 8, column "size": expected a number that fits float32, as 29 of 30 values are, got "inf". ' +
      'Fix: correct the value, or leave it empty if it is missing, or types: { "size": "category" } to read the column as text',
  );
  const read = await table(at("infinite.parquet"), { target: "price", clean: { badRows: { skip: 1 } } });
  assert.deepEqual(read.report.skipped, {
    count: 1,
    lines: 1,
    first: [{ line: 8, column: "size", reason: 'expected a number that fits float32, got "inf"' }],
  });
});

test("what is wrong in one of several files is told with its file and line", async () => {
  await mkdir(at("bad"));
  await writeFile(at("bad/a.csv"), "size,price\n1,2\n2,4\n3,6\n");
  await writeFile(at("bad/b.csv"), "price,size\n8,4\n10,five\n12,6\n14,7,7\n");
  const pattern = at("bad/*.csv");
  assert.match(await refusal(pattern), /^bad\/b\.csv, line 5: expected 2 fields, as in the header, got 3/);
  const clean = { badRows: { skip: 2 } };
  const read = await table(pattern, { target: "price", types: { size: "number" }, clean });
  assert.deepEqual(read.report.skipped?.first, [
    {
      path: at("bad/b.csv"),
      line: 3,
      column: "size",
      reason: 'expected a number that fits float32, got "five"',
    },
    { path: at("bad/b.csv"), line: 5, reason: "expected 2 fields, as in the header, got 3" },
  ]);
  assert.deepEqual([...((await valuesOf(read)).size as Float32Array)], [1, 2, 3, 4, 6]);
  await assert.rejects(
    table(pattern, { target: "price", clean: { badRows: { skip: 0 } } }),
    /at most 0 lines/,
  );
  const [piece] = await piecesOf(at("parts/*.csv"));
  assert.equal(await piece!.placeOf(150), `${at("parts/2.csv")}, line 52`);
  await writeFile(at("bad/b.csv"), "price,size\n8,4\n");
  await writeFile(at("bad/c.csv"), "price,weight\n8,4\n");
  assert.equal(
    await refusal(pattern),
    "bad/c.csv: expected the columns of bad/a.csv, size, price, got no size. " +
      'Fix: give the files the same columns, or choose some in a query: sql("select … union all select …")',
  );
  await writeFile(at("bad/c.csv"), "price,size,weight\n8,4,1\n");
  assert.match(await refusal(pattern), /^bad\/c\.csv: expected the columns .*, got also weight\. Fix: /);
});

test("what is no table, no file or no query is refused with what to do", async () => {
  assert.equal(
    await refusal(at("nothing*.csv")),
    "nothing*.csv: expected at least one file whose path has this pattern, got none. " +
      `Fix: correct the pattern; it is looked for in ${process.cwd()}`,
  );
  assert.equal(
    await refusal([at("houses.csv"), at("houses.parquet")]),
    "houses.parquet: expected a CSV file, as houses.csv, got a Parquet file. " +
      'Fix: read files of one kind at a time, or join them in a query: sql("select … union all …")',
  );
  assert.match(
    await refusal([]),
    /^table: expected the path of a file, a list of paths, or a query, got \[\]\. Fix: /,
  );
  assert.throws(() => sql(" "), /^.*sql: expected a query, got an empty text\. Fix: for example/);
  const source = at("houses.parquet");
  const query = "expected a query that DuckDB can run, over files that are there";
  assert.match(
    await refusal(sql("selec price")),
    new RegExp(`^query "selec price": ${query}, got syntax error`),
  );
  assert.match(await refusal(sql(`select nothing from '${source}'`)), new RegExp(`${query}, got .*nothing`));
  assert.match(await refusal(sql("from 'nothing.parquet'")), new RegExp(`${query}, got No files found`));
  assert.match(await refusal(sql("select 1 as a; drop table x")), /got syntax error/);
  assert.match(
    await refusal(sql("from 'https://example.com/a.parquet'")),
    /got File https.* requires the extension httpfs/,
  );
  assert.match(
    await refusal(sql(`select * from '${source}' where price < 0`)),
    /expected at least one row, got none/,
  );
  assert.match(
    await refusal(sql(`select *, 1 as price from '${source}'`)),
    /under a name of its own, got "price" twice/,
  );
  assert.equal(
    await refusal(sql("select [1] as pair, range as price from range(9)")),
    'query "select [1] as pair, range as price from range(9)", column "pair": expected one number, text, boolean, date or ' +
      'time in each row, got the type INTEGER[]. Fix: leave it out: ignore: ["pair"], or take parts of it in a query: sql("select …")',
  );
  const read = await table(sql("select [1] as pair, range % 5 as five, range as price from range(9)"), {
    target: "price",
    ignore: ["pair"],
  });
  assert.deepEqual(read.report.ignored, [{ column: "pair", reason: "asked" }]);
});

test("a Parquet file that was cut off or is damaged is refused", async () => {
  const bytes = await readFile(at("houses.parquet"));
  await writeFile(at("cut.parquet"), bytes);
  await truncate(at("cut.parquet"), bytes.length - 9);
  assert.equal(
    await refusal(at("cut.parquet")),
    "cut.parquet: expected Parquet files that can be read, with the same columns, got a file without the mark at its end: it " +
      "was cut off, or is still being written. Fix: copy or write them again; columns of different types can be made one in a " +
      'query: sql("select … union all …")',
  );
  const damaged = Buffer.from(bytes);
  damaged.fill(0xff, bytes.length - 60, bytes.length - 20); // in the description of its columns
  await writeFile(at("damaged.parquet"), damaged);
  assert.match(
    await refusal(at("damaged.parquet")),
    /^damaged\.parquet: expected Parquet files that can be read/,
  );
});

test("a query gives its rows in one order, whatever the number of threads", async () => {
  await run(
    `copy (select range % 5000 as key, range::double as price from range(200000)) to '${at("many.parquet")}' (format parquet)`,
  );
  const query = sql(`select key, sum(price) as price from '${at("many.parquet")}' group by key`);
  const first = await valuesOf(await table(query, { target: "price" }));
  const second = await valuesOf(await table(query, { target: "price" }));
  assert.deepEqual(second, first);
});

test("a text behind thousands of numbers is found, and so is what only the database takes for a number", async () => {
  const lines = (value: string) =>
    [
      "a,price",
      ...Array.from({ length: 5000 }, (_, row) => `${row === 4321 ? value : row},${row * 2}`),
      "",
    ].join("\n");
  for (const value of ["1_000", "+-1", "five", "inf", "1e39", "0x1F"]) {
    await writeFile(at("late.csv"), lines(value));
    assert.match(
      await refusal(at("late.csv")),
      /^late\.csv, line 4323, column "a": expected a number that fits float32/,
      value,
    );
  }
  for (const value of [" 17 ", "+17", "17.0", "1.7e1", '"17"']) {
    await writeFile(at("late.csv"), lines(value));
    const { a } = await valuesOf(await table(at("late.csv"), { target: "price" }));
    assert.equal((a as Float32Array)[4321], 17, value);
  }
  for (const value of ["NA", " null ", "", "?", '" "']) {
    await writeFile(at("late.csv"), lines(value));
    const read = await table(at("late.csv"), { target: "price" });
    assert.deepEqual(read.report.missing, { a: 1 }, value);
  }
});

test("a cache is made anew when a pattern finds another file, and when a file that a query names changes", async () => {
  await mkdir(at("grow"));
  await writeFile(at("grow/a.csv"), csvOf(houses.slice(0, 50), ","));
  const inputs = [at("grow/*.csv"), sql(`select * from '${at("grow/*.csv")}'`)];
  const before = await Promise.all(inputs.map(fingerprintOfTable));
  assert.deepEqual(await Promise.all(inputs.map(fingerprintOfTable)), before);
  await writeFile(at("grow/b.csv"), csvOf(houses.slice(50, 80), ","));
  const after = await Promise.all(inputs.map(fingerprintOfTable));
  for (const [index, fingerprint] of after.entries()) assert.notEqual(fingerprint, before[index]);
  assert.equal((await table(at("grow/*.csv"), { target: "price" })).size, 80);
  await rm(at("grow/a.csv"));
  await assert.rejects(fingerprintOfTable([at("grow/a.csv")]), /expected a file, got nothing of that name/);
});

test("a file whose name looks like a pattern is that file", async () => {
  await writeFile(at("[1]*.csv"), csvOf(houses, ","));
  assert.equal((await table(at("[1]*.csv"), { target: "price" })).size, 300);
});

test("raw rows of a Parquet file are the texts of its values, and a profile says what it is", async () => {
  const [piece] = await piecesOf(at("houses.parquet"));
  assert.deepEqual(piece!.names, names);
  assert.deepEqual(
    piece!.texts.map((texts) => texts.slice(2, 4)),
    [
      ["38.5", ""],
      ["3", "4"],
      ["Ulm, West", "Bonn"],
      ["false", "false"],
      ["1025.0", "1037.5"],
    ],
  );
  assert.deepEqual([...piece!.numbers.size!.slice(0, 4)], [20, 29.25, 38.5, Number.NaN]);
  assert.equal(await piece!.placeOf(3), `${at("houses.parquet")}, row 4`);
  const dialects = await Promise.all(
    [at("houses.parquet"), at("parts/*.csv"), sql("select range as a from range(9)")].map(
      async (input) => (await profileTable(input)).dialect,
    ),
  );
  assert.deepEqual(dialects, [
    "Parquet",
    "3 files, separated by commas and semicolons and tabs, packed with gzip",
    "the result of a query",
  ]);
});
