import assert from "node:assert/strict";
import { test } from "node:test";
import type { AnyArray } from "../../array/array.ts";
import type { CategoryStatistics, TableSchema, TableStatistics } from "../../array/schema.ts";
import { memoryDataset } from "../../data/memory.ts";
import { statistics } from "../../data/statistics.ts";
import { buildProgram } from "../../graph/program.ts";
import { input, type Tensor } from "../../graph/tensor.ts";
import { parametersOf } from "../../graph/walk.ts";
import { encodeOnnx } from "../../onnx/encode.ts";
import { nodeRuntime } from "../../runtime/ort-node.ts";
import { type EncoderOptions, encoder, featureNames } from "../encoder.ts";
import { rawRow } from "../raw-row.ts";

/** Codes 0 … 149, of which 0 … 9 come once and the others three times, and 7 missing ones; one of no listed category. */
const categories = Array.from({ length: 152 }, (_, code) => `c${String(code).padStart(3, "0")}`);
const codes = Int32Array.from([
  ...Array.from({ length: 450 }, (_, at) => at % 150).filter((code, at) => code >= 10 || at < 150),
  ...Array<number>(7).fill(-1),
  152,
]);
const schema: TableSchema = {
  features: [
    { kind: "category", name: "many", categories },
    { kind: "category", name: "few", categories: ["n", "y"] },
  ],
  targets: [],
};
const data = memoryDataset({
  name: "codes",
  size: codes.length,
  columns: {
    many: { spec: { dtype: "int32", shape: [], categories }, data: codes },
    few: { spec: { dtype: "int32", shape: [] }, data: codes.map((code) => code & 1) },
  },
  schema,
});
const fitted = await statistics(data);
const embedded = { categories: "embedding" } as const;

/** The features of rows; a parameter's element k is k, so that a table's row is told by its numbers. */
async function run(features: Tensor, feeds: Readonly<Record<string, AnyArray>>): Promise<number[]> {
  const program = buildProgram({ name: "encoder", outputs: { features } });
  const session = await (await nodeRuntime()).load("encoder", encodeOnnx(program));
  try {
    const tables = parametersOf([features]).map(({ leaf, shape }): [string, AnyArray] => {
      const size = shape.map(Number);
      const count = size.reduce((product, dim) => product * dim, 1);
      return [
        leaf?.kind === "parameter" ? leaf.label : "",
        { dtype: "float32", shape: size, data: Float32Array.from({ length: count }, (_, at) => at) },
      ];
    });
    const used = Object.entries({ ...feeds, ...Object.fromEntries(tables) }).filter(([name]) =>
      session.inputs.includes(name),
    );
    return Array.from((await session.bind(Object.fromEntries(used)).run()).features!.data, Number);
  } finally {
    await session.close();
  }
}
const codeFeed = (...values: number[]): AnyArray => ({
  dtype: "int32",
  shape: [values.length],
  data: Int32Array.from(values),
});
const textFeed = (...values: string[]): AnyArray => ({
  dtype: "string",
  shape: [values.length],
  data: values,
});
const codedRow = { many: input("many", ["batch"], "int32"), few: input("few", ["batch"], "int32") };
const [many] = fitted.features as [CategoryStatistics]; // the first feature of the schema above

test("more than a hundred categories get a trained vector each, rare and unseen ones share one, missing ones have one", async () => {
  assert.equal(many.other, 131);
  // The list has a hundred; 40 times three are left out, ten single ones, and the unlisted one. 140 categories come at least twice: ⌈1.6 · 140^0.56⌉ = ⌈25.46⌉ numbers in 142 vectors.
  const names = featureNames(fitted, embedded);
  assert.deepEqual(names.slice(0, 3), ["few = n", "few = y", "many 1"]);
  assert.equal(names.length, 2 + 26);
  const output = encoder(fitted, embedded)(codedRow);
  assert.deepEqual(output.shape, ["batch", 28]);
  assert.deepEqual(
    parametersOf([output]).map(({ leaf, shape }) => [leaf?.kind === "parameter" && leaf.label, shape]),
    [["many.embedding", [142, 26]]],
  );
  const asked = [10, 149, 0, 9, 150, 152, 9999, -1, -7];
  const rows = [0, 139, 140, 140, 140, 140, 140, 141, 141];
  const got = await run(output, { many: codeFeed(...asked), few: codeFeed(...asked.map(() => 1)) });
  assert.deepEqual(
    got,
    rows.flatMap((row) => [0, 1, ...Array.from({ length: 26 }, (_, at) => 26 * row + at)]),
  );
});

test("raw texts find the vectors of their codes, whether missing, rare or never seen", async () => {
  const features = encoder(fitted, embedded);
  const texts = textFeed("c010", "c149", "c000", "", "NA", "what", "c151");
  const raw = await run(features(rawRow(schema)), {
    many: texts,
    few: textFeed("n", "y", "n", "y", "n", "y", "?"),
  });
  const coded = await run(features(codedRow), {
    many: codeFeed(10, 149, 0, -1, -1, 152, 151),
    few: codeFeed(0, 1, 0, 1, 0, 1, -1),
  });
  assert.deepEqual(raw, coded);
});

test("a column that is named becomes vectors of the length that is asked for, and no other does", async () => {
  const options: EncoderOptions = { categories: { few: "embedding" }, embeddingSizes: { few: 3 } };
  const names = featureNames(fitted, options);
  assert.equal(names.length, 100 + 1 + 3);
  assert.deepEqual(names.slice(-4), ["many is missing", "few 1", "few 2", "few 3"]);
  const output = encoder(fitted, options)(codedRow);
  const got = await run(output, { many: codeFeed(10, -1, 10), few: codeFeed(1, 5, -1) });
  assert.deepEqual(
    [0, 1, 2].map((row) => got.slice(104 * row + 101, 104 * (row + 1))),
    [
      [3, 4, 5],
      [6, 7, 8],
      [9, 10, 11],
    ],
  );
  assert.equal(parametersOf([encoder(fitted, { categories: { many: "oneHot" } })(codedRow)]).length, 0);
});

test("what stands in for missing values gives them its vector, and a mark of their own", async () => {
  const whenMissing = { fill: "c149" };
  const filling = await statistics({
    ...data,
    schema: { ...schema, features: [{ ...many, categories, whenMissing }, schema.features[1]!] },
  });
  const names = featureNames(filling, embedded);
  assert.deepEqual(names.slice(0, 4), ["many is missing", "few = n", "few = y", "many 1"]);
  const output = encoder(filling, embedded)(codedRow);
  const got = await run(output, { many: codeFeed(10, 149, -1), few: codeFeed(0, 0, 0) });
  const rows = [0, 139, 139].map((row, at) => [
    ...[at === 2 ? 1 : 0, 1, 0],
    ...Array.from({ length: 26 }, (_, element) => 26 * row + element),
  ]);
  assert.deepEqual(got, rows.flat());
});

test("applied twice, an encoder has one table", () => {
  const features = encoder(fitted, embedded);
  assert.equal(parametersOf([features(codedRow), features(codedRow)]).length, 1);
});

test("sizes and statistics that make no table are refused", () => {
  assert.throws(() => encoder(fitted, { ...embedded, embeddingSizes: { many: 0 } }), {
    message:
      'encoder, embeddingSizes of "many": expected a whole number from 1 on, got 0. Fix: for example 8, or leave it out',
  });
  assert.throws(() => encoder(fitted, { ...embedded, embeddingSizes: { most: 2 } }), {
    message:
      'encoder, embeddingSizes: expected names of columns of categories without an order: many, few, got "most". Fix: correct the name',
  });
  const { frequencies: _, ...earlier } = many;
  const before: TableStatistics = { ...fitted, features: [earlier] };
  encoder(before);
  assert.throws(() => encoder(before, embedded), {
    message:
      'encoder, column "many": expected the frequencies of all its categories, which are more than 100, ' +
      "got statistics of an earlier version. Fix: fit them again with statistics(training)",
  });
});
