import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluate } from "../../test/reference/evaluate.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { gradient } from "../ops/gradient.ts";
import { l1, l2, type Penalty } from "./penalty.ts";

const weight = input("weight", [2, 2], "float64");
const bias = input("bias", [2], "float64");
const named = [
  { name: "linear.weight", tensor: weight },
  { name: "linear.bias", tensor: bias },
];
const feeds = new Map([
  [weight, { shape: [2, 2], data: [1, -2, 0, 0.5] }],
  [bias, { shape: [2], data: [-4, 8] }],
]);

/** The penalty, and its gradients for a seed of 1. */
function measured(penalty: Penalty): { value: number; gradients: number[][] } {
  const value = penalty.value(named);
  const seed = input("seed", [], "float64");
  const gradients = gradient(value, [weight, bias], seed);
  const [total, ...rest] = evaluate(
    [value, ...gradients],
    new Map<Tensor, { shape: number[]; data: number[] }>([...feeds, [seed, { shape: [], data: [1] }]]),
  );
  return { value: total!.data[0]!, gradients: rest.map(({ data }) => [...data]) };
}

test("l1 is amount · Σ|p|, and its gradient amount · sign(p)", () => {
  assert.deepEqual(measured(l1(0.5)), {
    value: 7.75,
    gradients: [
      [0.5, -0.5, 0, 0.5],
      [-0.5, 0.5],
    ],
  });
});

test("the gradient of l2 of half an amount is PyTorch's weight decay, amount · p", () => {
  const { value, gradients } = measured(l2(0.25));
  assert.equal(value, 0.25 * (1 + 4 + 0.25 + 16 + 64));
  assert.deepEqual(gradients, [
    [0.5, -1, 0, 0.25],
    [-2, 4],
  ]);
});

test("parameters can be left out by name or shape", () => {
  const matrices = measured(l2(1, { where: (_name, shape) => shape.length > 1 }));
  assert.equal(matrices.value, 5.25);
  assert.deepEqual(matrices.gradients[1], [0, 0]);
  assert.equal(measured(l1(1, { where: (name) => name.endsWith(".bias") })).value, 12);
  assert.equal(measured(l1(1, { where: () => false })).value, 0);
});

test("a penalty records its settings", () => {
  assert.deepEqual(l1(0.1).options, { amount: 0.1, where: "all" });
  assert.deepEqual(l2(0.1, { where: () => true }).options, { amount: 0.1, where: "custom" });
});

test("an amount below 0 is refused", () => {
  assert.throws(() => l1(-1), { message: "l1: expected an amount from 0 on, got -1. Fix: for example 1e-4" });
  assert.throws(() => l2(Number.NaN), {
    message: "l2: expected an amount from 0 on, got NaN. Fix: for example 1e-4",
  });
});
