import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { input, parameter, type Tensor } from "../../src/graph/tensor.ts";
import { add, exp, logSoftmax, mul, pick, reshape, softmax } from "../../src/ops/index.ts";
import { centralDifferences } from "./check.ts";
import { erf } from "./elementwise.ts";
import { evaluate, reference } from "./evaluate.ts";

const x = input("x", ["batch", 2]);
const numbers = { shape: [3, 2], data: [1, 2, 3, 4, 5, 6] };

interface Golden {
  readonly x: readonly number[];
  readonly elementwise: readonly {
    readonly name: string;
    readonly options: Readonly<Record<string, number>>;
    readonly value: readonly number[];
  }[];
  readonly rows: readonly { readonly name: string; readonly x: number[][]; readonly value: number[][] }[];
}
const golden: Golden = JSON.parse(
  await readFile(new URL("../golden/activations.json", import.meta.url), "utf8"),
);

test("the reference of every recorded activation is PyTorch's in float64", () => {
  const names = golden.elementwise.map(({ name, options, value }) => {
    const values = reference[name]!(
      [{ shape: [golden.x.length], data: Float64Array.from(golden.x) }],
      options,
      1,
    );
    golden.x.forEach((at, index) => {
      // PyTorch's own error is below 1e-14 on this list (torchError in the file).
      const gap = Math.abs(values.data[index]! - value[index]!);
      assert.ok(gap < 1e-14, `${name}(${at}) is ${values.data[index]}, recorded is ${value[index]}`);
    });
    return name;
  });
  assert.ok(names.length >= 7);
});

test("the reference of softmax and log-softmax is PyTorch's in float64", () => {
  for (const { name, x: rows, value } of golden.rows) {
    const leaf = input("rows", ["batch", rows[0]!.length]);
    const output = name === "softmax" ? softmax(leaf) : logSoftmax(leaf);
    const feed = { shape: [rows.length, rows[0]!.length], data: rows.flat() };
    const [values] = evaluate([output], new Map([[leaf, feed]]));
    value.flat().forEach((want, index) => {
      assert.ok(Math.abs(values!.data[index]! - want) < 1e-13, `${name}, element ${index}`);
    });
  }
});

test("erf is right to the last digits where its series is longest, and ends at ±1 and NaN", () => {
  // 50-digit values of mpmath.
  assert.ok(Math.abs(erf(0.5) - 0.5204998778130465) < 2e-16);
  assert.ok(Math.abs(erf(5.9) - 1) < 2e-16);
  assert.ok(Math.abs(erf(-2) + 0.9953222650189527) < 3e-16);
  assert.deepEqual([erf(7), erf(Number.NEGATIVE_INFINITY), erf(Number.NaN)], [1, -1, Number.NaN]);
  assert.equal(erf(0), 0);
});

test("a graph is evaluated with numbers for inputs and parameters, each tensor once", () => {
  const weight = parameter([2], { name: "zeros", fill: () => undefined });
  const feeds = new Map<Tensor, typeof numbers>([
    [x, numbers],
    [weight, { shape: [2], data: [10, 100] }],
  ]);
  const product = mul(x, weight);
  const [first, second] = evaluate([product, add(product, 1)], feeds);
  assert.deepEqual(first, { shape: [3, 2], data: Float64Array.of(10, 200, 30, 400, 50, 600) });
  assert.deepEqual(second!.data, Float64Array.of(11, 201, 31, 401, 51, 601));
});

test("the number of samples is read off what is fed, also where it stands with a factor", () => {
  const flat = input("flat", ["batch*2"]);
  const [value] = evaluate(
    [reshape(flat, ["batch", 2])],
    new Map([[flat, { shape: [6], data: numbers.data }]]),
  );
  assert.deepEqual(value!.shape, [3, 2]);
});

test("a leaf without numbers, or with numbers of another shape, is an error", () => {
  assert.throws(() => evaluate([exp(x)], new Map()), { message: 'input "x": no numbers were fed' });
  const wide = new Map([[x, { shape: [2, 3], data: numbers.data }]]);
  assert.throws(() => evaluate([exp(x)], wide), {
    message: 'input "x": the shape is [2, 3], but [2, 2] was promised',
  });
  const short = new Map([[x, { shape: [3, 2], data: [1] }]]);
  assert.throws(() => evaluate([exp(x)], short), { message: "1 elements do not have the shape [3, 2]" });
});

test("an op without a reference is an error that says where to add one", () => {
  assert.throws(() => evaluate([exp(x)], new Map([[x, numbers]]), {}), {
    message: 'the op "exp" has no float64 reference: add one in test/reference/',
  });
});

test("an index outside of the array is an error, not a neighbour", () => {
  const label = input("label", ["batch"], "int32");
  const feeds = (last: number) =>
    new Map([
      [x, numbers],
      [label, { shape: [3], data: [0, 1, last] }],
    ]);
  assert.deepEqual(evaluate([pick(x, label)], feeds(1))[0]!.data, Float64Array.of(1, 4, 6));
  assert.throws(() => evaluate([pick(x, label)], feeds(-1)), { message: "[2,-1] is outside of [3,2]" });
  assert.throws(() => evaluate([pick(x, label)], feeds(2)), { message: "[2,2] is outside of [3,2]" });
});

test("central differences of a square are twice the number", () => {
  const leaf = input("leaf", [1]);
  const feeds = new Map([[leaf, { shape: [1], data: [3] }]]);
  const [slope] = centralDifferences(reshape(mul(leaf, leaf), []), leaf, feeds);
  assert.ok(Math.abs(slope! - 6) < 1e-9); // rounding over the step: 9 · 1e-16 / 1e-5
});
