import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import type { TypedArray } from "../array/dtype.ts";
import type { NumberStatistics, TableSchema } from "../array/schema.ts";
import { arrays } from "./arrays.ts";
import { memoryDataset } from "./memory.ts";
import { subset } from "./split.ts";
import { firstPass, foldsOf, secondPass } from "./statistics/passes.ts";
import { countBeyond, statistics } from "./statistics.ts";
import { table } from "./table/table.ts";

const folder = temporaryFolder();

async function tableOf(text: string, target: string) {
  const path = join(folder, "t.csv");
  await writeFile(path, text);
  return table(path, { target });
}

/** Mean and population deviation. */
function spreadOf(values: readonly number[]): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / values.length) };
}

test("numbers have mean, population deviation, extremes and missing; categories have counts", async () => {
  const data = await tableOf("x,c,y,k\n1,b,1.5,u\n2,a,2.5,v\n,b,3,u\n6,,5,u\n", "y");
  assert.deepEqual(await statistics(data), {
    samples: 4,
    features: [
      {
        kind: "number",
        name: "x",
        mean: 3,
        deviation: Math.sqrt(14 / 3),
        minimum: 1,
        maximum: 6,
        missing: 1,
        fill: 3,
        quartiles: [1.5, 2, 4],
        logarithm: spreadOf([Math.log1p(1), Math.log1p(2), Math.log1p(6)]),
      },
      {
        kind: "category",
        name: "c",
        categories: ["a", "b"],
        codes: [0, 1],
        counts: [1, 2],
        missing: 1,
        other: 0,
      },
      {
        kind: "category",
        name: "k",
        categories: ["u", "v"],
        codes: [0, 1],
        counts: [3, 1],
        missing: 0,
        other: 0,
      },
    ],
    targets: [{ task: "regression", name: "y", mean: 3, deviation: Math.sqrt(6.5 / 4) }],
  });
});

test("only the samples of the part count: the rest neither shifts a mean nor adds a category", async () => {
  const data = await tableOf("x,c,y\n1,b,u\n3,d,v\n900,a,u\n,c,w\n,c,w\n,c,v\n", "y");
  const training = await statistics(subset(data, [0, 1]));
  const [x, c] = training.features;
  assert.ok(x?.kind === "number" && c?.kind === "category");
  assert.deepEqual([x.mean, x.deviation, x.missing], [2, 1, 0]);
  assert.deepEqual(
    [c.categories, c.codes, c.counts],
    [
      ["b", "d"],
      [1, 3],
      [1, 1],
    ],
  );
  assert.deepEqual(training.targets, [
    { task: "classification", name: "y", categories: ["u", "v", "w"], counts: [1, 1, 0] },
  ]);
});

test("equal numbers have a deviation of exactly 0, and a column that is missing everywhere is all 0", async () => {
  const lines = Array.from({ length: 30 }, (_, index) => `0.1,${index === 29 ? 5 : ""},${index}`);
  const data = await tableOf(`x,m,y\n${lines.join("\n")}\n0.7,6,31\n`, "y");
  const part = await statistics(
    subset(
      data,
      Array.from({ length: 29 }, (_, index) => index),
    ),
  );
  const [x, m] = part.features;
  assert.ok(x?.kind === "number" && m?.kind === "number");
  assert.deepEqual([x.mean, x.deviation, x.logarithm?.deviation], [Math.fround(0.1), 0, 0]);
  assert.deepEqual(m, {
    kind: "number",
    name: "m",
    mean: 0,
    deviation: 0,
    minimum: 0,
    maximum: 0,
    missing: 29,
    fill: 0,
    quartiles: [0, 0, 0],
    logarithm: { mean: 0, deviation: 0 },
  });
});

test("of more than a hundred categories the most frequent keep one of their own", async () => {
  // k0 … k119, of which k0 … k19 come once, the others three times.
  const lines = Array.from({ length: 360 }, (_, index) => index)
    .filter((index) => index % 120 >= 20 || index < 120)
    .map((index) => `k${String(index % 120).padStart(3, "0")},${index}`);
  const [c] = (await statistics(await tableOf(`c,y\n${lines.join("\n")}\n`, "y"))).features;
  assert.ok(c?.kind === "category");
  assert.deepEqual(
    c.codes,
    Array.from({ length: 100 }, (_, index) => index + 20),
  );
  assert.equal(c.categories[0], "k020");
  assert.ok(c.counts.every((count) => count === 3));
  assert.equal(c.other, 20);
  assert.deepEqual(
    c.frequencies,
    Array.from({ length: 120 }, (_, index) => (index < 20 ? 1 : 3)),
  );
});

/** A table of one column of numbers. */
function tableOfNumbers(name: string, values: Float32Array) {
  const schema: TableSchema = { features: [{ kind: "number", name }], targets: [] };
  const columns = { [name]: { spec: { dtype: "float32", shape: [1] }, data: values } } as const;
  return memoryDataset({ name: "numbers", size: values.length, columns, schema });
}

async function numberOf(name: string, values: Float32Array): Promise<NumberStatistics> {
  const [feature] = (await statistics(tableOfNumbers(name, values))).features;
  assert.ok(feature?.kind === "number");
  return feature;
}

test("statistics are NumPy's", async () => {
  const golden = JSON.parse(
    await readFile(new URL("../../test/golden/statistics.json", import.meta.url), "utf8"),
  );
  assert.equal(golden.columns.length, 8);
  for (const { name, values, ...expected } of golden.columns) {
    const numbers = Float32Array.from(values, (value: number | null) => value ?? Number.NaN);
    const own = await numberOf(name, numbers);
    assert.equal(own.missing, expected.missing);
    // Float64 sums in another order: 1e-12 of the largest number there is, a million times less than 1e-6.
    const size = Math.max(Math.abs(expected.minimum), Math.abs(expected.maximum));
    for (const key of ["mean", "deviation", "minimum", "maximum"] as const) {
      assert.ok(Math.abs(own[key] - expected[key]) <= 1e-12 * size, `${name}: ${key} ${own[key]}`);
    }
    own.quartiles!.forEach((value, at) => {
      const wanted = expected.quartiles[at];
      assert.ok(Math.abs(value - wanted) <= 1e-12 * Math.abs(wanted), `${name}: ${value}, not ${wanted}`);
    });
    for (const key of ["mean", "deviation"] as const) {
      const [value, wanted] = [own.logarithm![key], expected.logarithm[key]];
      assert.ok(
        Math.abs(value - wanted) <= 1e-12 * Math.max(Math.abs(wanted), 1),
        `${name}: ${key} ${value}`,
      );
    }
  }
});

test("quartiles are those of sorted numbers, however many and however alike they are", async () => {
  const kinds: Readonly<Record<string, (index: number) => number>> = {
    "a million apart, 400,000 to a bucket": (index) => 1 + ((index * 7919) % 1_000_003) / 2 ** 27,
    "both zeros": (index) => (index % 2 === 0 ? 0 : -0),
    "three numbers": (index) => [-1e-40, 2, Number.POSITIVE_INFINITY][index % 3]!,
    "a line": (index) => index - 1000,
  };
  for (const [name, of] of Object.entries(kinds)) {
    for (const count of [1, 2, 3, 4, 6, 400_001]) {
      const values = Float32Array.from({ length: count }, (_, index) => of(index));
      const sorted = values.toSorted();
      const { quartiles } = await numberOf(name, values);
      const expected = [0.25, 0.5, 0.75].map((share) => {
        const place = share * (count - 1);
        const [from, to] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
        return place % 1 === 0 ? from + 0 : from + (to - from) * (place % 1);
      });
      assert.deepEqual(quartiles, expected, `${name}, ${count}`);
    }
  }
});

test("columns whose quartiles do not fit into memory together are read once more", async () => {
  const of = (column: number, sample: number) => 1 + ((sample * 7919 + column) % 503) / 2 ** 27;
  const names = ["x0", "x1", "x2", "x3", "x4"];
  const schema: TableSchema = { features: names.map((name) => ({ kind: "number", name })), targets: [] };
  const columns = names.map((name, column) => {
    const data = Float32Array.from({ length: 999 }, (_, sample) => of(column, sample));
    return [name, { spec: { dtype: "float32", shape: [1] }, data }] as const;
  });
  const data = memoryDataset({ name: "wide", size: 999, columns: Object.fromEntries(columns), schema });
  const folds = foldsOf(schema);
  const reads: string[] = [];
  const counted = {
    ...data,
    read: (name: string, samples: Uint32Array, into: TypedArray) => {
      reads.push(name);
      return data.read(name, samples, into);
    },
  };
  await firstPass(counted, folds);
  await secondPass(counted, folds, 4500); // a column has one bucket of 999 numbers, 1998 bytes
  assert.deepEqual(reads, [...names, ...names, "x2", "x3", "x4"]);
  for (const [name, { data }] of columns) {
    assert.equal(folds.features.get(name)!.statistics().quartiles![1], data.toSorted()[499]);
  }
});

test("numbers beyond limits are counted, those of weight 0 and missing ones are not", async () => {
  const path = join(folder, "beyond.csv");
  await writeFile(path, "x,z,y,w\n1,1,1,1\n3,9,5,3\n8,,2,2\n1e30,-5,1e30,0\n,7,7,1\n");
  const data = await table(path, { target: "y", weight: "w" });
  assert.deepEqual(await countBeyond(data, { x: { from: 1, to: 7.5 }, z: { from: 2, to: 8 } }), {
    x: 1,
    z: 2,
  });
  assert.deepEqual(await countBeyond(data, {}), {});
});

test("the statistics of the penguins are those of their file", async () => {
  const path = fileURLToPath(new URL("../../examples/penguins/penguins.csv", import.meta.url));
  const { features, samples } = await statistics(await table(path, { target: "species" }));
  assert.equal(samples, 344);
  const bill = features.find(({ name }) => name === "bill_length_mm");
  assert.ok(bill?.kind === "number");
  // awk over the file: mean 43.92192982, population deviation 5.45159602; float32 rounds each value by at most 2⁻²⁴ of it.
  assert.ok(Math.abs(bill.mean - 43.92192982) < 1e-5, String(bill.mean));
  assert.ok(Math.abs(bill.deviation - 5.45159602) < 1e-5, String(bill.deviation));
  assert.deepEqual([bill.missing, bill.minimum, bill.maximum], [2, Math.fround(32.1), Math.fround(59.6)]);
});

test("a dataset that is no table has no statistics", async () => {
  await assert.rejects(statistics(arrays({ x: [1, 2] })), {
    message:
      "statistics of arrays: expected a table, which knows what its columns mean, got columns of numbers only. " +
      "Fix: read it with table(path, { target }), or standardise with standardize({ mean, deviation })",
  });
});

test("samples of weight 0 count nowhere, and other weights for the targets alone", async () => {
  const path = join(folder, "weights.csv");
  await writeFile(path, "x,y,k,w\n1,1,u,1\n3,5,u,3\n2,2,v,2\n1e30,1e30,v,0\n,7,v,0\n");
  const weighed = await statistics(await table(path, { target: ["y", "k"], weight: "w" }));
  const mean = (1 * 1 + 3 * 5 + 2 * 2) / 6;
  const variance = (1 * (1 - mean) ** 2 + 3 * (5 - mean) ** 2 + 2 * (2 - mean) ** 2) / 6;
  assert.deepEqual(weighed, {
    samples: 3,
    features: [
      {
        kind: "number",
        name: "x",
        mean: 2,
        deviation: Math.sqrt(2 / 3),
        minimum: 1,
        maximum: 3,
        missing: 0,
        fill: 2,
        quartiles: [1.5, 2, 2.5],
        logarithm: spreadOf([Math.log1p(1), Math.log1p(3), Math.log1p(2)]),
      },
    ],
    targets: [
      { task: "regression", name: "y", mean, deviation: Math.sqrt(variance) },
      { task: "classification", name: "k", categories: ["u", "v"], counts: [2, 1], weights: [4, 2] },
    ],
  });
});
