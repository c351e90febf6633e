import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../../../test/temporary-folder.ts";
import { schemaFromMetadata, schemaToMetadata } from "../../../array/schema.ts";
import { allSamples } from "../../samples.ts";
import { statistics } from "../../statistics.ts";
import { cachedTable } from "../cached-table.ts";
import { type Cleaning, type Table, table } from "../table.ts";
import { profileTable } from "../table-profile.ts";

const folder = temporaryFolder();
const path = join(folder, "t.csv");
const text = `age,income,city,district,grade,y
30,100,b,north,poor,1
,200,a,,good,2
50,,b,south,,3
90,100,,south,good,4
`;
const missing = {
  age: { fill: "median" },
  income: { fill: 0, indicator: false },
  city: { fill: "mode" },
  district: { fill: "not told" },
  grade: { fill: "poor" },
} as const;
const options = {
  target: "y",
  task: "regression",
  types: { city: "category", district: "category", grade: ["poor", "good"] },
  clean: { missing },
} as const;

async function valuesOf(data: Table, name: string): Promise<number[]> {
  const values =
    data.columns[name]!.dtype === "float32" ? new Float32Array(data.size) : new Int32Array(data.size);
  await data.read(name, allSamples(data), values);
  return [...values];
}

test("what fills a column is in the schema, and the samples themselves stay without", async () => {
  await writeFile(path, text);
  const data = await table(path, options);
  assert.deepEqual(data.schema.features, [
    { kind: "number", name: "age", whenMissing: { fill: "median" } },
    { kind: "number", name: "income", whenMissing: { fill: 0, indicator: false } },
    { kind: "category", name: "city", categories: ["a", "b"], whenMissing: { fill: "mode" } },
    {
      kind: "category",
      name: "district",
      categories: ["north", "not told", "south"],
      whenMissing: { fill: "not told" },
    },
    {
      kind: "category",
      name: "grade",
      categories: ["poor", "good"],
      isOrdered: true,
      whenMissing: { fill: "poor" },
    },
  ]);
  assert.deepEqual(await valuesOf(data, "age"), [30, Number.NaN, 50, 90]);
  assert.deepEqual(await valuesOf(data, "district"), [0, -1, 2, 2]);
  assert.deepEqual(data.report.missing, { age: 1, income: 1, city: 1, district: 1, grade: 1 });
  assert.equal(data.report.dropped, undefined);
  assert.deepEqual(schemaFromMetadata(schemaToMetadata(data.schema)), data.schema);
});

test("a second table is filled as the first, by the first one's statistics", async () => {
  await writeFile(path, text);
  const { schema } = await table(path, options);
  const other = join(folder, "other.csv");
  await writeFile(other, "age,income,city,district,grade,y\n1000,,,not told,good,1\n,7,a,,,2\n");
  const second = await table(other, { like: schema });
  assert.deepEqual(second.schema, schema);
  assert.deepEqual(await valuesOf(second, "district"), [1, -1]);
});

test("what fills a column is the training part's, though the other part would change it", async () => {
  const rows = Array.from(
    { length: 400 },
    (_, row) => `${row % 5 === 0 ? "" : row},${row},${(row * 37) % 101}`,
  );
  const file = join(folder, "parts.csv");
  await writeFile(file, `x,z,y\n${rows.join("\n")}\n`);
  const data = await table(file, { target: "y", clean: { missing: { x: { fill: "median" } } } });
  const { training } = await data.splitByTime("z", { validation: 0.4 });
  const values = new Float32Array(training.size);
  await training.read("x", allSamples(training), values);
  const present = values.filter((value) => !Number.isNaN(value)).toSorted();
  const median = (present[(present.length - 1) >> 1]! + present[present.length >> 1]!) / 2;
  const fillOf = async (part: typeof training) =>
    (await statistics(part)).features.find(({ name }) => name === "x")!.fill;
  assert.equal(await fillOf(training), median);
  assert.notEqual(await fillOf(data), median);
});

test("a number's text fills numbers, and numbers that are said to be categories take a text", async () => {
  await writeFile(path, "n,k,y\n1,1,5\n2,2,4\n,,3\n");
  const clean: Cleaning = { missing: { n: { fill: "-2.5" }, k: { fill: "2" } } };
  const { schema } = await table(path, { target: "y", types: { k: "category" }, clean });
  assert.deepEqual(schema.features, [
    { kind: "number", name: "n", whenMissing: { fill: -2.5 } },
    { kind: "category", name: "k", categories: ["1", "2"], whenMissing: { fill: "2" } },
  ]);
});

test("a constant takes its place in the order of code points", async () => {
  await writeFile(path, "k,y\n\u{1f600},1\n\uffee,2\na,3\n,4\nab,5\nab,6\n\u{1f600},7\n");
  for (const [fill, place] of [
    ["\u{1f600}\u{1f600}", 4],
    ["\uffef", 3],
    ["aa", 1],
    ["A", 0],
    ["b", 2],
  ] as const) {
    const clean = { missing: { k: { fill } } };
    const { schema } = await table(path, { target: "y", types: { k: "category" }, clean });
    const [k] = schema.features;
    assert.equal(k?.kind === "category" && k.categories.indexOf(fill), place, fill);
  }
});

test("a constant that is no rank of an ordered column is refused, and a profile says so", async () => {
  await writeFile(path, text);
  const asked = { ...options, clean: { missing: { grade: { fill: "none yet" } } } };
  const problem =
    `${path}, option clean.missing, "grade": expected fill to be "mode" or one of the column's categories: ` +
    '"poor", "good", got "none yet". Fix: for example { fill: "mode" }';
  await assert.rejects(table(path, asked), { message: problem });
  const { columns } = await profileTable(path, asked);
  assert.equal(columns.find(({ name }) => name === "grade")!.problem, problem);
});

test("a cached table fills as one in memory, and another filling makes another cache", async () => {
  await writeFile(path, text);
  const cache = { folder: join(folder, "cache") };
  const cached = await cachedTable(path, options, cache);
  assert.deepEqual(cached.schema, (await table(path, options)).schema);
  assert.deepEqual(await valuesOf(cached, "age"), [30, Number.NaN, 50, 90]);
  const { schema } = await cachedTable(path, { ...options, clean: {} }, cache);
  assert.ok(schema.features.every(({ whenMissing }) => whenMissing === undefined));
  assert.equal(await readFile(path, "utf8"), text);
});
