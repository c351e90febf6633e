import assert from "node:assert/strict";
import { test } from "node:test";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { input } from "../graph/tensor.ts";
import {
  add,
  cast,
  concat,
  expand,
  fill,
  flatten,
  pad,
  reshape,
  slice,
  transpose,
  zerosLike,
} from "./index.ts";

const x = input("x", ["batch", 4]);
const vector = input("vector", [4]);

refuses("moving elements", [
  [
    "another number of elements",
    () => reshape(x, ["batch", 5]),
    "reshape [batch, 4] to [batch, 5]: expected a shape of batch*4 elements, got [batch, 5]. Fix: change one dimension, or use -1 for it",
  ],
  [
    "a fixed number of samples",
    () => reshape(x, [3, 4]),
    "reshape [batch, 4] to [3, 4]: expected a shape of batch*4 elements, got [3, 4]. Fix: change one dimension, or use -1 for it",
  ],
  [
    "a rest that is no whole number",
    () => reshape(input("z", [2, 3]), [4, -1]),
    "reshape [2, 3] to [4, -1]: expected a shape of 6 elements, got [4, 1.5]. Fix: change one dimension, or use -1 for it",
  ],
  [
    "two open dimensions",
    () => reshape(x, [-1, -1]),
    "reshape [batch, 4] to [-1, -1]: expected at most one -1, got [-1, -1]. Fix: give all sizes but one",
  ],
  [
    "two dimensions that grow with the microbatch",
    () => reshape(x, ["batch", "batch"]),
    "reshape [batch, 4] to [batch, batch]: expected at most one dimension that grows with the microbatch, got [batch, batch]. Fix: reduce one of them first",
  ],
  [
    "flattening from an axis that is not there",
    () => flatten(x, 5),
    "flatten: expected an axis from -2 to 1, got 5. Fix: use -1 for the last axis",
  ],
  [
    "an order with an axis twice",
    () => transpose(x, [0, 0]),
    "transpose: expected every axis of [batch, 4] once, got [0, 0]. Fix: for example [0, 1]",
  ],
  [
    "an order with an axis left out",
    () => transpose(x, [0]),
    "transpose: expected every axis of [batch, 4] once, got [0]. Fix: for example [0, 1]",
  ],
  [
    "an order with an axis that is not there",
    () => transpose(x, [0, 2]),
    "transpose: expected an axis from -2 to 1, got 2. Fix: use -1 for the last axis",
  ],
  [
    "stretching an axis that is not 1",
    () => expand(x, ["batch", 5]),
    "expand: expected a tensor that stretches to [batch, 5], got [batch, 4]. Fix: only axes of size 1 stretch; reshape or reduce it first",
  ],
  [
    "stretching to fewer axes",
    () => expand(x, [4]),
    "expand: expected a tensor that stretches to [4], got [batch, 4]. Fix: only axes of size 1 stretch; reshape or reduce it first",
  ],
  [
    "filling an empty shape",
    () => fill([2, 0], 1),
    "fill: expected dimensions that are whole numbers from 1 on, got [2, 0]. Fix: replace 0 by a positive whole number",
  ],
  [
    "an empty range",
    () => slice(x, { start: 3, end: 2 }),
    "slice: expected 0 ≤ start < end ≤ 4, got start 3, end 2. Fix: choose a range inside axis 1 of [batch, 4]",
  ],
  [
    "a range that ends beyond the axis",
    () => slice(x, { end: 5 }),
    "slice: expected 0 ≤ start < end ≤ 4, got start 0, end 5. Fix: choose a range inside axis 1 of [batch, 4]",
  ],
  [
    "slicing samples",
    () => slice(x, { end: 5 }, 0),
    "slice: expected an axis of fixed size, got axis 0 of [batch, 4]. Fix: slice another axis",
  ],
  [
    "slicing a scalar",
    () => slice(input("scalar", []), {}),
    "slice: expected a tensor with axes, got a scalar. Fix: reshape it to [1] first",
  ],
  [
    "joining nothing",
    () => concat([]),
    "concat: expected at least one tensor, got an empty list. Fix: pass the tensors to join",
  ],
  [
    "joining tensors of different rank",
    () => concat([x, vector]),
    "concat: expected float32 [batch, 4] but for axis 1, got float32 [4]. Fix: reshape or cast it before joining",
  ],
  [
    "joining two dtypes",
    () => concat([x, cast(x, "int32")]),
    "concat: expected float32 [batch, 4] but for axis 1, got int32 [batch, 4]. Fix: reshape or cast it before joining",
  ],
  [
    "joining samples",
    () => concat([x, x], 0),
    "concat: expected an axis of fixed size, got [batch, 4]. Fix: join along another axis",
  ],
  [
    "removing elements by padding",
    () => pad(x, { before: -1 }),
    "pad: expected whole numbers from 0 on, got before -1, after 0. Fix: to remove elements use slice",
  ],
  [
    "padding samples",
    () => pad(x, { before: 1 }, 0),
    "pad: expected an axis of fixed size, got [batch, 4]. Fix: pad another axis",
  ],
  [
    "padding strings",
    () => pad(input("text", [2], "string"), { after: 1 }),
    `pad: expected a float32, float64, int32, int64, uint8 or bool tensor, got string. Fix: cast first: cast(x, "float32")`,
  ],
]);

test("what changes nothing is no node", () => {
  const same = [
    reshape(x, ["batch", -1]),
    flatten(x),
    transpose(x, [0, -1]),
    expand(x, ["batch", 4]),
    slice(x, { start: -4 }),
    concat([x]),
    pad(x, {}),
  ];
  for (const result of same) assert.equal(result, x);
});

test("an open dimension takes the microbatch where nothing else does", () => {
  assert.deepEqual(reshape(x, [-1]).shape, ["batch*4"]);
  assert.deepEqual(reshape(x, [-1, 2]).shape, ["batch*2", 2]);
  assert.deepEqual(reshape(x, [2, -1]).shape, [2, "batch*2"]);
  assert.deepEqual(reshape(input("flat", ["batch*6"]), ["batch", -1]).shape, ["batch", 6]);
  assert.deepEqual(flatten(input("cube", ["batch", 3, 8])).shape, ["batch", 24]);
  assert.deepEqual(flatten(input("line", ["batch"])).shape, ["batch", 1]);
  assert.deepEqual(flatten(input("cube", [2, 3, 8]), -2).shape, [2, 24]);
});

test("zeros have the shape and dtype of what they are like", async () => {
  const whole = input("whole", ["batch", 2], "int64");
  const zeros = zerosLike(whole);
  assert.deepEqual([zeros.shape, zeros.dtype, zerosLike(x).op.name], [["batch", 2], "int64", "fill"]);
  const got = await runTensors(
    { sum: add(whole, zeros) },
    new Map([[whole, { shape: [1, 2], data: [5, 6] }]]),
  );
  assert.deepEqual([got.sum.dtype, ...got.sum.data], ["int64", 5, 6]);
});

test("whole numbers and booleans are padded in their own dtype", async () => {
  for (const dtype of ["int32", "int64", "uint8", "bool"] as const) {
    const leaf = input("leaf", [2], dtype);
    const padded = pad(leaf, { before: 1, value: 1 });
    const got = await runTensors({ padded }, new Map([[leaf, { shape: [2], data: [0, 1] }]]));
    assert.deepEqual([got.padded.dtype, ...got.padded.data], [dtype, 1, 0, 1]);
  }
});
