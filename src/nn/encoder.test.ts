import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { AnyArray } from "../array/array.ts";
import type { TableSchema, TableStatistics } from "../array/schema.ts";
import { statistics } from "../data/statistics.ts";
import { table } from "../data/table/table.ts";
import { buildProgram } from "../graph/program.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { encodeOnnx } from "../onnx/encode.ts";
import { nodeRuntime } from "../runtime/ort-node.ts";
import { encoder, featureNames } from "./encoder.ts";
import { rawRow } from "./raw-row.ts";

/** The columns as a dataset has them. */
const codedRow = (schema: TableSchema): Readonly<Record<string, Tensor>> =>
  Object.fromEntries(
    schema.features.map(({ name, kind }) => [
      name,
      kind === "number" ? input(name, ["batch", 1]) : input(name, ["batch"], "int32"),
    ]),
  );

async function run(output: Tensor, feeds: Readonly<Record<string, AnyArray>>): Promise<number[]> {
  const program = buildProgram({ name: "encoder", outputs: { features: output } });
  const session = await (await nodeRuntime()).load("encoder", encodeOnnx(program));
  try {
    const used = session.inputs.map((name) => [name, feeds[name]!] as const);
    return Array.from((await session.bind(Object.fromEntries(used)).run()).features!.data, Number);
  } finally {
    await session.close();
  }
}
const numbers = (...values: number[]): AnyArray => ({
  dtype: "float32",
  shape: [values.length, 1],
  data: Float32Array.from(values),
});
const codes = (...values: number[]): AnyArray => ({
  dtype: "int32",
  shape: [values.length],
  data: Int32Array.from(values),
});
const texts = (...data: string[]): AnyArray => ({ dtype: "string", shape: [data.length], data });

/** A table with the categories a … e, of which training saw b, c and e; "one" and "same" tell nothing. */
const schema: TableSchema = {
  features: [
    { kind: "category", name: "c", categories: ["a", "b", "c", "d", "e"] },
    { kind: "number", name: "x" },
    { kind: "number", name: "same" },
    { kind: "category", name: "one", categories: ["only", "other"] },
    { kind: "number", name: "z" },
    { kind: "category", name: "full", categories: ["n", "y"] },
  ],
  targets: [],
};
const fitted: TableStatistics = {
  samples: 8,
  features: [
    {
      kind: "category",
      name: "c",
      categories: ["b", "c", "e"],
      codes: [1, 2, 4],
      counts: [2, 3, 2],
      missing: 1,
      other: 0,
    },
    { kind: "number", name: "x", mean: 10, deviation: 2, minimum: 0, maximum: 20, missing: 3, fill: 11 },
    { kind: "number", name: "same", mean: 5, deviation: 0, minimum: 5, maximum: 5, missing: 2, fill: 5 },
    { kind: "category", name: "one", categories: ["only"], codes: [0], counts: [8], missing: 0, other: 0 },
    { kind: "number", name: "z", mean: -1, deviation: 0.5, minimum: -2, maximum: 0, missing: 0, fill: -1 },
    {
      kind: "category",
      name: "full",
      categories: ["n", "y"],
      codes: [0, 1],
      counts: [4, 4],
      missing: 0,
      other: 0,
    },
  ],
  targets: [],
};
const names = [
  "x",
  "z",
  "x is missing",
  "same is missing",
  "c = b",
  "c = c",
  "c = e",
  "c is missing",
  "full = n",
  "full = y",
];
const encoded = [
  [1, 2, 0, 0, 1, 0, 0, 0, 1, 0], // b, x 12, z 0, n
  [0.5, 0, 1, 1, 0, 0, 0, 1, 0, 0], // everything missing: x is its fill, 11
  [-5, -4, 0, 0, 0, 0, 0, 0, 0, 1], // d: a category of the table that training did not see
  [0, 0, 0, 0, 0, 0, 1, 0, 0, 0], // e, and of "full" a category that nobody saw
];

test("numbers are filled and standardised, what is missing is marked, categories become columns", async () => {
  const output = encoder(fitted)(codedRow(schema));
  assert.deepEqual(output.shape, ["batch", names.length]);
  assert.deepEqual(featureNames(fitted), names);
  const feeds = {
    c: codes(1, -1, 3, 4),
    x: numbers(12, Number.NaN, 0, 10),
    same: numbers(5, Number.NaN, 6, 5),
    one: codes(0, 1, 0, -1),
    z: numbers(0, Number.NaN, -3, -1),
    full: codes(0, -1, 1, 2),
  };
  assert.deepEqual(await run(output, feeds), encoded.flat());
});

test("raw rows with texts encode like the codes they stand for", async () => {
  const feeds = {
    c: texts("b", "", "d", "e"),
    x: numbers(12, Number.NaN, 0, 10),
    same: numbers(5, Number.NaN, 6, 5),
    z: numbers(0, Number.NaN, -3, -1),
    full: texts("n", "", "y", "perhaps"),
  };
  assert.deepEqual(await run(encoder(fitted)(rawRow(schema)), feeds), encoded.flat());
});

test("a plain runtime that is fed the file's texts finds what is missing, however it is written", async () => {
  const written = [
    "",
    "NA",
    "na",
    "N/A",
    "n/a",
    "NaN",
    "nan",
    "NAN",
    "null",
    "NULL",
    "None",
    "none",
    "NONE",
    "?",
  ];
  const features = schema.features.filter(({ name }) => name === "c");
  const { c } = rawRow({ features, targets: [] });
  assert.deepEqual(await run(c!, { c: texts(...written, "b", "never seen") }), [
    ...written.map(() => -1),
    1,
    5,
  ]);
  const called = rawRow({
    features: [{ kind: "category", name: "c", categories: ["None", "na"] }],
    targets: [],
  });
  assert.deepEqual(await run(called.c!, { c: texts("None", "na", "NA", "none") }), [0, 1, -1, -1]);
});

test("columns that tell nothing are not even inputs", () => {
  const program = buildProgram({ name: "encoder", outputs: { features: encoder(fitted)(rawRow(schema)) } });
  assert.deepEqual(program.inputs.map(({ name }) => name).sort(), ["c", "full", "same", "x", "z"]);
});

test("a table of numbers only and one of categories only are encoded too", async () => {
  const only = (kind: string) => ({
    ...fitted,
    features: fitted.features.filter(
      (feature) => feature.kind === kind && ["z", "full"].includes(feature.name),
    ),
  });
  assert.deepEqual(await run(encoder(only("number"))(codedRow(schema)), { z: numbers(0, -3) }), [2, -4]);
  const output = encoder(only("category"))(codedRow(schema));
  assert.deepEqual(await run(output, { full: codes(1, 0) }), [0, 1, 1, 0]);
});

test("the penguins encode the same from the table and from their file's texts", async () => {
  const path = fileURLToPath(new URL("../../examples/penguins/penguins.csv", import.meta.url));
  const data = await table(path, { target: "species" });
  const fit = await statistics(data.split({ validation: 0.3, seed: 1 }).training);
  const [header, ...lines] = (await readFile(path, "utf8"))
    .trim()
    .split("\n")
    .map((line) => line.split(","));
  const all = Uint32Array.from({ length: data.size }, (_, sample) => sample);
  const raw: Record<string, AnyArray> = {};
  const coded: Record<string, AnyArray> = {};
  for (const { name, kind } of data.schema.features) {
    const values = lines.map((line) => line[header!.indexOf(name)]!);
    const array = kind === "number" ? new Float32Array(data.size) : new Int32Array(data.size);
    await data.read(name, all, array);
    raw[name] =
      kind === "number"
        ? numbers(...values.map((text) => (text === "" ? Number.NaN : Number(text))))
        : texts(...values);
    coded[name] = kind === "number" ? numbers(...array) : codes(...array);
  }
  const fromTable = await run(encoder(fit)(codedRow(data.schema)), coded);
  const width = featureNames(fit).length;
  assert.equal(width, 4 + 4 + 3 + 3); // four numbers, each missing somewhere; three islands; two sexes and missing
  assert.equal(fromTable.length, 344 * width);
  assert.deepEqual(await run(encoder(fit)(rawRow(data.schema)), raw), fromTable);
  // Over the training samples every standardised number has mean 0 and deviation 1 (missing ones are at the mean).
  const samples = data.split({ validation: 0.3, seed: 1 }).training.size;
  const training = await run(encoder(fit)(codedRow(data.schema)), await trainingFeeds(data));
  for (let column = 0; column < 4; column++) {
    const values = Array.from({ length: samples }, (_, sample) => training[sample * width + column]!);
    const mean = values.reduce((sum, value) => sum + value, 0) / samples;
    const feature = fit.features.filter(({ kind }) => kind === "number")[column]!;
    const variance = values.reduce((sum, value) => sum + value ** 2, 0) / (samples - feature.missing);
    // Each value is rounded to float32 (2⁻²⁴ of itself, and of a raw number up to 20 deviations from 0).
    assert.ok(
      Math.abs(mean) < 1e-5 && Math.abs(variance - 1) < 1e-5,
      `${feature.name}: ${mean}, ${variance}`,
    );
  }
});

async function trainingFeeds(data: Awaited<ReturnType<typeof table>>): Promise<Record<string, AnyArray>> {
  const { training } = data.split({ validation: 0.3, seed: 1 });
  const all = Uint32Array.from({ length: training.size }, (_, sample) => sample);
  const feeds: Record<string, AnyArray> = {};
  for (const { name, kind } of data.schema.features) {
    const array = kind === "number" ? new Float32Array(training.size) : new Int32Array(training.size);
    await training.read(name, all, array);
    feeds[name] = kind === "number" ? numbers(...array) : codes(...array);
  }
  return feeds;
}

test("a row without a column, or with another kind of column, is refused", () => {
  const row = codedRow(schema);
  const { x: _, ...rest } = row;
  assert.throws(() => encoder(fitted)(rest), {
    message:
      'encoder, column "x": expected float32 [batch, 1], got only c, same, one, z, full. ' +
      "Fix: pass the whole row of the table the statistics were fitted on",
  });
  assert.throws(() => encoder(fitted)({ ...row, x: input("x", ["batch"]) }), /got float32 \[batch\]/);
  assert.throws(
    () => encoder(fitted)({ ...row, c: input("c", ["batch", 1]) }),
    /column "c": expected int32 \[batch\], got float32 \[batch, 1\]/,
  );
});

/** Ranks 0, 1 and 3 twice, once and once: mean 1, and squares 1 + 1 + 0 + 4 over 4, deviation √1.5. */
const grades = ["poor", "fair", "good", "ideal"];
const ordered: TableStatistics = {
  samples: 5,
  features: [
    {
      kind: "category",
      name: "grade",
      isOrdered: true,
      categories: grades,
      codes: [0, 1, 2, 3],
      counts: [2, 1, 0, 1],
      missing: 1,
      other: 0,
    },
    { kind: "number", name: "z", mean: -1, deviation: 0.5, minimum: -2, maximum: 0, missing: 0, fill: -1 },
    {
      kind: "category",
      name: "one rank",
      isOrdered: true,
      categories: ["low", "high"],
      codes: [0, 1],
      counts: [0, 4],
      missing: 1,
      other: 0,
    },
    {
      kind: "category",
      name: "size",
      isOrdered: true,
      categories: ["S", "M", "L"],
      codes: [0, 1, 2],
      counts: [2, 1, 2],
      missing: 0,
      other: 0,
    },
    {
      kind: "category",
      name: "never",
      isOrdered: true,
      categories: ["a", "b"],
      codes: [0, 1],
      counts: [0, 0],
      missing: 5,
      other: 0,
    },
  ],
  targets: [],
};
const orderedSchema: TableSchema = { features: ordered.features, targets: [] };

test("an ordered category is one number, its standardised rank; missing and unknown ones lie at the mean", async () => {
  assert.deepEqual(featureNames(ordered), ["z", "grade", "size", "grade is missing", "one rank is missing"]);
  const [step, size] = [1 / Math.sqrt(1.5), 1 / Math.sqrt(0.8)];
  const expected = [
    [0, -1 * step, -size, 0, 0], // poor, S
    [0, 0, 0, 0, 0], // fair, M
    [0, 1 * step, size, 0, 1], // good, which no training sample has, L
    [0, 2 * step, -size, 0, 0], // ideal, S
    [0, 0, 0, 1, 0], // missing, M
    [0, 0, 0, 0, 0], // no grade at all, M
  ].map((row) => row.map(Math.fround));
  const z = numbers(-1, -1, -1, -1, -1, -1);
  const coded = { grade: codes(0, 1, 2, 3, -1, 4), z, "one rank": codes(0, 1, -1, 2, 1, 1) };
  const output = encoder(ordered)(codedRow(orderedSchema));
  assert.deepEqual(output.shape, ["batch", 5]);
  const feeds = { ...coded, size: codes(0, 1, 2, 0, 1, 1), never: codes(-1, 0, 1, -1, -1, -1) };
  assertClose(await run(output, feeds), expected.flat());
  const raw = {
    grade: texts("poor", "fair", "good", "ideal", "NA", "excellent"),
    z,
    "one rank": texts("low", "high", "", "higher", "high", "high"),
    size: texts("S", "M", "L", "S", "M", "M"),
  };
  assertClose(await run(encoder(ordered)(rawRow(orderedSchema)), raw), expected.flat());
});

/** float32 rounds at 6e-8, in the deviation and in the quotient. */
function assertClose(got: readonly number[], expected: readonly number[]): void {
  assert.equal(got.length, expected.length);
  const wrong = expected.findIndex((value, at) => !(Math.abs(got[at]! - value) <= 2e-7));
  assert.equal(wrong, -1, `element ${wrong} is ${got[wrong]}, should be ${expected[wrong]}`);
}

test("an ordered column alone, and one that tells only what is missing, are encoded too", async () => {
  const only = (name: string) => ({
    ...ordered,
    features: ordered.features.filter((feature) => feature.name === name),
  });
  const row = codedRow(orderedSchema);
  assertClose(await run(encoder(only("size"))(row), { size: codes(0, 1, -1) }), [-1 / Math.sqrt(0.8), 0, 0]);
  assert.deepEqual(
    await run(encoder(only("one rank"))(row), { "one rank": codes(1, 0, -1, 2) }),
    [0, 0, 1, 0],
  );
  assert.throws(() => encoder(only("never")), /expected at least one column with two different values/);
});

test("an ordered column whose codes are no ranks is refused", () => {
  const [grade] = ordered.features;
  const features = [{ ...grade, codes: [0, 1, 3], categories: ["poor", "fair", "ideal"], counts: [2, 1, 1] }];
  assert.throws(() => encoder({ ...ordered, features: features as TableStatistics["features"] }), {
    message:
      'encoder, column "grade": expected codes from 0 to 2 for the 3 categories of an ordered column, got 0, 1, 3. ' +
      "Fix: fit them with statistics(training), which keeps all categories of an ordered column",
  });
});

test("statistics in which no column tells anything make no encoder", () => {
  const features = fitted.features.filter(({ name }) => name === "one");
  assert.throws(() => encoder({ samples: 8, features, targets: [] }), {
    message:
      "encoder: expected at least one column with two different values in the training samples, " +
      "got one, each with one value in 8 samples. Fix: train on more samples, or on columns that differ",
  });
});
