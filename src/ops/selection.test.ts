import assert from "node:assert/strict";
import { test } from "node:test";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import {
  cast,
  div,
  equal,
  gradient,
  greater,
  greaterOrEqual,
  isNan,
  less,
  lessOrEqual,
  log,
  not,
  where,
} from "./index.ts";

const x = input("x", ["batch", 4]);
const y = input("y", ["batch", 3]);
const whole = input("whole", ["batch"], "int32");
const text = input("text", ["batch"], "string");

refuses("selection", [
  [
    "a comparison of two dtypes",
    () => less(whole, input("line", ["batch"])),
    `less: expected both sides of one dtype, got int32 and float32. Fix: cast one side: cast(x, "int32")`,
  ],
  [
    "a comparison of shapes that do not broadcast",
    () => greaterOrEqual(x, y),
    "greaterOrEqual: expected shapes that broadcast (equal, or 1, from the last axis on), got [batch, 4] and [batch, 3]. Fix: reshape one side so that axis -1 matches: 4 against 3",
  ],
  [
    "an order of strings",
    () => lessOrEqual(text, text),
    `lessOrEqual: expected a float32, float64, int32, int64 or uint8 tensor, got string. Fix: cast first: cast(x, "float32")`,
  ],
  [
    "an order of booleans",
    () => greater(less(x, 0), less(x, 1)),
    `greater: expected a float32, float64, int32, int64 or uint8 tensor, got bool. Fix: cast first: cast(x, "float32")`,
  ],
  [
    "numbers that are swapped as if they were booleans",
    () => not(x),
    "not: expected a boolean condition, got float32. Fix: compare first: greater(x, 0)",
  ],
  [
    "numbers as a condition",
    () => where(x, 1, 0),
    "where: expected a boolean condition, got float32. Fix: compare first: greater(x, 0)",
  ],
  [
    "choices of two dtypes",
    () => where(less(whole, 0), whole, input("line", ["batch"])),
    `where: expected both sides of one dtype, got int32 and float32. Fix: cast one side: cast(x, "int32")`,
  ],
  [
    "choices that do not broadcast to the condition",
    () => where(less(x, 0), y, 0),
    "where: expected shapes that broadcast (equal, or 1, from the last axis on), got [batch, 4] and [batch, 3]. Fix: reshape one side so that axis -1 matches: 4 against 3",
  ],
  [
    "booleans as choices",
    () => where(less(x, 0), less(x, 1), less(x, 2)),
    `where: expected a float32, float64, int32, int64, uint8 or string tensor, got bool. Fix: cast first: cast(x, "float32")`,
  ],
  [
    "a search for NaN in whole numbers",
    () => isNan(whole),
    `isNan: expected a float32 or float64 tensor, got int32. Fix: cast first: cast(x, "float32")`,
  ],
]);

const list = input("list", [4]);
const feeds = new Map([[list, { shape: [4], data: [Number.NaN, -1.7, 0, 1.7] }]]);

test("NaN is neither less, greater nor equal, not even to itself", async () => {
  const got = await runTensors(
    { less: less(list, 1), greater: greaterOrEqual(list, -9), equal: equal(list, list), isNan: isNan(list) },
    feeds,
  );
  assert.deepEqual([...got.less.data], [0, 1, 1, 0]);
  assert.deepEqual([...got.greater.data], [0, 1, 1, 1]);
  assert.deepEqual([...got.equal.data], [0, 1, 1, 1]);
  assert.deepEqual([...got.isNan.data], [1, 0, 0, 0]);
});

test("floats become whole numbers towards zero, and a cast to the same dtype is no node", async () => {
  const finite = new Map([[list, { shape: [4], data: [-1.7, -0.2, 0.9, 1.7] }]]);
  const got = await runTensors({ whole: cast(list, "int32") }, finite);
  assert.deepEqual([...got.whole.data], [-1, 0, 0, 1]);
  assert.equal(cast(list, "float32"), list);
});

test("a NaN that was not taken does no harm, forwards and backwards", async () => {
  const filled = where(isNan(list), 5, list);
  const [slope] = gradient(filled, [list]);
  const got = await runTensors({ filled, slope: slope! }, feeds);
  assert.deepEqual(
    [...got.filled.data].map((value) => Math.fround(value)),
    [5, -1.7, 0, 1.7].map(Math.fround),
  );
  assert.deepEqual([...got.slope.data], [0, 1, 1, 1]);
});

test("an infinite derivative behind a choice that was not taken does harm: guard the argument, not the result", async () => {
  const isPositive = greater(list, 0);
  const [harmed] = gradient(where(isPositive, log(list), 0), [list]);
  const [guarded] = gradient(where(isPositive, log(where(isPositive, list, 1)), 0), [list]);
  const got = await runTensors({ harmed: harmed!, guarded: guarded! }, feeds);
  assert.ok(Number.isNaN(got.harmed.data[2])); // 0 · (1 / 0)
  assert.equal(got.guarded.data[2], 0);
});

test("comparisons and whole numbers stop gradients", () => {
  for (const stopped of [cast(less(list, 0), "float32"), cast(cast(list, "int32"), "float32")]) {
    const [slope] = gradient(div(stopped, 2), [list]) as [Tensor]; // one target, one gradient
    assert.equal(slope.op.name, "fill");
  }
});
