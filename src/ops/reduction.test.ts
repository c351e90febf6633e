import assert from "node:assert/strict";
import { test } from "node:test";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { input } from "../graph/tensor.ts";
import { argMax, cast, gradient, less, max, mean, min, mul, sum } from "./index.ts";

const x = input("x", ["batch", 4]);
const scalar = input("scalar", []);

refuses("a reduction", [
  [
    "the mean over samples",
    () => mean(x),
    "mean: expected axes of fixed size, got axis 0, which is batch. Fix: return one number per sample; the trainer divides by the weights once per step",
  ],
  [
    "the mean over a flattened batch",
    () => mean(input("flat", ["batch*2", 3]), { axes: [0] }),
    "mean: expected axes of fixed size, got axis 0, which is batch*2. Fix: return one number per sample; the trainer divides by the weights once per step",
  ],
  [
    "an axis that is not there",
    () => sum(x, { axes: [2] }),
    "sum: expected an axis from -2 to 1, got 2. Fix: use -1 for the last axis",
  ],
  [
    "an axis that is no whole number",
    () => min(x, { axes: [0.5] }),
    "min: expected an axis from -2 to 1, got 0.5. Fix: use -1 for the last axis",
  ],
  [
    "an axis of a scalar",
    () => max(scalar, { axes: [0] }),
    "max: expected a tensor with axes, got a scalar. Fix: reshape it to [1] first",
  ],
  [
    "booleans, which would not be counted",
    () => sum(less(x, 0)),
    `sum: expected a float32, float64, int32 or int64 tensor, got bool. Fix: cast first: cast(x, "float32")`,
  ],
  [
    "strings",
    () => max(input("text", ["batch"], "string")),
    `max: expected a float32, float64, int32 or int64 tensor, got string. Fix: cast first: cast(x, "float32")`,
  ],
  [
    "the largest sample, whose place depends on how the batch is cut",
    () => argMax(x, { axis: 0 }),
    "argMax: expected an axis of fixed size, got axis 0 of [batch, 4]. Fix: take the largest of each sample: argMax(x) along the last axis",
  ],
  [
    "the position of the largest of integers that ONNX Runtime does not compare",
    () => argMax(input("long", ["batch", 4], "int64")),
    `argMax: expected a float32, float64, int32 or uint8 tensor, got int64. Fix: cast first: cast(x, "float32")`,
  ],
  [
    "the position of the largest of nothing",
    () => argMax(scalar),
    "argMax: expected a tensor with axes, got a scalar. Fix: reshape it to [1] first",
  ],
]);

const rows = input("rows", [2, 3]);
const fed = (...data: number[]) => new Map([[rows, { shape: [2, 3], data }]]);

test("without axes everything is reduced, and a scalar is its own sum", () => {
  assert.deepEqual(sum(rows).shape, []);
  assert.deepEqual(sum(rows, { keepDims: true }).shape, [1, 1]);
  assert.equal(sum(scalar), scalar);
});

test("axes may come twice, in any order and from either end", () => {
  const { attributes, shape } = sum(input("cube", ["batch", 2, 3]), { axes: [-1, 1, 2] });
  assert.deepEqual([attributes, shape], [{ axes: [1, 2], keepDims: false }, ["batch"]]);
});

test("ties share the gradient of the extreme equally", async () => {
  const [most] = gradient(max(rows, { axes: [1] }), [rows]);
  const [least] = gradient(min(rows, { axes: [1] }), [rows]);
  const got = await runTensors({ most: most!, least: least! }, fed(1, 2, 2, 3, 3, 3));
  const third = Math.fround(1 / 3);
  assert.deepEqual([...got.most.data], [0, 0.5, 0.5, third, third, third]);
  assert.deepEqual([...got.least.data], [1, 0, 0, third, third, third]);
});

test("ONNX Runtime's largest element skips NaN, its sum does not", async () => {
  const got = await runTensors(
    { most: max(rows, { axes: [1] }), total: sum(rows, { axes: [1] }) },
    fed(1, Number.NaN, 2, 1, 2, 3),
  );
  assert.deepEqual([...got.most.data], [2, 3]);
  assert.deepEqual([...got.total.data], [Number.NaN, 6]);
});

test("argMax is the first of equal ones, in rows of any length", async () => {
  // Kernels compare several elements at once; lengths around their widths, and values of which most occur often.
  for (const size of [1, 3, 4, 8, 15, 16, 17, 33, 100]) {
    const wide = input("wide", ["batch", size]);
    const data = Array.from({ length: 20 * size }, (_, at) => (at * at * 7 + at) % 4);
    const { first } = await runTensors(
      { first: argMax(wide) },
      new Map([[wide, { shape: [20, size], data }]]),
    );
    const expected = Array.from({ length: 20 }, (_, row) => {
      const line = data.slice(row * size, (row + 1) * size);
      return line.indexOf(Math.max(...line));
    });
    assert.deepEqual([first.dtype, ...first.data], ["int32", ...expected], `${size} elements`);
  }
});

test("a position has no gradient: what is made of it is a constant to the walk back", () => {
  const position = cast(argMax(rows), "float32");
  const [dx] = gradient(mul(sum(rows, { axes: [1] }), position), [rows]);
  assert.deepEqual(dx!.shape, [2, 3]);
  const [none] = gradient(position, [rows]);
  assert.equal(none!.op.name, "fill");
});
