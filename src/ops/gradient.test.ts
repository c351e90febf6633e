import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluate } from "../../test/reference/evaluate.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { sorted } from "../graph/walk.ts";
import { add, exp, gradient, less, mul, sub, sum } from "./index.ts";

const x = input("x", ["batch", 2]);
const y = input("y", ["batch", 2]);
const feeds = new Map([
  [x, { shape: [2, 2], data: [1, 2, 3, 4] }],
  [y, { shape: [2, 2], data: [5, 6, 7, 8] }],
]);
const values = (...tensors: Tensor[]) => evaluate(tensors, feeds).map(({ data }) => [...data]);

refuses("a gradient", [
  [
    "a seed of another shape",
    () => gradient(x, [x], input("seed", ["batch", 3])),
    "gradient: expected a seed of shape [batch, 2], got [batch, 3]. Fix: expand or reshape the seed",
  ],
  [
    "something that is no float",
    () => gradient(less(x, 0), [x]),
    `gradient: expected a float32 or float64 tensor, got bool. Fix: cast first: cast(x, "float32")`,
  ],
]);

test("a tensor that is used twice gets both parts", () => {
  assert.deepEqual(values(...gradient(mul(x, add(x, y)), [x])), [[7, 10, 13, 16]]); // 2x + y
});

test("a target that is not reached gets zeros of its own shape", () => {
  const [zeros] = gradient(exp(x), [y]) as [Tensor]; // one target, one gradient
  assert.deepEqual(zeros.shape, y.shape);
  assert.deepEqual(evaluate([zeros], feeds)[0]!.data, new Float64Array(4));
});

test("the target may be the tensor itself, or lie in the middle", () => {
  const middle = exp(x);
  assert.deepEqual(values(...gradient(x, [x])), [[1, 1, 1, 1]]);
  assert.deepEqual(values(...gradient(mul(middle, y), [middle])), [[5, 6, 7, 8]]);
});

test("the seed weighs the elements, and without one each counts once", () => {
  const seed = sub(y, 4);
  assert.deepEqual(values(...gradient(mul(x, 10), [x], seed)), [[10, 20, 30, 40]]);
  assert.deepEqual(values(...gradient(mul(x, 10), [x])), [[10, 10, 10, 10]]);
});

test("a stretched operand gets the sum over what it was stretched along", () => {
  const row = input("row", [2]);
  const column = input("column", ["batch", 1]);
  const scalar = input("scalar", []);
  const more = new Map<Tensor, { shape: number[]; data: number[] }>([
    ...feeds,
    [row, { shape: [2], data: [1, 1] }],
    [column, { shape: [2, 1], data: [1, 1] }],
    [scalar, { shape: [], data: [1] }],
  ]);
  const output = mul(mul(mul(x, row), column), scalar);
  const [byRow, byColumn, byScalar] = evaluate(gradient(output, [row, column, scalar]), more);
  assert.deepEqual([byRow!.shape, [...byRow!.data]], [[2], [4, 6]]);
  assert.deepEqual(
    [byColumn!.shape, [...byColumn!.data]],
    [
      [2, 1],
      [3, 7],
    ],
  );
  assert.deepEqual([byScalar!.shape, [...byScalar!.data]], [[], [10]]);
});

test("only what lies between the tensor and the targets is visited", () => {
  const visited = sorted(gradient(add(exp(x), exp(exp(y))), [x])).filter(({ op }) => op.name === "exp");
  assert.equal(visited.length, 1);
});

test("gradients of gradients work", () => {
  const [first] = gradient(sum(mul(mul(x, x), x)), [x]) as [Tensor]; // one target, one gradient
  const [second] = gradient(first, [x]) as [Tensor];
  assert.deepEqual(values(first, second), [
    [3, 12, 27, 48],
    [6, 12, 18, 24],
  ]);
});
