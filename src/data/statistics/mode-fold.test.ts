import assert from "node:assert/strict";
import { test } from "node:test";
import type { TypedArray } from "../../array/dtype.ts";
import type { TableSchema } from "../../array/schema.ts";
import { memoryDataset } from "../memory.ts";
import { subset } from "../split.ts";
import { statistics } from "../statistics.ts";
import { ModeFold } from "./mode-fold.ts";

/** The mode, and how many passes it took beside the first. */
function modeOf(values: Float32Array, bytes: number): { readonly mode: number; readonly passes: number } {
  const fold = new ModeFold();
  for (let first = 0; first < values.length; first += 1000) fold.count(values.subarray(first, first + 1000));
  let passes = 0;
  for (; fold.begin(bytes); passes++) fold.look(values);
  return { mode: fold.mode, passes };
}

/** The most frequent number, the smallest of equally frequent ones, as scipy.stats.mode and pandas' Series.mode()[0] do. */
function counted(values: Float32Array): number {
  const counts = new Map<number, number>();
  for (const value of values) if (!Number.isNaN(value)) counts.set(value, (counts.get(value) ?? 0) + 1); // −0 is 0
  let [mode, most] = [0, 0];
  for (const [value, count] of counts) {
    if (count > most || (count === most && value < mode)) [mode, most] = [value, count];
  }
  return mode;
}

const kinds: Readonly<Record<string, (index: number) => number>> = {
  "a few, some missing": (index) => [3, Number.NaN, 2, 3, Number.NaN, 2, 7][index % 7]!,
  "all different": (index) => Math.fround(Math.sin(index + 1)),
  "both zeros, and ones": (index) => [0, -0, 1][index % 3]!,
  "negative ones": (index) => -((index * 7919) % 13) / 8,
  "infinities and the smallest numbers": (index) =>
    [Number.NEGATIVE_INFINITY, -1e-45, 1e-45, Number.POSITIVE_INFINITY][(index * index) % 4]!,
  "one upper half, more numbers than fit into a list": (index) =>
    1 + (((index * index) % 1009) % 200) / 2 ** 23,
  "the mode in the last bucket": (index) => (index % 10 === 0 ? 1e30 : 2 ** ((index * 31) % 97)),
};

test("the mode is the most frequent number, the smallest of equally frequent ones, in however little memory", () => {
  for (const [name, of] of Object.entries(kinds)) {
    for (const count of [1, 2, 7, 1000, 150_000]) {
      const values = Float32Array.from({ length: count }, (_, index) => of(index));
      const expected = counted(values);
      for (const bytes of [1, 5000, 2 ** 26]) {
        const { mode, passes } = modeOf(values, bytes);
        assert.equal(mode, expected, `${name}, ${count} numbers, ${bytes} bytes`);
        if (bytes === 2 ** 26) assert.equal(passes, 1);
      }
    }
  }
});

test("numbers that cannot be the mode are not looked at: a mode that half of them are is found in one pass", () => {
  const values = Float32Array.from({ length: 10_000 }, (_, index) =>
    index % 2 === 0 ? 5 : 2 ** (index % 100),
  );
  assert.deepEqual(modeOf(values, 1), { mode: 5, passes: 1 });
});

test("an equally frequent smaller number is found in a later pass", () => {
  const values = Float32Array.from([0, 1, 2, 3, 4].flatMap(() => [1, 1 + 2 ** -23, 0.5]));
  assert.deepEqual(modeOf(values, 1), { mode: 0.5, passes: 2 });
});

test("no number has no mode: 0 stands for it", () => {
  assert.deepEqual(modeOf(Float32Array.of(Number.NaN, Number.NaN), 100), { mode: 0, passes: 0 });
});

const numbers = [5, 1, Number.NaN, 9, 5, 100, 2, 2, 2, 2, -50, Number.NaN];
const cities = [1, -1, 0, 1, 2, 1, 2, 2, 2, 2, -1, 0];
const fills = ["mean", "median", "mode", -7.5] as const;
const categories = ["a", "b", "c"];
const schema: TableSchema = {
  features: [
    ...fills.map((fill) => ({ kind: "number", name: String(fill), whenMissing: { fill } }) as const),
    { kind: "category", name: "most", categories, whenMissing: { fill: "mode", indicator: false } },
    { kind: "category", name: "c", categories, isOrdered: true, whenMissing: { fill: "c" } },
    { kind: "category", name: "free", categories },
  ],
  targets: [],
};
const data = memoryDataset({
  name: "gaps",
  size: numbers.length,
  columns: Object.fromEntries(
    schema.features.map(({ name, kind }) => [
      name,
      kind === "number"
        ? ({ spec: { dtype: "float32", shape: [1] }, data: Float32Array.from(numbers) } as const)
        : ({ spec: { dtype: "int32", shape: [], categories }, data: Int32Array.from(cities) } as const),
    ]),
  ),
  schema,
});

test("what stands in for missing values is the training samples', whatever the others have", async () => {
  const reads: string[] = [];
  const training = {
    ...subset(data, [0, 1, 2, 3, 4, 5]),
    read: (name: string, samples: Uint32Array, into: TypedArray) => {
      reads.push(name);
      return data.read(name, samples, into); // samples 0 … 5 are the first six
    },
  };
  const { features } = await statistics(training);
  assert.deepEqual(
    features.map((feature) => [feature.name, feature.fill, feature.missing]),
    [
      ["mean", 24, 1], // 5 + 1 + 9 + 5 + 100 in five
      ["median", 5, 1],
      ["mode", 5, 1],
      ["-7.5", -7.5, 1],
      ["most", "b", 1],
      ["c", "c", 1],
      ["free", undefined, 1],
    ],
  );
  assert.deepEqual(
    features.map(({ whenMissing }) => whenMissing),
    schema.features.map(({ whenMissing }) => whenMissing),
  );
  assert.equal(reads.filter((name) => name === "mode").length, 3);
  assert.equal(reads.filter((name) => name === "median").length, 2);
  const all = await statistics(data);
  assert.deepEqual(
    all.features.map(({ fill }) => fill),
    [7.8, 2, 2, -7.5, "c", "c", undefined],
  );
});

test("a category that stands in is listed though no sample has it, and though a hundred others are more frequent", async () => {
  const names = Array.from({ length: 150 }, (_, index) => `k${index}`);
  const codes = Int32Array.from({ length: 600 }, (_, index) => (index % 151) - 1).filter(
    (code) => code !== 149,
  );
  const many: TableSchema = {
    features: [{ kind: "category", name: "k", categories: names, whenMissing: { fill: "k149" } }],
    targets: [],
  };
  const columns = { k: { spec: { dtype: "int32", shape: [], categories: names }, data: codes } } as const;
  const dataset = memoryDataset({ name: "many", size: codes.length, columns, schema: many });
  const [k] = (await statistics(dataset)).features;
  assert.ok(k?.kind === "category");
  assert.deepEqual([k.categories.length, k.codes.at(-1), k.counts.at(-1), k.fill], [100, 149, 0, "k149"]);
  assert.equal(k.other, 600 - 3 - 4 - k.counts.reduce((sum, count) => sum + count, 0));
});

test("where all values are missing, none is the most frequent", async () => {
  const columns = {
    most: { spec: { dtype: "int32", shape: [], categories }, data: Int32Array.of(-1, -1) },
  } as const;
  const only: TableSchema = { features: schema.features.filter(({ name }) => name === "most"), targets: [] };
  const [most] = (await statistics(memoryDataset({ name: "none", size: 2, columns, schema: only }))).features;
  assert.deepEqual([most!.missing, most!.fill], [2, undefined]);
});
