import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../../../test/temporary-folder.ts";
import { dateFeatures } from "../../../array/schema.ts";
import { allSamples } from "../../samples.ts";
import { cachedTable } from "../cached-table.ts";
import { type Cleaning, type Table, type TableOptions, table } from "../table.ts";

const folder = temporaryFolder();
const path = join(folder, "t.csv");

async function cleaned(text: string, clean: Cleaning, more: Partial<TableOptions> = {}): Promise<Table> {
  await writeFile(path, text);
  return table(path, { target: "y", ...more, clean } as TableOptions);
}
async function refusal(text: string, clean: unknown, more: object = {}): Promise<string> {
  const error = await cleaned(text, clean as Cleaning, more).then(
    () => assert.fail("the table was read"),
    (thrown: Error) => thrown,
  );
  assert.equal(error.name, "MicrobatchError", error.stack);
  return error.message.replaceAll(path, "t.csv");
}
async function valuesOf(data: Table, name: string): Promise<(number | string | undefined)[]> {
  const spec = data.columns[name]!;
  const values = spec.dtype === "float32" ? new Float32Array(data.size) : new Int32Array(data.size);
  await data.read(name, allSamples(data), values);
  return [...values].map((value) =>
    spec.categories !== undefined ? spec.categories[value] : Number.isNaN(value) ? undefined : value,
  );
}

const damaged = `x,c,y
1,a,1
2,b,2,2
3,a
4,"b"c,4
5,a,8

6,inf,6
7,"two
lines",7,7
8,b,inf
9,a,text
1O,a,10
11,b,11
12,c,12
`;
const asNumbers = { task: "regression", types: { x: "number", c: "category" } } as const;

test("rows that cannot be read are skipped, and the report says where they stand and what they hold", async () => {
  const data = await cleaned(damaged, { badRows: { skip: 20 } }, asNumbers);
  assert.deepEqual(await valuesOf(data, "x"), [1, 5, 6, 11, 12]);
  assert.deepEqual(await valuesOf(data, "c"), ["a", "a", "inf", "b", "c"]);
  assert.deepEqual(await valuesOf(data, "y"), [1, 8, 6, 11, 12]);
  const number = "expected a number that fits float32, got";
  assert.deepEqual(data.report.skipped, {
    count: 7,
    lines: 8,
    first: [
      { line: 3, reason: "expected 3 fields, as in the header, got 4" },
      { line: 4, reason: "expected 3 fields, as in the header, got 2" },
      {
        line: 5,
        reason: "expected the delimiter or the end of the line behind a closing quote, got more text",
      },
      { line: 9, reason: "expected 3 fields, as in the header, got 4" },
      { line: 11, column: "y", reason: `${number} "inf"` },
      { line: 12, column: "y", reason: `${number} "text"` },
      { line: 13, column: "x", reason: `${number} "1O"` },
    ],
  });
  assert.deepEqual([data.report.records, data.report.withoutTarget], [12, 0]);
});

test("more bad rows than may be skipped end the reading, by number and by share, naming the first", async () => {
  const first = "the first here: expected 3 fields, as in the header, got 4";
  assert.equal(
    await refusal(damaged, { badRows: { skip: 4 } }, asNumbers),
    `t.csv, line 3: expected at most 4 lines that cannot be read, got 5, ${first}. ` +
      "Fix: correct them, or skip more: badRows: { skip: … }",
  );
  assert.match(
    await refusal(damaged, { badRows: { skip: 7 } }, asNumbers),
    /at most 7 lines that cannot be read, got 8/,
  );
  assert.match(
    await refusal(damaged, { badRows: { skip: 0.65 } }, asNumbers),
    /at most 7 lines that cannot be read, got 8/,
  );
  const { report } = await cleaned(damaged, { badRows: { skip: 0.67 } }, asNumbers);
  assert.equal(report.skipped?.count, 7);
  assert.match(
    await refusal("x,y\n1,2\n1O,3\n", { badRows: { skip: 0 } }, { types: { x: "number" } }),
    /line 3: expected at most 0 lines.*number that fits float32, got "1O" in column "x"/,
  );
});

test("a quote that is never closed ends the reading, however many rows may be skipped", async () => {
  assert.match(
    await refusal('x,y\n1,2\n3,"4\n5,6\n', { badRows: { skip: 1000 } }),
    /^t\.csv, line 3: expected a second quote that closes the field opened in this line/,
  );
});

test("without being told, nothing is skipped, and no report speaks of it", async () => {
  assert.match(await refusal(damaged, {}, asNumbers), /^t\.csv, line 3: expected 3 fields/);
  assert.match(await refusal(damaged, { badRows: "error" }, asNumbers), /^t\.csv, line 3: expected 3 fields/);
  const { report } = await cleaned("x,y\n1,2\n3,4\n", {});
  assert.deepEqual(Object.keys(report).sort(), [
    "ignored",
    "imprecise",
    "missing",
    "records",
    "unlisted",
    "withoutTarget",
  ]);
});

test("a second table may skip rows too, and decides nothing else", async () => {
  const { schema } = await cleaned("x,c,y\n1,a,1\n2,b,5\n3,a,3\n", {}, asNumbers);
  const second = "x,c,y\n1,a,1\nq,b,2\n3,a\n4,b,4\n";
  await writeFile(path, second);
  const { size, report } = await table(path, { like: schema, clean: { badRows: { skip: 2 } } });
  assert.deepEqual([size, report.skipped?.first.map(({ line }) => line)], [2, [3, 4]]);
  await assert.rejects(
    // @ts-expect-error a second table cannot be cleaned otherwise
    table(path, { like: schema, clean: { duplicates: "drop" } }),
    /option clean: expected at most badRows, since another table decides the rest, got "duplicates"/,
  );
});

const gaps = `a,b,c,y
1,,u,2
,2,u,2
3,3,,3
4,4,v,4
5,5,v,
4,4,v,4
60,6,v,5
4,4,v,4
`;

test("rows without a value, duplicates and outliers are left out in that order, and each is counted", async () => {
  const data = await cleaned(gaps, {
    missing: { a: "drop", c: "drop", b: "keep" },
    duplicates: "drop",
    outliers: { a: { quantiles: [0, 0.9] } },
  });
  assert.deepEqual(await valuesOf(data, "a"), [1, 4]);
  assert.deepEqual(await valuesOf(data, "b"), [undefined, 4]);
  const { dropped, duplicates, withoutTarget, records } = data.report;
  // Of 1, 4 and 60 nine tenths lie below 4 + 0.8 · 56.
  assert.deepEqual(dropped, {
    rows: 5,
    missing: { a: 1, c: 1 },
    outliers: { a: { count: 1, from: 1, to: 48.8 } },
    duplicates: 2,
  });
  assert.deepEqual([records, withoutTarget, duplicates, data.size], [8, 1, 2, 2]);
});

test("duplicates are counted where they are kept", async () => {
  const { size, report } = await cleaned(gaps, {});
  assert.deepEqual([size, report.duplicates, report.dropped], [7, 2, undefined]);
});

test("outliers by deviations are those that NumPy finds", async () => {
  const numbers = Array.from({ length: 200 }, (_, row) => Math.sin(row * row) ** 5 * 100);
  const mean = numbers.reduce((sum, value) => sum + value, 0) / 200;
  const deviation = Math.sqrt(numbers.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 200);
  const rows = numbers.map((value, row) => `${value},${row}`);
  const data = await cleaned(`x,y\n${rows.join("\n")}\n`, { outliers: { x: { deviations: 1.5 } } });
  const kept = numbers.flatMap((value, row) => (Math.abs(value - mean) <= 1.5 * deviation ? [row] : []));
  assert.ok(kept.length < 200 && kept.length > 100);
  assert.deepEqual(await valuesOf(data, "y"), kept);
  const constant = await cleaned("x,z,y\n0.1,1,5\n0.1,2,2\n0.1,3,3\n", {
    outliers: { x: { deviations: 1 } },
  });
  assert.equal(constant.size, 3);
});

test("the line of what is wrong is that of the file, behind rows that were skipped and dropped", async () => {
  const rows = Array.from(
    { length: 30 },
    (_, row) => `${row},${row === 3 ? "" : "k"},${row === 20 ? "c" : "ab"[row % 2]}`,
  );
  rows[5] = "5,k";
  assert.match(
    await refusal(`x,k,y\n${rows.join("\n")}\n`, { badRows: { skip: 1 }, missing: { k: "drop" } }),
    /^t\.csv, line 22, target "y": expected at least two samples of every class/,
  );
});

test("rare categories become the one that was never seen, and a column of nothing else is left out", async () => {
  const rows = Array.from({ length: 24 }, (_, row) => [
    row < 12 ? "a" : row < 20 ? "b" : row < 23 ? "c" : "d",
    ["k", "l", "m", "n", "o", "p"][row % 6],
    row % 2 === 0 ? "low" : "high",
    row,
  ]);
  const text = `c,r,o,y\n${rows.map((row) => row.join(",")).join("\n")}\n`;
  const types = { o: ["low", "mid", "high"] };
  const data = await cleaned(text, { rareCategories: { atLeast: 5 } }, { types });
  assert.deepEqual(data.columns.c!.categories, ["a", "b"]);
  assert.deepEqual(data.columns.o!.categories, ["low", "mid", "high"]);
  assert.deepEqual(data.report.unlisted, { c: 4 });
  assert.deepEqual(data.report.ignored, [{ column: "r", reason: "rare" }]);
  const all = await cleaned(text, { rareCategories: { atLeast: 4 } }, { types: { ...types, c: "category" } });
  assert.deepEqual(all.columns.r!.categories, ["k", "l", "m", "n", "o", "p"]);
  assert.deepEqual(all.columns.c!.categories, ["a", "b"]);
});

test("columns that are identical to an earlier one are left out, the first is kept, and dates become parts", async () => {
  const rows = Array.from({ length: 12 }, (_, row) => {
    const day = String(row + 1).padStart(2, "0");
    const size = row % 5;
    const texts = [row % 2 ? "a" : "b", row % 2 ? "a" : "b", row % 2 ? "b" : "a"];
    return [
      size,
      `${size}.0`,
      (row * 2) % 5,
      size,
      ...texts,
      `2024-02-${day}`,
      `2024-02-${day}T10:00:00Z`,
      `2024-02-${day}?`,
      row,
    ];
  });
  const header = "size,size2,other,size3,c,c2,not,day,time,name,y";
  const { report, schema } = await cleaned(`${header}\n${rows.map((row) => row.join(",")).join("\n")}\n`, {});
  assert.deepEqual(
    schema.features.map(({ name }) => name),
    [
      ...["size", "other", "c", "not"],
      ...dateFeatures("day", false).map(({ name }) => name),
      ...dateFeatures("time", true).map(({ name }) => name),
    ],
  );
  assert.deepEqual(report.ignored, [
    { column: "size2", reason: "identical", to: "size" },
    { column: "size3", reason: "identical", to: "size" },
    { column: "c2", reason: "identical", to: "c" },
    { column: "name", reason: "identifier" },
  ]);
});

test("hundreds of columns of the same few numbers in different orders are told apart", async () => {
  const names = Array.from({ length: 40 }, (_, index) => `f${index}`);
  const rows = Array.from({ length: 20 }, (_, row) => [
    ...names.map((_, index) => (row * 7 + index) % 5),
    row,
  ]);
  const { schema } = await cleaned(
    `${names.join(",")},y\n${rows.map((row) => row.join(",")).join("\n")}\n`,
    {},
  );
  assert.deepEqual(
    schema.features.map(({ name }) => name),
    ["f0", "f1", "f2", "f3", "f4"],
  );
});

test("a cached table is cleaned as one in memory, and another cleaning makes another cache", async () => {
  await writeFile(path, damaged);
  const options = {
    target: "y",
    ...asNumbers,
    clean: { badRows: { skip: 0.9 }, duplicates: "drop" },
  } as const;
  const cache = { folder: join(folder, "cache") };
  const [memory, disk] = [await table(path, options), await cachedTable(path, options, cache)];
  assert.deepEqual(disk.report, memory.report);
  assert.deepEqual(await valuesOf(disk, "x"), await valuesOf(memory, "x"));
  await assert.rejects(cachedTable(path, { target: "y", ...asNumbers }, cache), /line 3: expected 3 fields/);
});

const fillExpected =
  'expected "keep", "drop" or { fill: "mean", "median", "mode", a number that fits float32, or a text as a table has it }, ' +
  "and at most indicator: false beside fill";

test("cleaning that is no such thing, or names no column, is refused with an example", async () => {
  const cases: readonly (readonly [unknown, string])[] = [
    [
      { badRow: "error" },
      'option clean: expected at most badRows, missing, outliers, duplicates, rareCategories, got "badRow". Fix: rename or remove it',
    ],
    [
      { badRows: { skip: -1 } },
      'option clean.badRows: expected "error", or { skip: a number of lines, or a share of the rows below 1 }, got {"skip":-1}. Fix: for example { skip: 20 }',
    ],
    [
      { badRows: { skip: 1.5 } },
      'option clean.badRows: expected "error", or { skip: a number of lines, or a share of the rows below 1 }, got {"skip":1.5}. Fix: for example { skip: 20 }',
    ],
    [
      { missing: { a: "mean" } },
      `option clean.missing, "a": ${fillExpected}, got "mean". Fix: for example { fill: "mode" }`,
    ],
    [
      { missing: { a: { fill: "NA" } } },
      `option clean.missing, "a": ${fillExpected}, got {"fill":"NA"}. Fix: for example { fill: "mode" }`,
    ],
    [
      { missing: { a: { fill: 1e39 } } },
      `option clean.missing, "a": ${fillExpected}, got {"fill":1e+39}. Fix: for example { fill: "mode" }`,
    ],
    [
      { missing: { a: { fill: 1, indicator: 0 } } },
      `option clean.missing, "a": ${fillExpected}, got {"fill":1,"indicator":0}. Fix: for example { fill: "mode" }`,
    ],
    [
      { missing: { a: { fill: "unknown" } } },
      'option clean.missing, "a": expected fill to be "mean", "median", "mode" or a number that fits float32: the column has numbers, got "unknown". Fix: for example { fill: "median" }',
    ],
    [
      { missing: { c: { fill: "median" } } },
      'option clean.missing, "c": expected fill to be "mode" or a text: the column has categories, got "median". Fix: for example { fill: "mode" }',
    ],
    [
      { missing: { c: { fill: 0 } } },
      'option clean.missing, "c": expected fill to be "mode" or a text: the column has categories, got 0. Fix: for example { fill: "mode" }',
    ],
    [
      { missing: { y: { fill: "mean" } } },
      'option clean.missing: expected features to fill, got the target "y". Fix: remove it',
    ],
    [
      { missing: { q: { fill: "mean" } } },
      'option clean.missing: expected one of the columns a, b, c, y, got "q". Fix: name one of those',
    ],
    [
      { missing: "drop" },
      'option clean.missing: expected { column: what to do }, got "drop". Fix: for example { column: "drop" }',
    ],
    [
      { outliers: { a: { quantiles: [0.9, 0.1] } } },
      'option clean.outliers, "a": expected { deviations: a number above 0 }, or { quantiles: [low, high] } between 0 and 1, got {"quantiles":[0.9,0.1]}. Fix: for example { deviations: 4 }',
    ],
    [
      { duplicates: true },
      'option clean.duplicates: expected "keep" or "drop", got true. Fix: for example "drop"',
    ],
    [
      { rareCategories: { atLeast: 0 } },
      'option clean.rareCategories: expected { atLeast: a whole number of rows from 1 on }, got {"atLeast":0}. Fix: for example { atLeast: 10 }',
    ],
    [
      { missing: { q: "drop" } },
      'option clean.missing: expected one of the columns a, b, c, y, got "q". Fix: name one of those',
    ],
    [
      { outliers: { c: { deviations: 3 } } },
      'option clean.outliers, "c": expected a column of numbers, got 0 numbers among 6 values. Fix: remove it, or correct the values',
    ],
  ];
  for (const [clean, message] of cases) assert.equal(await refusal(gaps, clean), `t.csv, ${message}`);
  assert.equal(
    await refusal("a,b,y\n1,,2\n,1,3\n4,,5\n", { missing: { a: "drop", b: "drop" } }),
    "t.csv, option clean: expected samples that are left after cleaning, got none of 3. Fix: leave out less",
  );
});
