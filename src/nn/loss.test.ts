import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { evaluate, type Feed } from "../../test/reference/evaluate.ts";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import type { DType } from "../array/dtype.ts";
import type { Shape } from "../array/shape.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { gradient } from "../ops/gradient.ts";
import * as activations from "./activation.ts";
import type { Layer } from "./layer.ts";
import * as losses from "./loss.ts";

interface Curve {
  readonly name: string;
  readonly options: { readonly slope?: number };
  readonly value: readonly number[];
  readonly derivative: readonly number[];
}
interface Rows {
  readonly name: "softmax" | "logSoftmax";
  readonly x: readonly (readonly number[])[];
  readonly upstream: readonly (readonly number[])[];
  readonly value: readonly (readonly number[])[];
  readonly gradient: readonly (readonly number[])[];
}
interface PairLoss {
  readonly name: "squaredError" | "absoluteError" | "huber" | "binaryCrossEntropy";
  readonly options: { readonly delta?: number };
  readonly prediction: readonly number[];
  readonly target: readonly number[];
  readonly value: readonly number[];
  readonly derivative: readonly number[];
}
interface LabelLoss {
  readonly options: { readonly labelSmoothing: number };
  readonly logits: readonly (readonly number[])[];
  readonly label: readonly number[];
  readonly value: readonly number[];
  readonly gradient: readonly (readonly number[])[];
}
interface Golden {
  readonly x: readonly number[];
  readonly elementwise: readonly Curve[];
  readonly rows: readonly Rows[];
  readonly losses: readonly PairLoss[];
  readonly crossEntropy: readonly LabelLoss[];
}
const golden: Golden = JSON.parse(
  await readFile(new URL("../../test/golden/activations.json", import.meta.url), "utf8"),
);

/** Builds y and dy/dx on leaves of a dtype; the numbers are fed by leaf. */
type Build = (leaf: (name: string, shape: Shape, feed: Feed, dtype?: DType) => Tensor) => {
  y: Tensor;
  dx: Tensor;
};

function built(build: Build, dtype: DType) {
  const feeds = new Map<Tensor, Feed>();
  const tensors = build((name, shape, feed, own = dtype) => {
    const tensor = input(name, shape, own);
    feeds.set(tensor, feed);
    return tensor;
  });
  return { tensors, feeds };
}

interface Expected {
  readonly value: readonly number[];
  readonly gradient: readonly number[];
}

function assertClose(
  what: string,
  actual: Float64Array,
  expected: readonly number[],
  tolerance: number,
): void {
  assert.equal(actual.length, expected.length);
  expected.forEach((value, index) => {
    const allowed = tolerance * (1 + Math.abs(value));
    assert.ok(
      Math.abs(actual[index]! - value) <= allowed,
      `${what} ${index}: ${actual[index]} instead of ${value}`,
    );
  });
}

/** Judges a tensor and its gradient in float64, and what ONNX Runtime makes of both in float32. */
function judge(name: string, build: Build, expected: Expected): void {
  test(`${name}: value and gradient are PyTorch's in float64`, () => {
    const { tensors, feeds } = built(build, "float64");
    const [y, dx] = evaluate([tensors.y, tensors.dx], feeds);
    // PyTorch itself is within 1e-14 of the exact numbers; sums of a few terms of up to 60 round at 1e-14 too.
    assertClose("value", y!.data, expected.value, 1e-13);
    assertClose("gradient", dx!.data, expected.gradient, 1e-13);
  });

  test(`${name}: value and gradient are PyTorch's in ONNX Runtime's float32`, async () => {
    const { tensors, feeds } = built(build, "float32");
    const { y, dx } = await runTensors({ y: tensors.y, dx: tensors.dx }, feeds);
    // Inputs as 0.1 are rounded to float32 (6e-8); the kernels' exp, erf and tanh are good to about 3e-7.
    assertClose("value", y.data, expected.value, 1e-6);
    assertClose("gradient", dx.data, expected.gradient, 1e-6);
  });
}

const vector = (data: readonly number[]): Feed => ({ shape: [data.length], data });
const matrix = (rows: readonly (readonly number[])[]): Feed => ({
  shape: [rows.length, rows[0]!.length],
  data: rows.flat(),
});
const onesLike = (feed: Feed): Feed => ({ shape: feed.shape, data: Array.from(feed.data, () => 1) });

const layers: Readonly<Record<string, (slope: number) => Layer>> = {
  relu: () => activations.relu,
  leakyRelu: (slope) => activations.leakyRelu(slope),
  gelu: () => activations.gelu,
  silu: () => activations.silu,
  tanh: () => activations.tanh,
  sigmoid: () => activations.sigmoid,
};
for (const { name, options, value, derivative } of golden.elementwise) {
  const layer = layers[name]?.(options.slope ?? Number.NaN);
  if (layer === undefined) continue; // erf is an op, not a layer
  const build: Build = (leaf) => {
    const x = leaf("x", ["batch"], vector(golden.x));
    const y = layer(x);
    return { y, dx: gradient(y, [x], leaf("seed", ["batch"], onesLike(vector(golden.x))))[0]! };
  };
  judge(name, build, { value, gradient: derivative });
}

const rowLayers = { softmax: activations.softmax, logSoftmax: activations.logSoftmax };
for (const { name, x: rows, upstream, value, gradient: expected } of golden.rows) {
  const build: Build = (leaf) => {
    const x = leaf("x", ["batch", 4], matrix(rows));
    const y = rowLayers[name](x);
    return { y, dx: gradient(y, [x], leaf("seed", ["batch", 4], matrix(upstream)))[0]! };
  };
  judge(name, build, { value: value.flat(), gradient: expected.flat() });
}

const { squaredError, absoluteError, huber, binaryCrossEntropy, crossEntropy } = losses;
const pairLosses = { squaredError, absoluteError, huber, binaryCrossEntropy };
for (const { name, options, prediction, target, value, derivative } of golden.losses) {
  const build: Build = (leaf) => {
    const p = leaf("prediction", ["batch"], vector(prediction));
    const t = leaf("target", ["batch"], vector(target));
    const y = pairLosses[name](p, t, options);
    return { y, dx: gradient(y, [p], leaf("seed", ["batch"], onesLike(vector(target))))[0]! };
  };
  judge([name, ...Object.values(options)].join(" "), build, { value, gradient: derivative });
}

for (const { options, logits, label, value, gradient: expected } of golden.crossEntropy) {
  for (const dtype of ["int32", "int64", "uint8"] as const) {
    const build: Build = (leaf) => {
      const x = leaf("logits", ["batch", 4], matrix(logits));
      const y = crossEntropy(x, leaf("label", ["batch"], vector(label), dtype), options);
      return { y, dx: gradient(y, [x], leaf("seed", ["batch"], onesLike(vector(label))))[0]! };
    };
    const name = `crossEntropy of ${dtype} labels, smoothing ${options.labelSmoothing}`;
    judge(name, build, { value, gradient: expected.flat() });
  }
}

test("every exported loss has recorded numbers", () => {
  const recorded = new Set([...golden.losses.map(({ name }) => name as string), "crossEntropy"]);
  assert.deepEqual(
    Object.keys(losses).filter((name) => !recorded.has(name)),
    [],
  );
});

test("every exported activation has recorded numbers", () => {
  const recorded = new Set([...golden.elementwise, ...golden.rows].map(({ name }) => name));
  assert.deepEqual(
    // softplus is judged as part of binaryCrossEntropy
    Object.keys(activations).filter((name) => !recorded.has(name) && name !== "softplus"),
    [],
  );
});

test("targets of whole numbers are cast", async () => {
  const p = input("p", ["batch"]);
  for (const dtype of ["int32", "uint8", "int64"] as const) {
    const t = input("t", ["batch"], dtype);
    const feeds = new Map([
      [p, vector([0.5, 3])],
      [t, vector([1, 0])],
    ]);
    const { y } = await runTensors({ y: squaredError(p, t) }, feeds);
    assert.deepEqual([...y.data], [0.25, 9]);
  }
});

test("the gradient of binary cross entropy at a logit of exactly 0 is one half minus the target", () => {
  const z = input("z", ["batch"], "float64");
  const seed = input("seed", ["batch"], "float64");
  const t = input("t", ["batch"], "float64");
  const [dz] = gradient(binaryCrossEntropy(z, t), [z], seed);
  const feeds = new Map([
    [z, vector([0, 0])],
    [t, vector([0, 1])],
    [seed, vector([1, 1])],
  ]);
  assert.deepEqual([...evaluate([dz!], feeds)[0]!.data], [0.5, -0.5]);
});

test("a loss of several columns has one number per column", () => {
  const [p, t] = [input("p", ["batch", 3]), input("t", ["batch", 3])];
  for (const loss of [squaredError, absoluteError, huber, binaryCrossEntropy]) {
    assert.deepEqual(loss(p, t).shape, ["batch", 3]);
  }
});

test("losses refuse what would silently broadcast, and say which reshape to add", () => {
  const column = input("column", ["batch", 1]);
  const flat = input("flat", ["batch"]);
  const refusals: readonly (readonly [() => unknown, string])[] = [
    [
      () => squaredError(column, flat),
      'squaredError: expected target of shape [batch, 1], got [batch]. Fix: reshape(target, ["batch",1])',
    ],
    [
      () => absoluteError(flat, column),
      'absoluteError: expected target of shape [batch], got [batch, 1]. Fix: reshape(target, ["batch"])',
    ],
    [
      () => binaryCrossEntropy(column, input("t", ["batch", 2])),
      "binaryCrossEntropy: expected target of shape [batch, 1], got [batch, 2]. Fix: one target per number that the model predicts",
    ],
    [
      () => huber(input("p", ["batch"], "int32"), flat),
      "huber: expected predictions of float32, got int32. Fix: pass the prediction first, the target second",
    ],
    [
      () => huber(flat, flat, { delta: 0 }),
      "huber: expected delta to be a number above 0, got 0. Fix: for example 1",
    ],
    [
      () => crossEntropy(input("z", ["batch", 4]), input("labels", ["batch", 1], "int32")),
      'crossEntropy: expected labels of shape [batch], got [batch, 1]. Fix: reshape(labels, ["batch"])',
    ],
    [
      () => crossEntropy(input("z", ["batch", 4]), flat),
      'crossEntropy: expected labels of whole numbers, int32 or int64, got float32. Fix: cast(labels, "int32"), or binaryCrossEntropy for probabilities',
    ],
  ];
  for (const [call, message] of refusals) assert.throws(call, { name: "MicrobatchError", message });
});
