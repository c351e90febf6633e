import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluate, type Feed } from "../../test/reference/evaluate.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { parametersOf, statisticsOf } from "../graph/walk.ts";
import { gradient } from "../ops/index.ts";
import { batchNorm } from "./batch-norm.ts";
import { tracing } from "./mode.ts";

const x = input("x", ["batch", 2, 3]);
const labelsOf = (leaves: readonly Tensor[]) =>
  leaves.map(({ leaf }) => (leaf?.kind === "parameter" ? leaf.label : ""));
const training = (build: () => Tensor) => tracing({ training: true }, build);

/** Numbers for every leaf: the layer's own start with what their initializers give. */
function feedsOf(outputs: readonly Tensor[], samples: readonly number[]): Map<Tensor, Feed> {
  const feeds = new Map<Tensor, Feed>([[x, { shape: [samples.length / 6, 2, 3], data: samples }]]);
  for (const leaf of [...parametersOf(outputs), ...statisticsOf(outputs)]) {
    const data = new Float32Array(2);
    if (leaf.leaf?.kind === "parameter") leaf.leaf.initializer.fill(data, [2], () => 0);
    feeds.set(leaf, { shape: [2], data });
  }
  return feeds;
}

test("in training a channel comes out with mean 0 and variance 1, elsewhere by the running statistics", () => {
  const layer = batchNorm({ epsilon: 1e-12 });
  const samples = [1, 2, 3, 10, 20, 30, 4, 5, 6, 40, 50, 60];
  const { result: trained } = training(() => layer(x));
  const served = layer(x);
  const [inTraining, elsewhere] = evaluate([trained, served], feedsOf([trained, served], samples));
  const channel = (data: Float64Array, at: number) => [
    ...data.subarray(3 * at, 3 * at + 3),
    ...data.subarray(6 + 3 * at, 9 + 3 * at),
  ];
  for (const at of [0, 1]) {
    const values = channel(inTraining!.data, at);
    assert.ok(Math.abs(values.reduce((sum, value) => sum + value, 0)) < 1e-9);
    assert.ok(Math.abs(values.reduce((sum, value) => sum + value * value, 0) / 6 - 1) < 1e-9);
  }
  // The first running statistics are mean 0 and variance 1.
  elsewhere!.data.forEach((value, index) => {
    assert.ok(Math.abs(value - samples[index]!) < 1e-6);
  });
});

test("weight and bias are trained, running statistics are not among the parameters", () => {
  const layer = batchNorm({ name: "norm" });
  const { result: trained, statistics } = training(() => layer(x));
  const served = layer(x);
  assert.deepEqual(labelsOf(parametersOf([trained])), ["norm.weight", "norm.bias"]);
  assert.deepEqual(labelsOf(parametersOf([served])), ["norm.weight", "norm.bias"]);
  assert.deepEqual(labelsOf(statisticsOf([served])), ["norm.runningMean", "norm.runningVariance"]);
  const [request] = statistics;
  assert.equal(request!.output, trained);
  assert.equal(request!.valuesPerSample, 3);
  assert.equal(request!.momentum, 0.1);
  assert.deepEqual([request!.running.mean, request!.running.variance], statisticsOf([served]));
});

test("without scale and shift nothing is trained", () => {
  const { result } = training(() => batchNorm({ affine: false })(x));
  assert.deepEqual(parametersOf([result]), []);
});

test("frozen, the running statistics are used in training too, nothing is observed, and the rest has gradients", () => {
  const layer = batchNorm({ frozen: true });
  const { result, statistics } = training(() => layer(x));
  assert.deepEqual(statistics, []);
  assert.equal(statisticsOf([result]).length, 2);
  const samples = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
  const gradients = gradient(result, [x, ...parametersOf([result])]);
  const [dx, dWeight, dBias] = evaluate(gradients, feedsOf([result], samples)).map(({ data }) => [...data]);
  const rounded = (values: readonly number[]) => values.map((value) => Number(value.toFixed(3)));
  assert.deepEqual(rounded(dx!), Array(12).fill(1)); // as if there were no other samples
  assert.deepEqual(
    rounded(dWeight!),
    [30, 48].map((sum) => Number((sum / Math.sqrt(1 + 1e-5)).toFixed(3))),
  );
  assert.deepEqual(dBias, [6, 6]);
});

test("outside of a trace nothing is observed", () => {
  assert.equal(tracing({ training: false }, () => batchNorm()(x)).statistics.length, 0);
});

refuses("batchNorm", [
  [
    "a tensor without channels",
    () => batchNorm()(input("x", ["batch"])),
    "batchNorm: expected floats [batch, channels] or [batch, channels, …], got float32 [batch]. Fix: move the channels to the second axis, for example by transpose",
  ],
  [
    "a tensor without a batch axis",
    () => batchNorm()(input("x", [4, 3])),
    "batchNorm: expected floats [batch, channels] or [batch, channels, …], got float32 [4, 3]. Fix: give it what is computed from the samples, the batch axis first and the channels second",
  ],
  [
    "whole numbers",
    () => batchNorm()(input("x", ["batch", 3], "int32")),
    'batchNorm: expected floats [batch, channels] or [batch, channels, …], got int32 [batch, 3]. Fix: cast(x, "float32") first',
  ],
  [
    "another number of channels than before",
    () => {
      const layer = batchNorm();
      layer(x);
      layer(input("y", ["batch", 4]));
    },
    "batchNorm: expected 2 channels, as in the tensor it saw first, got [batch, 4]. Fix: make another batchNorm() for it",
  ],
  [
    "a number of channels, as PyTorch takes it",
    () => batchNorm(64 as unknown as object), // what TypeScript would refuse
    "batchNorm: expected options, or nothing, got 64. Fix: write batchNorm(): the number of channels is taken from the tensor",
  ],
  [
    "a momentum above 1",
    () => batchNorm({ momentum: 1.1 }),
    "batchNorm, momentum: expected a number from 0 to 1, got 1.1. Fix: leave it out for 0.1",
  ],
  [
    "a momentum that is none",
    () => batchNorm({ momentum: null as unknown as number }), // as PyTorch writes the mean of all batches
    "batchNorm, momentum: expected a number from 0 to 1, got null. Fix: leave it out for 0.1",
  ],
  [
    "an epsilon of 0, which divides equal values by it",
    () => batchNorm({ epsilon: 0 }),
    "batchNorm, epsilon: expected a number between 0 and 1, got 0. Fix: leave it out for 1e-5",
  ],
]);
