import assert from "node:assert/strict";
import { test } from "node:test";
import { add, cast, exp, greater, mul, neg, reshape, sum } from "../ops/index.ts";
import { bytesOf, peakBytes, runOrder } from "./memory.ts";
import { buildProgram } from "./program.ts";
import { input, type Tensor } from "./tensor.ts";

const x = input("x", ["batch", 10]);
const peak = (outputs: Record<string, Tensor>, batch = 1) => {
  const { bytes, at } = peakBytes(buildProgram({ name: "p", outputs }), batch);
  return [bytes, at?.op.name];
};

test("bytes grow with the microbatch and with the size of an element", () => {
  assert.equal(bytesOf(x, 3), 120);
  assert.equal(bytesOf(cast(x, "float64"), 3), 240);
  assert.equal(bytesOf(greater(x, 0), 3), 30);
  assert.equal(bytesOf(sum(x), 3), 4);
});

test("inputs and outputs belong to others and do not count", () => {
  assert.deepEqual(peak({ y: exp(x) }), [0, undefined]);
  assert.deepEqual(peak({ x2: x }), [0, undefined]);
});

test("a tensor lives until its last reader, so a chain holds two at a time", () => {
  let end: Tensor = x;
  for (let count = 0; count < 10; count++) end = exp(end);
  assert.deepEqual(peak({ end }), [80, "exp"]);
  assert.deepEqual(peak({ end }, 4), [320, "exp"]);
});

test("what is read again at the end is held meanwhile", () => {
  const early = exp(x);
  const late = add(neg(neg(neg(early))), early);
  // early and two of the three negations.
  assert.deepEqual(peak({ late }), [120, "neg"]);
});

test("a tensor read twice by one node is freed once", () => {
  const square = (value: Tensor) => mul(value, value);
  const early = square(square(x));
  // As above; freeing the inner square twice would hide 40 bytes.
  assert.deepEqual(peak({ end: add(neg(neg(neg(early))), early) }), [120, "neg"]);
});

test("a reshaped tensor is the same memory under another shape", () => {
  const flat = reshape(exp(x), ["batch*10"]);
  assert.deepEqual(peak({ end: sum(neg(flat)) }), [80, "neg"]);
  // The other shape keeps the elements alive: two results are read at the end, and neg(flat) beside them.
  assert.deepEqual(peak({ end: sum(add(neg(neg(flat)), flat)) }), [120, "neg"]);
  // A reshaped output is an output.
  assert.deepEqual(peak({ flat, end: sum(neg(flat)) }), [40, "neg"]);
});

test("nodes run back from the last result, the latest input first", () => {
  const [a, b] = [exp(x), neg(x)];
  const early = sum(mul(b, a));
  const late = add(a, b);
  const program = buildProgram({ name: "p", outputs: { early, late } });
  assert.deepEqual(
    program.tensors.filter(({ leaf }) => leaf === undefined).map(({ op }) => op.name),
    ["neg", "exp", "mul", "sum", "add"],
  );
  assert.deepEqual(
    runOrder(program).map(({ op }) => op.name),
    ["exp", "neg", "add", "mul", "sum"],
  );
});
