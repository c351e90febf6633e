import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluate, type Feed } from "../../test/reference/evaluate.ts";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { constant, input, type Tensor } from "../graph/tensor.ts";
import { add, batchNormalization, gradient, mul, normalizeByBatch, sum } from "./index.ts";

/** Numbers that look random: [2, 3, 4] has eight values per channel. */
const numbers = (count: number, mean = 0, deviation = 1): Feed & { data: Float64Array } => ({
  shape: [2, count / 8, 4],
  data: Float64Array.from({ length: count }, (_, i) => mean + deviation * Math.sin(i * i + 1)),
});
const perChannel = (...data: number[]): Feed => ({ shape: [data.length], data });
const wide = (array: number[]) =>
  constant({ dtype: "float64", shape: [array.length], data: Float64Array.from(array) });

async function both(outputs: Readonly<Record<string, Tensor>>, feeds: ReadonlyMap<Tensor, Feed>) {
  const got = await runTensors(outputs, feeds);
  const want = evaluate(Object.values(outputs), feeds);
  return Object.keys(outputs).map((name, index) => {
    const [actual, expected] = [got[name]!.data, want[index]!.data];
    const size = Math.max(...expected.map(Math.abs));
    return { name, error: Math.max(...expected.map((value, at) => Math.abs(value - actual[at]!))) / size };
  });
}

for (const rest of [[4], [2, 2], []]) {
  test(`in float64 values, statistics and gradients are right to float64: [batch, ${[3, ...rest]}]`, async () => {
    const x = input("x", ["batch", 3, ...rest], "float64");
    const [scale, bias] = [wide([1.5, -0.5, 2]), wide([0.25, 0, -1])];
    const { output, mean, variance } = normalizeByBatch(x, scale, bias);
    const weighted = mul(mul(output, output), output);
    const [dx, dScale, dBias] = gradient(sum(weighted), [x, scale, bias]);
    const feeds = new Map([
      [x, { shape: rest.length > 0 ? [2, 3, ...rest] : [8, 3], data: numbers(24).data }],
    ]);
    for (const { name, error } of await both(
      { output, mean, variance, dx: dx!, dScale: dScale!, dBias: dBias! },
      feeds,
    )) {
      // The file holds epsilon as a float32: 1e-5 to 2⁻²⁴ of it, beside variances around 0.5.
      assert.ok(error < 2e-12, `${name}: ${error}`);
    }
  });
}

test("what other nodes read is left as it is", async () => {
  // The kernel writes the statistics of the microbatch over the ones it is given: none of these may be among them.
  const x = input("x", ["batch", 3, 4]);
  const scale = input("scale", [3]);
  const zeros = constant({ dtype: "float32", shape: [3], data: new Float32Array(3) });
  const first = normalizeByBatch(x, scale, zeros);
  const second = normalizeByBatch(mul(first.output, x), scale, zeros);
  const outputs = {
    first: first.output,
    second: second.output,
    mean: second.mean,
    doubled: mul(scale, 2),
    zeros: add(zeros, scale),
    samples: mul(x, 2),
  };
  const feeds = new Map<Tensor, Feed>([
    [x, numbers(24, 3)],
    [scale, perChannel(2, 3, 4)],
  ]);
  for (const { name, error } of await both(outputs, feeds)) {
    // 64 roundings of 2⁻²⁴, as in the contract of ops; means are a few units, deviations one.
    assert.ok(error < 4e-6, `${name}: ${error}`);
  }
});

test("values far from zero are normalised as well as float32 holds them", async () => {
  const x = input("x", ["batch", 3, 4]);
  const ones = constant({ dtype: "float32", shape: [3], data: new Float32Array(3).fill(1) });
  const { output, mean, variance } = normalizeByBatch(x, ones, ones);
  const [dx, dScale] = gradient(sum(mul(mul(output, output), output)), [x, ones]);
  const far = numbers(24, 1000);
  const feeds = new Map([[x, { shape: far.shape, data: Float32Array.from(far.data) }]]);
  const outputs = { output, mean, variance, dx: dx!, dScale: dScale! };
  const [normalized, average, spread, ...gradients] = await both(outputs, feeds);
  // |mean| / deviation is 1400: as many roundings of 2⁻²⁴, a few times over.
  assert.ok(normalized!.error < 4 * 1400 * 2 ** -24, `output: ${normalized!.error}`);
  assert.ok(average!.error < 8 * 2 ** -24, `mean: ${average!.error}`);
  // Distances are taken from the rounded mean, before they are squared: nothing cancels.
  assert.ok(spread!.error < 4 * 1400 * 2 ** -24, `variance: ${spread!.error}`);
  for (const { name, error } of gradients) assert.ok(error < 8 * 1400 * 2 ** -24, `${name}: ${error}`);
});

const three = input("three", [3]);
refuses("normalising", [
  [
    "a tensor without channels",
    () => normalizeByBatch(input("x", ["batch"]), three, three),
    "normalizeByBatch: expected a tensor [samples, channels, …] with a fixed number of channels, got [batch]. Fix: move the channels to the second axis, for example by transpose",
  ],
  [
    "numbers for another number of channels",
    () => normalizeByBatch(input("x", ["batch", 4, 2]), three, three),
    "normalizeByBatch: expected scale of shape [4], got [3]. Fix: reshape the scale to [4]",
  ],
  [
    "numbers of another dtype",
    () =>
      batchNormalization(input("x", ["batch", 3]), {
        scale: three,
        bias: three,
        mean: three,
        variance: input("variance", [3], "float64"),
      }),
    'batchNormalization: expected both sides of one dtype, got float32 and float64. Fix: cast one side: cast(x, "float32")',
  ],
  [
    "whole numbers",
    () => normalizeByBatch(input("x", ["batch", 3], "int32"), three, three),
    'normalizeByBatch: expected a float32 or float64 tensor, got int32. Fix: cast first: cast(x, "float32")',
  ],
]);
