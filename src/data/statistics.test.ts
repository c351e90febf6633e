import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { arrays } from "./arrays.ts";
import { subset } from "./split.ts";
import { statistics } from "./statistics.ts";
import { table } from "./table/table.ts";

const folder = temporaryFolder();

async function tableOf(text: string, target: string) {
  const path = join(folder, "t.csv");
  await writeFile(path, text);
  return table(path, { target });
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
  assert.deepEqual([x.mean, x.deviation], [Math.fround(0.1), 0]);
  assert.deepEqual(m, {
    kind: "number",
    name: "m",
    mean: 0,
    deviation: 0,
    minimum: 0,
    maximum: 0,
    missing: 29,
    fill: 0,
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
      },
    ],
    targets: [
      { task: "regression", name: "y", mean, deviation: Math.sqrt(variance) },
      { task: "classification", name: "k", categories: ["u", "v"], counts: [2, 1], weights: [4, 2] },
    ],
  });
});
