import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../../../test/temporary-folder.ts";
import type { Dataset } from "../../dataset.ts";
import { weighted } from "../../draw/weighted.ts";
import { jsonLines } from "../../json/json-lines.ts";
import { statistics } from "../../statistics.ts";
import { cachedTable } from "../cached-table.ts";
import type { TargetOptions } from "../options.ts";
import { table } from "../table.ts";

const folder = temporaryFolder();
const size = 60;

/** A table of x, y and one more column. */
async function write(name: string, value: (index: number) => string): Promise<string> {
  const path = join(folder, name);
  const rows = Array.from(
    { length: size },
    (_, i) => `${Math.sin(i)},${value(i)},${(2 * Math.sin(i)).toFixed(3)}`,
  );
  await writeFile(path, `x,k,y\n${rows.join("\n")}\n`);
  return path;
}

async function kept(value: (index: number) => string, options: Partial<TargetOptions> = {}) {
  const data = await table(await write("k.csv", value), { target: "y", keep: ["k"], ...options });
  return { data, spec: data.columns.k!, values: await valuesOf(data) };
}

async function valuesOf(data: Dataset): Promise<number[]> {
  const { dtype } = data.columns.k!;
  const values = dtype === "float32" ? new Float32Array(data.size) : new Int32Array(data.size);
  await data.read("k", Uint32Array.from(values.keys()), values);
  return [...values];
}

test("a kept column is in the dataset, and in none of schema, statistics and report of what is left out", async () => {
  const { data } = await kept((i) => `visitor ${i}`);
  assert.deepEqual(Object.keys(data.columns), ["y", "x", "k"]);
  assert.deepEqual(
    data.schema.features.map(({ name }) => name),
    ["x"],
  );
  assert.deepEqual(
    (await statistics(data)).features.map(({ name }) => name),
    ["x"],
  );
  assert.deepEqual(data.report.ignored, []);
});

test("a kept column called constructor is what its values are, whatever else is said in types", async () => {
  const path = join(folder, "constructor.csv");
  const rows = Array.from({ length: size }, (_, i) => `${Math.sin(i)},${i / 4},${Math.cos(i)},${i % 2}`);
  await writeFile(path, `x,constructor,y,c\n${rows.join("\n")}\n`);
  const data = await table(path, { target: "y", keep: ["constructor"], types: { c: "category" } });
  assert.deepEqual(data.columns.constructor, { dtype: "float32", shape: [1] });
});

test("different values stay different: numbers as they are, ids above 2²⁴ in int32, longer ones and texts as codes", async () => {
  const fractions = await kept((i) => (i === 3 ? "" : String(i / 4)));
  assert.deepEqual(fractions.spec, { dtype: "float32", shape: [1] });
  assert.deepEqual(fractions.values.slice(0, 5), [0, 0.25, 0.5, Number.NaN, 1]);
  const ids = await kept((i) => String(2_000_000_000 + i));
  assert.deepEqual(ids.spec, { dtype: "int32", shape: [] });
  assert.deepEqual(ids.values.slice(0, 2), [2_000_000_000, 2_000_000_001]);
  for (const first of [1_000_000_000_000n, 10n ** 18n]) {
    const long = await kept((i) => String(first + BigInt(i)));
    assert.equal(new Set(long.values).size, size, String(first));
    assert.equal(long.spec.categories![long.values[7]!], String(first + 7n));
  }
  const gaps = await kept((i) => (i === 5 ? "NA" : String(20_000_000 + i)));
  assert.equal(gaps.values[5], -1);
  assert.equal(new Set(gaps.values).size, size);
  const texts = await kept((i) => (i % 9 === 0 ? "" : `v${i % 9}`));
  assert.deepEqual(texts.spec.categories, ["v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8"]);
  assert.deepEqual(texts.values.slice(0, 3), [-1, 0, 1]);
  // Nearly all numbers: no slip of the pen, as it would be in a feature.
  assert.equal((await kept((i) => (i === 8 ? "x8" : String(i)))).spec.categories!.length, size);
});

test("dates are days since 1970, with a time seconds, in the order of time; what int32 lacks is its text", async () => {
  const day = (i: number) => new Date(Date.UTC(1890, 0, 1 + 1000 * i)).toISOString();
  const days = await kept((i) => day(i).slice(0, 10));
  assert.deepEqual(days.spec, { dtype: "int32", shape: [] });
  assert.deepEqual(
    days.values,
    Array.from({ length: size }, (_, i) => Date.UTC(1890, 0, 1 + 1000 * i) / 86_400_000),
  );
  const times = await kept((i) => `2024-05-0${1 + (i % 9)} 12:34:${10 + i / 10}`);
  assert.equal(times.values[0], Date.UTC(2024, 4, 1, 12, 34, 10) / 1000);
  assert.equal(times.values[19], Date.UTC(2024, 4, 2, 12, 34, 11) / 1000);
  const zones = await kept((i) => `2024-05-01T12:00:${10 + (i % 50)}+02:00`);
  assert.equal(zones.values[0], Date.UTC(2024, 4, 1, 10, 0, 10) / 1000);
  const far = await kept((i) => `2${100 + i}-01-01 00:00:01`);
  assert.equal(far.spec.categories!.length, size);
  const gaps = await kept((i) => (i === 4 ? "" : day(i).slice(0, 10)));
  assert.equal(gaps.spec.categories!.length, size - 1);
  assert.equal(gaps.values[4], -1);
});

test("rows that differ in a kept column alone are no duplicates", async () => {
  const path = join(folder, "twins.csv");
  const rows = Array.from({ length: 40 }, (_, i) => `${i % 20},${i < 39 ? i : 19},${(i % 20) / 7}`);
  await writeFile(path, `x,k,y\n${rows.join("\n")}\n`);
  const clean = { duplicates: "drop" } as const;
  assert.equal((await table(path, { target: "y", ignore: ["k"], clean })).size, 20);
  const { size, report } = await table(path, { target: "y", keep: ["k"], clean });
  assert.deepEqual([size, report.duplicates], [39, 1]);
});

test("types says what a kept column is instead", async () => {
  const texts = await kept((i) => String(i % 3), { types: { k: "category" } });
  assert.deepEqual(texts.spec.categories, ["0", "1", "2"]);
  const listed = await kept((i) => ["low", "high"][i % 2]!, { types: { k: ["low", "high"] } });
  assert.deepEqual(listed.values.slice(0, 2), [0, 1]);
  await assert.rejects(
    kept((i) => (i === 2 ? "many" : "1"), { types: { k: "number" } }),
    {
      message:
        `${join(folder, "k.csv")}, line 4, column "k": expected a number that fits float32, as 59 of 60 values are, ` +
        'got "many". Fix: correct the value, or leave it empty if it is missing',
    },
  );
});

test("samples are divided and drawn by kept columns, in a cache and from JSON Lines too", async () => {
  const path = await write("visits.csv", (i) => `2024-01-${String(1 + ((i * 7) % 31)).padStart(2, "0")}`);
  const options = { target: "y", keep: ["k"] } as const;
  const data = await table(path, options);
  const { training, validation } = await data.splitByTime("k", { validation: 0.25 });
  const [before, after] = [await valuesOf(training), await valuesOf(validation)];
  assert.ok(Math.max(...before) < Math.min(...after));
  const groups = await data.splitByGroup("k", { seed: 3 });
  const [left, right] = [await valuesOf(groups.training), await valuesOf(groups.validation)];
  assert.ok(right.length > 0 && !right.some((day) => left.includes(day)));
  const cached = await cachedTable(path, options, { folder: join(folder, "cache") });
  assert.deepEqual(cached.columns, data.columns);
  assert.deepEqual(await valuesOf(cached), await valuesOf(data));
  const lines = join(folder, "visits.jsonl");
  const texts = await valuesOf(data);
  const at = (day: number) => new Date(86_400_000 * day).toISOString().slice(0, 10);
  await writeFile(lines, texts.map((day, i) => JSON.stringify({ x: i, k: at(day), y: i / 7 })).join("\n"));
  const read = await jsonLines(lines, { target: "y", keep: ["k"], columns: ["x"] });
  assert.deepEqual(await valuesOf(read), texts);
});

test("an unknown column, one of another use, and categories as chances are refused", async () => {
  const path = await write("refused.csv", (i) => `v${i % 5}`);
  const refused = (options: TargetOptions, message: string) =>
    assert.rejects(table(path, options), { message: `${path}, option ${message}` });
  await refused(
    { target: "y", keep: ["q"] },
    'keep: expected one of the columns x, k, y, got "q". Fix: name one of those',
  );
  await refused(
    { target: "y", keep: ["y"] },
    'keep: expected columns that have no other use, got the target "y". ' +
      "Fix: leave it out: it is in the dataset, and no feature",
  );
  await refused(
    { target: "y", keep: ["k"], ignore: ["k"] },
    'keep: expected columns that have no other use, got "k", which is ignored. Fix: name it in one of both',
  );
  await refused(
    { target: "y", keep: "k" as unknown as string[] },
    'keep: expected a list of names, got "k". Fix: correct it, or leave it out',
  );
  const data = await table(path, { target: "y", keep: ["k"] });
  await assert.rejects(weighted(data, "k"), {
    message:
      `weighted sampler, column "k" of ${path}: expected a column of numbers, got categories, whose codes say nothing of ` +
      'how often to draw. Fix: draw by another column; of a table, types: { column: "number" } reads numbers',
  });
});
