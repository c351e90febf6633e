import assert from "node:assert/strict";
import { test } from "node:test";
import type { AnyArray } from "../../array/array.ts";
import type { NumberStatistics, TableSchema, TableStatistics } from "../../array/schema.ts";
import { memoryDataset } from "../../data/memory.ts";
import { countBeyond, statistics } from "../../data/statistics.ts";
import { buildProgram } from "../../graph/program.ts";
import { input } from "../../graph/tensor.ts";
import { encodeOnnx } from "../../onnx/encode.ts";
import { nodeRuntime } from "../../runtime/ort-node.ts";
import { clipLimits, type EncoderOptions, encoder, featureNames, numberScales } from "../encoder.ts";

type Table = Readonly<Record<string, readonly number[]>>;

function datasetOf(table: Table) {
  const names = Object.keys(table);
  const schema: TableSchema = { features: names.map((name) => ({ kind: "number", name })), targets: [] };
  const columns = Object.fromEntries(
    Object.entries(table).map(([name, values]) => [
      name,
      { spec: { dtype: "float32", shape: [1] }, data: Float32Array.from(values) } as const,
    ]),
  );
  return memoryDataset({ name: "numbers", size: table[names[0]!]!.length, columns, schema });
}

/** The features of rows, one list per row. */
async function encoded(fitted: TableStatistics, options: EncoderOptions, rows: Table): Promise<number[][]> {
  const names = Object.keys(rows);
  const row = Object.fromEntries(names.map((name) => [name, input(name, ["batch", 1])]));
  const program = buildProgram({ name: "encoder", outputs: { features: encoder(fitted, options)(row) } });
  const session = await (await nodeRuntime()).load("encoder", encodeOnnx(program));
  try {
    const size = rows[names[0]!]!.length;
    const feeds = Object.fromEntries(
      session.inputs.map((name): [string, AnyArray] => [
        name,
        { dtype: "float32", shape: [size, 1], data: Float32Array.from(rows[name]!) },
      ]),
    );
    const data = Array.from((await session.bind(feeds).run()).features!.data, Number);
    const width = data.length / size;
    return Array.from({ length: size }, (_, at) => data.slice(at * width, (at + 1) * width));
  } finally {
    await session.close();
  }
}

const training = {
  a: [1, 2, 3, 5, 8, Number.NaN, 200, 4],
  b: [-3, 0, 1e-4, 7, 1e6, -1e5, 2, 0.5],
  zeros: [0, 0, 0, 0, 0, 0, 0, 9],
};
const asked = {
  a: [1, 8, 200, Number.NaN, -50, 1e9, Number.POSITIVE_INFINITY],
  b: [-1e5, 1e-4, 0, Number.NaN, -1e-6, 2, Number.NEGATIVE_INFINITY],
  zeros: [0, 9, 1, Number.NaN, -9, 0, 3e38],
};
const fitted = await statistics(datasetOf(training));
const numbersOf = (statisticsOf: TableStatistics) =>
  statisticsOf.features.filter((feature): feature is NumberStatistics => feature.kind === "number");

const signedLog = (x: number) => Math.sign(x) * Math.log1p(Math.abs(x));
/** By hand, in float64: what each scale makes of a number of a column. */
const byHand: Readonly<
  Record<(typeof numberScales)[number], (x: number, column: NumberStatistics) => number>
> = {
  standardize: (x, { mean, deviation }) => (x - mean) / deviation,
  minMax: (x, { minimum, maximum }) => (x - minimum) / (maximum - minimum),
  robust: (x, { quartiles, deviation }) => (x - quartiles![1]) / (quartiles![2] - quartiles![0] || deviation),
  log: (x, { logarithm }) => (signedLog(x) - logarithm!.mean) / logarithm!.deviation,
  none: (x) => x,
};

test("every scale is what its formula says, of missing and of infinite numbers too", async () => {
  for (const scale of numberScales) {
    const rows = await encoded(fitted, { numbers: scale }, asked);
    for (const [at, column] of numbersOf(fitted).entries()) {
      const isCentred = scale === "robust" || scale === "log";
      rows.forEach((row, index) => {
        const x = Math.fround(asked[column.name as keyof typeof asked][index]!);
        const missing = isCentred ? 0 : byHand[scale](column.mean, column);
        const expected = Number.isNaN(x) ? missing : byHand[scale](x, column);
        const place = `${scale} of ${column.name}, ${x}: ${row[at]}, not ${expected}`;
        if (scale === "log" && Math.abs(x) === Number.POSITIVE_INFINITY)
          assert.ok(row[at]! * Math.sign(x) > 1, place);
        else if (!Number.isFinite(expected)) assert.equal(row[at], expected, place);
        // A few roundings to float32, 6e-8 each, of the value and of what is subtracted from it.
        else assert.ok(Math.abs(row[at]! - expected) <= 4e-7 * Math.max(1, Math.abs(expected)), place);
      });
    }
  }
});

test("logarithms of tiny numbers keep their digits", async () => {
  const values = [1e-9, 2e-9, 5e-9, -3e-9];
  const tiny = await statistics(datasetOf({ a: values }));
  const [column] = numbersOf(tiny);
  const rows = await encoded(tiny, { numbers: "log" }, { a: values });
  rows.forEach(([value], index) => {
    assert.ok(
      Math.abs(value! - byHand.log(Math.fround(values[index]!), column!)) < 1e-6,
      `${index}: ${value}`,
    );
  });
});

test("each column may have a scale of its own, and the others are standardised", async () => {
  const options = { numbers: { b: "log", zeros: "none" } } as const;
  assert.deepEqual(featureNames(fitted, options), ["a", "b", "zeros", "a is missing"]);
  const mixed = await encoded(fitted, options, asked);
  for (const [at, scale] of (["standardize", "log", "none"] as const).entries()) {
    const alike = await encoded(fitted, { numbers: scale }, asked);
    assert.deepEqual(
      mixed.map((row) => row[at]),
      alike.map((row) => row[at]),
      scale,
    );
  }
});

test("limits hold for scaled numbers and for nothing else", async () => {
  const options = { numbers: { b: "log", zeros: "minMax" }, clip: 2 } as const;
  const free = await encoded(fitted, { numbers: options.numbers }, asked);
  const limited = await encoded(fitted, options, asked);
  const limits = [2, 2, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  assert.deepEqual(
    limited,
    free.map((row) => row.map((value, at) => Math.max(Math.min(value, limits[at]!), -limits[at]!))),
  );
  assert.ok(limited.flat().includes(2) && limited.flat().includes(-2));
});

test("limits in a column's own units are where its features reach the limit, and count the samples beyond", async () => {
  const data = datasetOf(training);
  for (const numbers of ["standardize", "robust", "log"] as const) {
    const options = { numbers, clip: 1.5 };
    const features = await encoded(fitted, { numbers }, training);
    const beyond = await countBeyond(data, clipLimits(fitted, options));
    const expected = ["a", "b", "zeros"].map((name, at): [string, number] => [
      name,
      features.filter((row) => Math.abs(row[at]!) > 1.5).length,
    ]);
    assert.deepEqual(beyond, Object.fromEntries(expected.filter(([, count]) => count > 0)), numbers);
    assert.ok(Object.keys(beyond).length > 0);
  }
  assert.deepEqual(clipLimits(fitted, { numbers: "minMax", clip: 0.1 }), {});
  assert.deepEqual(clipLimits(fitted, {}), {});
  assert.deepEqual(clipLimits(fitted, { clip: 3 }), {});
});

test("options that name what is not there are refused", () => {
  const refused: [object, string][] = [
    [
      { numbers: "standardise" },
      'encoder, numbers: expected one of standardize, minMax, robust, log, none, got standardise. Fix: for example numbers: "standardize"',
    ],
    [
      { numbers: { a: "ln" } },
      'encoder, numbers of "a": expected one of standardize, minMax, robust, log, none, got ln. Fix: for example numbers: "standardize"',
    ],
    [
      { numbers: { c: "log" } },
      'encoder, numbers: expected names of columns of numbers: a, b, zeros, got "c". Fix: correct the name',
    ],
    [
      { categories: { a: "embedding" } },
      'encoder, categories: expected names of columns of categories without an order: there are none, got "a". Fix: leave categories out',
    ],
    [
      { clip: 0 },
      "encoder, clip: expected a number of deviations above 0, got 0. Fix: for example 8, or leave it out",
    ],
    [
      { clip: Number.NaN },
      "encoder, clip: expected a number of deviations above 0, got NaN. Fix: for example 8, or leave it out",
    ],
  ];
  for (const [options, message] of refused) {
    assert.throws(() => encoder(fitted, options), { message });
    assert.throws(() => clipLimits(fitted, options), { message });
  }
});

test("statistics of an earlier version are standardised, and refused where they do not tell enough", () => {
  const features = numbersOf(fitted).map(({ quartiles: _, logarithm: __, ...rest }) => rest);
  const earlier = { ...fitted, features };
  encoder(earlier, { numbers: "minMax" });
  for (const numbers of ["robust", "log"] as const) {
    assert.throws(() => encoder(earlier, { numbers }), {
      message:
        'encoder, column "a": expected statistics with quartiles and logarithms, got those of an earlier version. ' +
        "Fix: fit them again with statistics(training)",
    });
  }
});
