import assert from "node:assert/strict";
import { test } from "node:test";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { constant, input, type Tensor } from "../graph/tensor.ts";
import {
  abs,
  add,
  div,
  exp,
  expand,
  gradient,
  less,
  log,
  maximum,
  minimum,
  mul,
  neg,
  pow,
  sign,
  sqrt,
  square,
  sub,
} from "./index.ts";

const x = input("x", ["batch", 4]);
const whole = input("whole", ["batch"], "int32");
const text = input("text", ["batch"], "string");
const line = input("line", ["batch"]);

/** A mistake that the types catch, for callers without them. */
const untyped = (value: unknown) => value as Tensor;

refuses("arithmetic", [
  [
    "shapes that do not broadcast",
    () => add(x, input("y", ["batch", 3])),
    "add: expected shapes that broadcast (equal, or 1, from the last axis on), got [batch, 4] and [batch, 3]. Fix: reshape one side so that axis -1 matches: 4 against 3",
  ],
  [
    "samples beside columns",
    () => sub(x, line),
    "sub: expected shapes that broadcast (equal, or 1, from the last axis on), got [batch, 4] and [batch]. Fix: reshape one side so that axis -1 matches: 4 against batch",
  ],
  [
    "two dtypes",
    () => mul(line, whole),
    `mul: expected both sides of one dtype, got float32 and int32. Fix: cast one side: cast(x, "float32")`,
  ],
  [
    "a fraction beside whole numbers, which would become 0",
    () => sub(whole, 0.5),
    `constant: expected a whole number from -2147483648 to 2147483647, as an int32 tensor is on the other side, got 0.5. Fix: cast the tensor first: cast(x, "float32")`,
  ],
  [
    "a number beyond int32",
    () => add(whole, 2 ** 31),
    `constant: expected a whole number from -2147483648 to 2147483647, as an int32 tensor is on the other side, got 2147483648. Fix: cast the tensor first: cast(x, "float32")`,
  ],
  [
    "booleans",
    () => add(less(x, 0), less(x, 1)),
    `add: expected a float32, float64, int32, int64 or uint8 tensor, got bool. Fix: cast first: cast(x, "float32")`,
  ],
  [
    "strings",
    () => pow(text, text),
    `pow: expected a float32, float64, int32 or int64 tensor, got string. Fix: cast first: cast(x, "float32")`,
  ],
  [
    "null",
    () => add(x, untyped(null)),
    "add: expected a tensor or a number as argument 2, got null. Fix: pass a tensor, or a plain number for a constant",
  ],
  [
    "a missing argument",
    () => div(untyped(undefined), x),
    "div: expected a tensor or a number as argument 1, got undefined. Fix: pass a tensor, or a plain number for a constant",
  ],
  [
    "text for a tensor",
    () => exp(untyped("1")),
    "exp: expected a tensor as argument 1, got string. Fix: pass a tensor, or a plain number for a constant",
  ],
  [
    "whole numbers under a root",
    () => sqrt(whole),
    `sqrt: expected a float32 or float64 tensor, got int32. Fix: cast first: cast(x, "float32")`,
  ],
  [
    "whole numbers in a logarithm",
    () => log(whole),
    `log: expected a float32 or float64 tensor, got int32. Fix: cast first: cast(x, "float32")`,
  ],
  [
    "a negated boolean",
    () => neg(less(x, 0)),
    `neg: expected a float32, float64, int32 or int64 tensor, got bool. Fix: cast first: cast(x, "float32")`,
  ],
  [
    "the absolute value of strings",
    () => abs(text),
    `abs: expected a float32, float64, int32, int64 or uint8 tensor, got string. Fix: cast first: cast(x, "float32")`,
  ],
]);

const list = input("list", [3]);
const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
const feed = (...data: number[]) => new Map([[list, { shape: [3], data }]]);

test("NaN wins in minimum and maximum, from either side", async () => {
  const outputs = {
    least: minimum(list, 1),
    most: maximum(list, 1),
    leastOfNumber: minimum(1, list),
    mostOfNumber: maximum(1, list),
  };
  const got = await runTensors(outputs, feed(nan, 0, 2));
  assert.deepEqual([...got.least.data], [nan, 0, 1]);
  assert.deepEqual([...got.most.data], [nan, 1, 2]);
  assert.deepEqual([...got.leastOfNumber.data], [nan, 0, 1]);
  assert.deepEqual([...got.mostOfNumber.data], [nan, 1, 2]);
});

test("at a tie the whole gradient of minimum and maximum goes to the first", async () => {
  const other = input("other", [3]);
  const feeds = new Map([...feed(1, 2, 3), [other, { shape: [3], data: [1, 3, 2] }] as const]);
  const [a, b] = gradient(maximum(list, other), [list, other]) as [Tensor, Tensor]; // two targets, two gradients
  const [c, d] = gradient(minimum(list, other), [list, other]) as [Tensor, Tensor];
  const got = await runTensors({ a, b, c, d }, feeds);
  assert.deepEqual(
    [[...got.a.data], [...got.b.data]],
    [
      [1, 0, 1],
      [0, 1, 0],
    ],
  );
  assert.deepEqual(
    [[...got.c.data], [...got.d.data]],
    [
      [1, 1, 0],
      [0, 0, 1],
    ],
  );
});

test("roots, logarithms and quotients end where the docstrings say", async () => {
  const outputs = { root: sqrt(list), logarithm: log(list), quotient: div(list, 0), signs: sign(list) };
  const got = await runTensors(outputs, feed(-1, 0, 4));
  assert.deepEqual([...got.root.data], [nan, 0, 2]);
  assert.deepEqual([...got.logarithm.data].slice(0, 2), [nan, -infinity]);
  assert.deepEqual([...got.quotient.data], [-infinity, nan, infinity]);
  assert.deepEqual([...got.signs.data], [-1, 0, 1]);
});

test("the gradient of the absolute value at 0 is 0, of the root infinite", async () => {
  const [slope] = gradient(abs(list), [list]);
  const [steep] = gradient(sqrt(list), [list]);
  const got = await runTensors({ slope: slope!, steep: steep! }, feed(-2, 0, 4));
  assert.deepEqual([...got.slope.data], [-1, 0, 1]);
  assert.deepEqual([...got.steep.data].slice(1), [infinity, 0.25]);
});

test("the sign stops gradients", () => {
  const [slope] = gradient(mul(sign(list), 3), [list]);
  assert.equal(slope!.op.name, "fill");
});

test("a plain number takes the dtype of the other side", () => {
  assert.deepEqual(
    [add(whole, 1).dtype, add(1, whole).dtype, add(1, 2).dtype],
    ["int32", "int32", "float32"],
  );
  const bytes = input("bytes", [2], "uint8");
  assert.deepEqual([mul(bytes, 255).dtype, sub(input("long", [2], "int64"), 1).dtype], ["uint8", "int64"]);
});

test("the square is one multiplication by itself", () => {
  const { op, inputs } = square(list);
  assert.deepEqual([op.name, inputs[0] === list && inputs[1] === list], ["mul", true]);
});

test("a stretched operand is not stretched before an op that stretches by itself", () => {
  const row = input("row", [1, 4]);
  const sum = add(x, expand(row, ["batch", 4]));
  assert.deepEqual([sum.inputs[1], sum.shape], [row, ["batch", 4]]);
  // Here the stretching makes the shape, so it stays.
  const wide = expand(row, ["batch", 4]);
  assert.equal(add(wide, constant(1)).inputs[0], wide);
});
