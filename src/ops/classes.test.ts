import assert from "node:assert/strict";
import { test } from "node:test";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { constant, input } from "../graph/tensor.ts";
import { sorted } from "../graph/walk.ts";
import { cast, crossEntropyOf, gradient, pick, place } from "./index.ts";

const x = input("x", ["batch", 4]);
const label = input("label", ["batch"], "int32");
const wide = input("wide", ["batch", 1], "int64");
const fixed = (value: number) =>
  constant({ dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(value)) });

refuses("a choice of classes", [
  [
    "labels that are no whole numbers",
    () => pick(x, x),
    `pick: expected int32 or int64 indices, got float32. Fix: cast them first: cast(x, "int32")`,
  ],
  [
    "indices with a last axis of their own",
    () => pick(x, wide),
    "pick: expected indices of shape [batch], got [batch, 1]. Fix: reshape the indices to [batch]",
  ],
  [
    "samples for classes",
    () => pick(input("line", ["batch"]), fixed(0)),
    "pick: expected a last axis of fixed size, one element per class, got [batch]. Fix: move the classes to the last axis",
  ],
  [
    "a scalar",
    () => pick(input("scalar", []), label),
    "pick: expected a last axis of fixed size, one element per class, got []. Fix: move the classes to the last axis",
  ],
  [
    "a constant class that is not there",
    () => pick(input("vector", [3]), fixed(3)),
    "pick: expected indices from 0 to 2, got 3. Fix: leave it out, or make the axis longer",
  ],
  [
    "values of another shape",
    () => place(x, label, x),
    "place: expected values of shape [batch], got [batch, 4]. Fix: reshape the values to [batch]",
  ],
  [
    "values of another dtype",
    () => place(x, label, label),
    `place: expected both sides of one dtype, got float32 and int32. Fix: cast one side: cast(x, "float32")`,
  ],
  [
    "a label smoothing above 1",
    () => crossEntropyOf(x, label, { labelSmoothing: 2 }),
    "crossEntropyOf: expected a label smoothing from 0 to 1, got 2. Fix: for example 0.1",
  ],
  [
    "a label smoothing that is no number",
    () => crossEntropyOf(x, label, { labelSmoothing: Number.NaN }),
    "crossEntropyOf: expected a label smoothing from 0 to 1, got NaN. Fix: for example 0.1",
  ],
  [
    "logits that are whole numbers",
    () => crossEntropyOf(cast(x, "int32"), label),
    `crossEntropyOf: expected a float32 or float64 tensor, got int32. Fix: cast first: cast(x, "float32")`,
  ],
  [
    "labels with a last axis of their own",
    () => crossEntropyOf(x, wide),
    "crossEntropyOf: expected labels of shape [batch], got [batch, 1]. Fix: reshape the labels to [batch]",
  ],
]);

test("the loss of a label of vanishing probability is the gap of the logits, not infinity", async () => {
  const loss = crossEntropyOf(x, label);
  const [slope] = gradient(loss, [x]);
  const feeds = new Map([
    [x, { shape: [2, 4], data: [1000, 0, 0, 0, -1000, -1000, -1000, 0] }],
    [label, { shape: [2], data: [1, 3] }],
  ]);
  const got = await runTensors({ loss, slope: slope! }, feeds);
  assert.deepEqual([...got.loss.data].map(Math.abs), [1000, 0]);
  assert.deepEqual([...got.slope.data], [1, -1, 0, 0, 0, 0, 0, 0]);
});

test("full label smoothing leaves nothing of the label", async () => {
  const loss = crossEntropyOf(x, label, { labelSmoothing: 1 });
  const feeds = new Map([
    [x, { shape: [2, 4], data: [1, 2, 3, 4, 1, 2, 3, 4] }],
    [label, { shape: [2], data: [0, 3] }],
  ]);
  const { loss: got } = await runTensors({ loss }, feeds);
  assert.equal(got.data[0], got.data[1]);
});

test("the gradient reads the probabilities off the forward pass: one log-softmax, no second softmax", () => {
  const loss = crossEntropyOf(x, label);
  const names = sorted([loss, ...gradient(loss, [x])]).map(({ op }) => op.name);
  assert.equal(names.filter((name) => name === "logSoftmax").length, 1);
  assert.ok(!names.includes("softmax"));
});
