import assert from "node:assert/strict";
import { test } from "node:test";
import { add, exp, gradient, mul, neg } from "../ops/index.ts";
import { peakBytes } from "./memory.ts";
import { buildProgram } from "./program.ts";
import { constant, input, parameter, type Tensor } from "./tensor.ts";
import { inputsOf, parametersOf, sorted } from "./walk.ts";

const zeros = { name: "zeros", fill: () => undefined };
const x = input("x", ["batch"]);
const y = input("y", ["batch"]);

test("every tensor comes once, after its inputs", () => {
  const shared = exp(x);
  const outputs = [add(mul(shared, shared), y), neg(shared)];
  const order = sorted(outputs);
  assert.equal(new Set(order).size, order.length);
  assert.equal(order.length, 6);
  for (const tensor of order) {
    for (const value of tensor.inputs) assert.ok(order.indexOf(value) < order.indexOf(tensor));
  }
});

test("the order depends on the expression alone, first inputs first", () => {
  const make = () => add(mul(neg(x), y), exp(x));
  const names = (tensor: Tensor) => sorted([tensor]).map(({ op }) => op.name);
  assert.deepEqual(names(make()), ["input", "neg", "input", "mul", "exp", "add"]);
  assert.deepEqual(names(make()), names(make()));
});

test("an output that another output is made of comes once", () => {
  const inner = exp(x);
  assert.deepEqual(sorted([inner, neg(inner), inner]).length, 3);
  assert.deepEqual(sorted([]), []);
});

test("parameters and inputs are found by walking, in walking order, and constants are neither", () => {
  const [first, second] = [parameter([1], zeros, "first"), parameter([1], zeros, "second")];
  const output = add(mul(x, second), add(mul(y, first), constant(2)));
  assert.deepEqual(parametersOf([output]), [second, first]);
  assert.deepEqual(inputsOf([output]), [x, y]);
  assert.deepEqual(parametersOf([x]), []);
});

test("a chain of 50 000 tensors is walked, built, measured and differentiated without overflowing the stack", () => {
  let end: Tensor = x;
  for (let count = 0; count < 50_000; count++) end = mul(end, y);
  assert.equal(sorted([end]).length, 50_002);
  const program = buildProgram({ name: "deep", outputs: { end } });
  assert.equal(program.tensors.length, 50_002);
  assert.equal(peakBytes(program, 1).bytes, 8);
  const [derivative] = gradient(end, [x]);
  assert.equal(derivative!.op.name, "mul");
  assert.ok(sorted([derivative!]).length > 50_000);
});
