import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluate } from "../../test/reference/evaluate.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { sorted } from "../graph/walk.ts";
import {
  accumulate,
  add,
  affine,
  cast,
  fill,
  gather,
  gemm,
  gradient,
  matmul,
  reshape,
  scatterAdd,
  sum,
  sumRows,
} from "./index.ts";

const x = input("x", ["batch", 4]);
const vector = input("vector", [4]);

refuses("a product", [
  [
    "a vector",
    () => matmul(vector, x),
    "matmul: expected two tensors of at least two axes, got [4] and [batch, 4]. Fix: reshape a vector to [1, k] or [k, 1]",
  ],
  [
    "inner sizes that differ",
    () => matmul(x, input("w", [3, 2])),
    "matmul: expected inner sizes to agree, got 4 in [batch, 4] and 3 in [3, 2]. Fix: give the right side 4 where it has 3, or the left side 3 where it has 4",
  ],
  [
    "inner sizes that differ in a batched product",
    () => matmul(input("a", ["batch", 2, 4]), input("b", ["batch", 3, 4])),
    "matmul: expected inner sizes to agree, got 4 in [batch, 2, 4] and 3 in [batch, 3, 4]. Fix: give the right side 4 where it has 3, or the left side 3 where it has 4",
  ],
  [
    "leading axes that do not broadcast",
    () => matmul(input("a", [2, 2, 4]), input("b", [3, 4, 5])),
    "matmul: expected shapes that broadcast (equal, or 1, from the last axis on), got [2] and [3]. Fix: reshape one side so that axis -1 matches: 2 against 3",
  ],
  [
    "whole numbers",
    () => matmul(x, cast(input("w", [4, 2]), "int32")),
    `matmul: expected a float32 or float64 tensor, got int32. Fix: cast first: cast(x, "float32")`,
  ],
  [
    "more than two axes in gemm",
    () => gemm(input("a", [2, 2, 4]), x),
    "gemm: expected two tensors of two axes, got [2, 2, 4] and [batch, 4]. Fix: use matmul for more axes",
  ],
  [
    "a weight of the wrong width",
    () => affine(x, input("w", [2, 3])),
    "matmul: expected inner sizes to agree, got 4 in [batch, 4] and 3 in [2, 3]. Fix: give the right side 4 where it has 3, or the left side 3 where it has 4",
  ],
  [
    "a weight that is no matrix",
    () => affine(x, vector),
    "affine: expected x with at least one axis and a weight [out, in], got [batch, 4] and [4]. Fix: reshape the weight to [out, in]",
  ],
  [
    "a scalar",
    () => affine(input("scalar", []), input("w", [2, 1])),
    "affine: expected x with at least one axis and a weight [out, in], got [] and [2, 1]. Fix: reshape x to [1]",
  ],
  [
    "a bias of the wrong size",
    () => affine(x, input("w", [2, 4]), input("b", [3])),
    "matmul: expected a summand that stretches to [batch, 2], got [3]. Fix: only axes of size 1 stretch; reshape or reduce it first",
  ],
  [
    "a bias that is larger than the product, which Gemm would not stretch",
    () => affine(x, input("w", [1, 4]), input("b", [3])),
    "matmul: expected a summand that stretches to [batch, 1], got [3]. Fix: only axes of size 1 stretch; reshape or reduce it first",
  ],
  [
    "two axes that grow with the microbatch",
    () => affine(input("a", ["batch", "batch", 4]), input("w", [2, 4])),
    "matmul: expected at most one dimension that grows with the microbatch, got [batch, batch]. Fix: reduce one of them first",
  ],
]);

const opsOf = (output: Tensor) =>
  sorted([output]).flatMap(({ leaf, op }) => (leaf === undefined ? [op.name] : []));

test("a product with a matrix flattens the leading axes, and a vector comes out as a vector", () => {
  const w = input("w", [2, 4]);
  assert.deepEqual(affine(input("a", ["batch", 3, 4]), w).shape, ["batch", 3, 2]);
  assert.deepEqual(affine(vector, w).shape, [2]);
  assert.deepEqual(opsOf(affine(x, w)), ["gemm"]);
});

test("adding to a product's sum costs no node of its own", () => {
  const w = input("w", [2, 4]);
  const loss = affine(x, w, input("b", [2]));
  const [weight, bias] = gradient(loss, [w, loss.inputs[2]!]) as [Tensor, Tensor]; // two targets, two gradients
  const weightSum = accumulate(input("weightSum", [2, 4]), weight);
  assert.equal(weightSum.op.name, "gemm");
  assert.equal(weightSum.inputs.length, 3);
  const biasSum = accumulate(input("biasSum", [2]), bias);
  assert.deepEqual([biasSum.op.name, biasSum.inputs[0]!.inputs.length], ["reshape", 3]);
  assert.ok(!opsOf(biasSum).includes("add"));
});

test("rows scattered into zeros are scattered into the sum instead", () => {
  const table = input("table", [5, 2]);
  const index = input("index", ["batch"], "int32");
  const [rows] = gradient(gather(table, index), [table]);
  const into = input("into", [5, 2]);
  const total = accumulate(into, rows!);
  assert.deepEqual([total.op.name, total.inputs[0]], ["scatterAdd", into]);
});

test("accumulating gives the sum plus the value, whatever made the value", () => {
  const [index, table] = [input("index", ["batch"], "int32"), input("table", [2, 2])];
  const [a, into] = [input("a", ["batch", 2]), input("into", [2, 2])];
  const feeds = new Map<Tensor, { shape: number[]; data: number[] }>([
    [index, { shape: [3], data: [0, 1, 1] }],
    [table, { shape: [2, 2], data: [1, 2, 3, 4] }],
    [a, { shape: [3, 2], data: [1, 2, 3, 4, 5, 6] }],
    [into, { shape: [2, 2], data: [10, 20, 30, 40] }],
  ]);
  const product = gemm(a, a, { transposeA: true });
  const values: Tensor[] = [
    product,
    gradient(gather(table, index), [table], a)[0]!,
    scatterAdd(table, index, a), // rows scattered into something else than zeros
    add(product, table), // no summand can be slipped in here
    gemm(a, a, { transposeA: true, summand: table }), // the place of the summand is taken
    fill([2, 2], 3),
  ];
  for (const value of values) {
    const [got, want] = evaluate([accumulate(into, value), add(value, into)], feeds);
    assert.deepEqual(got, want);
  }
  const rowSum = sumRows(a);
  const row = input("row", [2]);
  const [got, want] = evaluate(
    [accumulate(row, rowSum), add(row, reshape(sum(a, { axes: [0] }), [2]))],
    new Map([...feeds, [row, { shape: [2], data: [7, 8] }]]),
  );
  assert.deepEqual(got, want);
});
