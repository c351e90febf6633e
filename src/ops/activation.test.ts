import assert from "node:assert/strict";
import { test } from "node:test";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { input } from "../graph/tensor.ts";
import { sorted } from "../graph/walk.ts";
import {
  gelu,
  gradient,
  leakyRelu,
  logSoftmax,
  relu,
  sigmoid,
  silu,
  softmax,
  softplus,
  tanh,
} from "./index.ts";

const x = input("x", ["batch", 4]);
const whole = input("whole", ["batch"], "int32");

refuses("an activation", [
  [
    "whole numbers",
    () => relu(whole),
    `relu: expected a float32 or float64 tensor, got int32. Fix: cast first: cast(x, "float32")`,
  ],
  [
    "whole numbers in silu, in silu's name",
    () => silu(whole),
    `silu: expected a float32 or float64 tensor, got int32. Fix: cast first: cast(x, "float32")`,
  ],
  [
    "strings",
    () => gelu(input("text", [2], "string")),
    `gelu: expected a float32 or float64 tensor, got string. Fix: cast first: cast(x, "float32")`,
  ],
  [
    "a slope that is no number",
    () => leakyRelu(x, Number.NaN),
    "leakyRelu: expected a finite slope, got NaN. Fix: for example 0.01",
  ],
  [
    "an axis that is not there",
    () => softmax(x, 2),
    "softmax: expected an axis from -2 to 1, got 2. Fix: use -1 for the last axis",
  ],
  [
    "the axis of a scalar",
    () => logSoftmax(input("scalar", [])),
    "logSoftmax: expected a tensor with axes, got a scalar. Fix: reshape it to [1] first",
  ],
]);

const list = input("list", [4]);
const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
const fed = (...data: number[]) => new Map([[list, { shape: [4], data }]]);

test("at the kink the gradient of relu is 0 and of leaky relu its slope", async () => {
  const [hard] = gradient(relu(list), [list]);
  const [soft] = gradient(leakyRelu(list, 0.25), [list]);
  const [negative] = gradient(leakyRelu(list, -0.5), [list]);
  const got = await runTensors({ hard: hard!, soft: soft!, negative: negative! }, fed(-1, 0, 1, 2));
  assert.deepEqual([...got.hard.data], [0, 0, 1, 1]);
  assert.deepEqual([...got.soft.data], [0.25, 0.25, 1, 1]);
  assert.deepEqual([...got.negative.data], [-0.5, -0.5, 1, 1]);
});

test("NaN passes through every activation, so that it is found in the loss", async () => {
  const outputs = {
    relu: relu(list),
    leakyRelu: leakyRelu(list),
    gelu: gelu(list),
    silu: silu(list),
    tanh: tanh(list),
    sigmoid: sigmoid(list),
    softplus: softplus(list),
    softmax: softmax(list),
    logSoftmax: logSoftmax(list),
  };
  const got = await runTensors(outputs, fed(nan, 1, 2, 3));
  for (const [name, { data }] of Object.entries(got)) assert.ok(Number.isNaN(data[0]), name);
});

test("large numbers do not overflow", async () => {
  const outputs = { sigmoid: sigmoid(list), softplus: softplus(list), softmax: softmax(list) };
  const got = await runTensors(outputs, fed(-1000, -1000, 1000, 1000));
  assert.deepEqual([...got.sigmoid.data], [0, 0, 1, 1]);
  assert.deepEqual([...got.softplus.data], [0, 0, 1000, 1000]);
  assert.deepEqual([...got.softmax.data], [0, 0, 0.5, 0.5]);
  const { rows } = await runTensors({ rows: logSoftmax(list) }, fed(-1000, -1000, 1000, -1000));
  assert.deepEqual([...rows.data], [-2000, -2000, 0, -2000]);
});

test("a row that is masked everywhere is NaN with −∞ and uniform with −1e9", async () => {
  const { masked } = await runTensors(
    { masked: softmax(list) },
    fed(-infinity, -infinity, -infinity, -infinity),
  );
  assert.ok(masked.data.every(Number.isNaN));
  const { even } = await runTensors({ even: softmax(list) }, fed(-1e9, -1e9, -1e9, -1e9));
  assert.deepEqual([...even.data], [0.25, 0.25, 0.25, 0.25]);
});

test("silu's gradient reads the sigmoid of the forward pass", () => {
  const y = silu(list);
  const names = sorted([y, ...gradient(y, [list])]).map(({ op }) => op.name);
  assert.equal(names.filter((name) => name === "sigmoid").length, 1);
});

test("far below 0 softplus is right relatively, the sigmoid absolutely", async () => {
  const got = await runTensors({ softplus: softplus(list), sigmoid: sigmoid(list) }, fed(-30, -18, -16, -12));
  [-30, -18, -16, -12].forEach((at, index) => {
    // A few roundings of float32 (6e-8 each).
    assert.ok(Math.abs(got.softplus.data[index]! / Math.log1p(Math.exp(at)) - 1) < 5e-7, `softplus(${at})`);
    assert.ok(Math.abs(got.sigmoid.data[index]! - 1 / (1 + Math.exp(-at))) < 1e-7, `sigmoid(${at})`);
  });
});
