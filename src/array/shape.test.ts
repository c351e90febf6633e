import assert from "node:assert/strict";
import { test } from "node:test";
import { refuses } from "../../test/reference/refusals.ts";
import {
  batchDim,
  broadcastShapes,
  concrete,
  concreteDim,
  type Dim,
  elementCount,
  factorOf,
  formatShape,
  isBatchDim,
  normalizeAxis,
  productDim,
  sameShape,
} from "./shape.ts";

refuses("a shape", [
  [
    "two dimensions that grow with the microbatch, multiplied",
    () => productDim(["batch", 2, "batch*3"], "flatten"),
    "flatten: expected at most one dimension that grows with the microbatch, got [batch, 2, batch*3]. Fix: reduce one of them first",
  ],
  [
    "sizes that do not broadcast",
    () => broadcastShapes([2, 3], [3, 3], "add"),
    "add: expected shapes that broadcast (equal, or 1, from the last axis on), got [2, 3] and [3, 3]. Fix: reshape one side so that axis -2 matches: 2 against 3",
  ],
  [
    "the microbatch beside a number",
    () => broadcastShapes(["batch", 3], [8, 3], "add"),
    "add: expected shapes that broadcast (equal, or 1, from the last axis on), got [batch, 3] and [8, 3]. Fix: reshape one side so that axis -2 matches: batch against 8",
  ],
  [
    "the microbatch beside a multiple of it",
    () => broadcastShapes(["batch"], ["batch*2"], "add"),
    "add: expected shapes that broadcast (equal, or 1, from the last axis on), got [batch] and [batch*2]. Fix: reshape one side so that axis -1 matches: batch against batch*2",
  ],
  [
    "an axis beyond the last",
    () => normalizeAxis(2, 2, "softmax"),
    "softmax: expected an axis from -2 to 1, got 2. Fix: use -1 for the last axis",
  ],
  [
    "an axis before the first",
    () => normalizeAxis(-3, 2, "softmax"),
    "softmax: expected an axis from -2 to 1, got -3. Fix: use -1 for the last axis",
  ],
  [
    "an axis that is no whole number",
    () => normalizeAxis(Number.NaN, 2, "softmax"),
    "softmax: expected an axis from -2 to 1, got NaN. Fix: use -1 for the last axis",
  ],
  [
    "an axis of a scalar",
    () => normalizeAxis(-1, 0, "softmax"),
    "softmax: expected a tensor with axes, got a scalar. Fix: reshape it to [1] first",
  ],
]);

test("a dimension is a number, or a multiple of the number of samples", () => {
  const dims: readonly Dim[] = [7, "batch", "batch*4"];
  assert.deepEqual(dims.map(isBatchDim), [false, true, true]);
  assert.deepEqual(dims.map(factorOf), [7, 1, 4]);
  assert.deepEqual(
    dims.map((dim) => concreteDim(dim, 3)),
    [7, 3, 12],
  );
  assert.deepEqual([batchDim(1), batchDim(4)], ["batch", "batch*4"]);
});

test("a shape becomes numbers, and a count, for a number of samples", () => {
  assert.deepEqual(concrete(["batch", 2, 5], 3), [3, 2, 5]);
  assert.equal(elementCount(["batch*2", 5], 3), 30);
  assert.equal(elementCount([]), 1);
  assert.equal(elementCount([4, 0]), 0);
});

test("dimensions multiply, and one of them may grow", () => {
  assert.equal(productDim([2, 3], "here"), 6);
  assert.equal(productDim(["batch", 3], "here"), "batch*3");
  assert.equal(productDim([2, "batch*3", 4], "here"), "batch*24");
  assert.equal(productDim(["batch"], "here"), "batch");
  assert.equal(productDim([], "here"), 1);
});

test("shapes are the same dimension by dimension", () => {
  assert.ok(sameShape(["batch", 3], ["batch", 3]));
  assert.ok(sameShape([], []));
  assert.ok(!sameShape(["batch", 3], ["batch", 4]));
  assert.ok(!sameShape(["batch"], ["batch", 1]));
  assert.ok(!sameShape(["batch"], [1]));
});

test("shapes read like lists", () => {
  assert.equal(formatShape(["batch", 3]), "[batch, 3]");
  assert.equal(formatShape([]), "[]");
});

test("broadcasting aligns at the last axis, stretches 1 and does not care about the order", () => {
  const cases: readonly [a: readonly Dim[], b: readonly Dim[], result: readonly Dim[]][] = [
    [["batch", 3], [3], ["batch", 3]],
    [
      ["batch", 1],
      [1, 3],
      ["batch", 3],
    ],
    [[], ["batch"], ["batch"]],
    [[1, 1, 1], ["batch"], [1, 1, "batch"]],
    [
      [2, 1, 4],
      [3, 1],
      [2, 3, 4],
    ],
    [["batch*2"], [1], ["batch*2"]],
    [[], [], []],
  ];
  for (const [a, b, result] of cases) {
    assert.deepEqual(broadcastShapes(a, b, "here"), result);
    assert.deepEqual(broadcastShapes(b, a, "here"), result);
  }
});

test("an axis may count from the end", () => {
  assert.deepEqual(
    [0, 1, 2, -1, -2, -3].map((axis) => normalizeAxis(axis, 3, "here")),
    [0, 1, 2, 2, 1, 0],
  );
});
