import assert from "node:assert/strict";
import { test } from "node:test";
import type { AnyArray } from "../../array/array.ts";
import type { CategoryColumn, FeatureColumn, NumberColumn, TableSchema } from "../../array/schema.ts";
import { memoryDataset } from "../../data/memory.ts";
import { statistics } from "../../data/statistics.ts";
import { buildProgram } from "../../graph/program.ts";
import { input, type Tensor } from "../../graph/tensor.ts";
import { encodeOnnx } from "../../onnx/encode.ts";
import { nodeRuntime } from "../../runtime/ort-node.ts";
import { type EncoderOptions, encoder, featureNames } from "../encoder.ts";
import { rawRow } from "../raw-row.ts";

type Values = Readonly<Record<string, readonly (number | string | null)[]>>;

const codeIn = ({ categories }: CategoryColumn, value: number | string | null) => {
  if (value === null) return -1;
  const code = categories.indexOf(String(value));
  return code < 0 ? categories.length : code;
};

function arrayOf(column: FeatureColumn, values: readonly (number | string | null)[]) {
  return column.kind === "number"
    ? Float32Array.from(values, (value) => (value === null ? Number.NaN : Number(value)))
    : Int32Array.from(values, (value) => codeIn(column, value));
}

async function run(features: Tensor, feeds: Readonly<Record<string, AnyArray>>): Promise<number[]> {
  const program = buildProgram({ name: "encoder", outputs: { features } });
  const session = await (await nodeRuntime()).load("encoder", encodeOnnx(program));
  try {
    const used = Object.entries(feeds).filter(([name]) => session.inputs.includes(name));
    return Array.from((await session.bind(Object.fromEntries(used)).run()).features!.data, Number);
  } finally {
    await session.close();
  }
}

/**
 * Fits an encoder on the training values and gives the features of others, by name: as numbers and codes, which training
 * reads, and as raw texts, which a saved model does. Both must be the same.
 */
async function encoded(
  columns: readonly FeatureColumn[],
  training: Values,
  asked: Values,
  options: EncoderOptions = {},
): Promise<Readonly<Record<string, readonly number[]>>> {
  const schema: TableSchema = { features: columns, targets: [] };
  const size = training[columns[0]!.name]!.length;
  const memory = columns.map((column) => {
    const data = arrayOf(column, training[column.name]!);
    const shape = column.kind === "number" ? [1] : [];
    return [
      column.name,
      { spec: { dtype: data instanceof Float32Array ? "float32" : "int32", shape }, data },
    ];
  });
  const dataset = memoryDataset({ name: "gaps", size, columns: Object.fromEntries(memory), schema });
  const fitted = await statistics(dataset);
  const count = asked[columns[0]!.name]!.length;
  const codedRow = Object.fromEntries(
    columns.map(({ name, kind }) => [
      name,
      kind === "number" ? input(name, ["batch", 1]) : input(name, ["batch"], "int32"),
    ]),
  );
  const feedsOf = (isRaw: boolean) =>
    Object.fromEntries(
      columns.map((column): [string, AnyArray] => {
        const values = asked[column.name]!;
        const data = arrayOf(column, values);
        if (data instanceof Float32Array) return [column.name, { dtype: "float32", shape: [count, 1], data }];
        if (!isRaw) return [column.name, { dtype: "int32", shape: [count], data }];
        const texts = values.map((value) => (value === null ? "NA" : String(value)));
        return [column.name, { dtype: "string", shape: [count], data: texts }];
      }),
    );
  const features = encoder(fitted, options);
  const coded = await run(features(codedRow), feedsOf(false));
  assert.deepEqual(await run(features(rawRow(schema)), feedsOf(true)), coded);
  const names = featureNames(fitted, options);
  return Object.fromEntries(
    names.map((name, at) => [name, coded.filter((_, place) => place % names.length === at)]),
  );
}

/** Deviation √7.5 of 1, 2, 2, 7 around 3 … their mean, median 2, mode 2. */
const training = { x: [1, 2, null, 2, 7, null] };
const deviation = Math.sqrt((4 + 1 + 1 + 16) / 4);
const number = (whenMissing: NonNullable<NumberColumn["whenMissing"]>): NumberColumn => ({
  kind: "number",
  name: "x",
  whenMissing,
});

test("a missing number becomes the training samples' mean, median or mode, or a constant, and is marked", async () => {
  for (const [fill, value] of [
    ["mean", 3],
    ["median", 2],
    ["mode", 2],
    [0, 0],
    [-1e30, -1e30],
  ] as const) {
    const { x, ...others } = await encoded([number({ fill })], training, { x: [null, 7, null] });
    // Subtracting and dividing in float32 rounds twice, 6e-8 each.
    const expected = [value, 7, value].map((one) => (one - 3) / deviation);
    x!.forEach((got, at) => {
      assert.ok(
        Math.abs(got - expected[at]!) <= 3e-7 * Math.max(1, Math.abs(expected[at]!)),
        `${fill}: ${got}`,
      );
    });
    assert.deepEqual(others, { "x is missing": [1, 0, 1] });
  }
});

test("without an indicator nothing but what is filled in tells", async () => {
  const features = await encoded([number({ fill: "mode", indicator: false })], training, { x: [null, 2, 1] });
  assert.deepEqual(Object.keys(features), ["x"]);
  assert.equal(features.x![0], features.x![1]);
  assert.notEqual(features.x![0], features.x![2]);
});

test("every scale takes what is filled in as it takes the same number", async () => {
  for (const numbers of ["standardize", "minMax", "robust", "log", "none"] as const) {
    for (const fill of ["mean", "mode", 5] as const) {
      const value = { mean: 3, mode: 2, 5: 5 }[fill];
      const { x } = await encoded([number({ fill })], training, { x: [null, value] }, { numbers });
      // The logarithm of what is filled in is taken in float64, that of a value in float32.
      assert.ok(Math.abs(x![0]! - x![1]!) <= (numbers === "log" ? 3e-7 : 0), `${numbers}, ${fill}: ${x}`);
    }
  }
});

test("numbers that are all the same tell by what is filled in, where no indicator does", async () => {
  const same = { x: [5, null, 5] };
  const asked = { x: [5, null, 6] };
  assert.deepEqual(await encoded([number({ fill: 1, indicator: false })], same, asked), { x: [0, -1, 0.25] });
  const none = await encoded([number({ fill: 1, indicator: false })], same, asked, { numbers: "none" });
  assert.deepEqual(none, { x: [5, 1, 6] });
  const log = await encoded([number({ fill: 1, indicator: false })], same, asked, { numbers: "log" });
  assert.deepEqual(log.x!.slice(0, 2), [0, -1]);
  assert.deepEqual(await encoded([number({ fill: 1 })], same, asked), { "x is missing": [0, 1, 0] });
  await assert.rejects(
    encoded([number({ fill: "median", indicator: false })], same, asked),
    /^MicrobatchError: encoder: expected at least one column with two different values/,
  );
});

const city = (
  whenMissing: NonNullable<CategoryColumn["whenMissing"]>,
  more: Partial<CategoryColumn> = {},
): CategoryColumn => ({
  kind: "category",
  name: "city",
  categories: ["a", "b", "unknown"],
  whenMissing,
  ...more,
});
const cities = { city: ["b", "a", null, "b", null] };
const askedCities = { city: [null, "b", "a", "unknown", "never seen"] };

test("a missing category becomes the most frequent one, and is marked", async () => {
  assert.deepEqual(await encoded([city({ fill: "mode" })], cities, askedCities), {
    "city is missing": [1, 0, 0, 0, 0],
    "city = a": [0, 0, 1, 0, 0],
    "city = b": [1, 1, 0, 0, 0],
  });
  const unmarked = await encoded([city({ fill: "mode", indicator: false })], cities, askedCities);
  assert.deepEqual(Object.keys(unmarked), ["city = a", "city = b"]);
});

test("a constant that no sample has is a category of its own, and needs no mark beside it", async () => {
  assert.deepEqual(await encoded([city({ fill: "unknown" })], cities, askedCities), {
    "city = a": [0, 0, 1, 0, 0],
    "city = b": [0, 1, 0, 0, 0],
    "city = unknown": [1, 0, 0, 1, 0],
  });
  const some = { city: ["b", "a", null, "unknown", null] };
  const marked = await encoded([city({ fill: "unknown" })], some, askedCities);
  assert.deepEqual(marked["city = unknown"], [1, 0, 0, 1, 0]);
  assert.deepEqual(marked["city is missing"], [1, 0, 0, 0, 0]);
});

test("where no training sample lacks a value, the model has learnt nothing of a constant: it gives zeros", async () => {
  const whole = { city: ["b", "a", "a"] };
  assert.deepEqual(await encoded([city({ fill: "unknown" })], whole, askedCities), {
    "city = a": [0, 0, 1, 0, 0],
    "city = b": [0, 1, 0, 0, 0],
  });
});

test("a missing rank becomes the rank of what stands in, one that was never seen the mean rank", async () => {
  const grades = city({ fill: "unknown" }, { categories: ["unknown", "a", "b"], isOrdered: true });
  const features = await encoded([grades], cities, askedCities);
  const [mean, spread] = [1, Math.sqrt((4 * 1 + 0) / 5)]; // ranks 2, 1, 0, 2, 0
  const expected = [0, 2, 1, 0, mean].map((rank) => Math.fround((rank - mean) / spread));
  assert.deepEqual(features, { city: expected, "city is missing": [1, 0, 0, 0, 0] });
});
