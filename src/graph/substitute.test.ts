import assert from "node:assert/strict";
import { test } from "node:test";
import { add, exp, mul } from "../ops/index.ts";
import { substitute } from "./substitute.ts";
import { input } from "./tensor.ts";

test("a tensor is replaced wherever it is read, and what does not depend on it stays itself", () => {
  const [x, y, z] = ["x", "y", "z"].map((name) => input(name, ["batch"])) as [never, never, never]; // three
  const [left, right] = [exp(x), exp(y)];
  const whole = add(mul(left, x), right);
  const becomes = substitute([whole], (tensor) => (tensor === x ? z : undefined));
  const made = becomes.get(whole)!;
  assert.equal(becomes.get(right), right);
  assert.deepEqual(made, add(mul(exp(z), z), right));
  assert.equal(made.inputs[0]!.inputs[0], becomes.get(left));
});

test("what replaces a tensor sees its new inputs", () => {
  const [x, z] = [input("x", ["batch"]), input("z", ["batch"])];
  const becomes = substitute([exp(x)], (tensor, inputs) => {
    if (tensor === x) return z;
    return tensor.op.name === "exp" ? mul(inputs[0]!, 2) : undefined;
  });
  assert.deepEqual([...becomes.values()], [z, mul(z, 2)]);
});
