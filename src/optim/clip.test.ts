import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { evaluate } from "../../test/reference/evaluate.ts";
import { input } from "../graph/tensor.ts";
import { clipByGlobalNorm, clipByValue } from "./clip.ts";

interface Case {
  readonly name: string;
  readonly maxNorm: number;
  readonly norm: number;
  readonly gradients: readonly (readonly number[])[];
  readonly expected: readonly (readonly number[])[];
  readonly expectedExact: readonly (readonly number[])[];
}
const { clips }: { readonly clips: readonly Case[] } = JSON.parse(
  await readFile(new URL("../../test/golden/optimizers.json", import.meta.url), "utf8"),
);

for (const { name, maxNorm, norm, gradients, expected, expectedExact } of clips) {
  test(`${name}: the scaled gradients are the exact ones, and PyTorch's but for its 1e-6`, () => {
    const factor = clipByGlobalNorm(maxNorm).scale!(norm);
    // Relative to what PyTorch's 1e-6 in the denominator may change.
    const allowed = 1e-12 + 1e-6 / Math.max(norm, 1e-6);
    gradients.forEach((gradient, index) => {
      gradient.forEach((value, at) => {
        const scaled = value * factor;
        const exact = expectedExact[index]![at]!;
        assert.ok(Math.abs(scaled - exact) <= 1e-15 * Math.abs(exact), `${scaled} instead of ${exact}`);
        assert.ok(Math.abs(scaled - expected[index]![at]!) <= allowed * Math.abs(exact));
      });
    });
  });
}

test("a gradient that is not too long is left as it is, to the last bit", () => {
  const { scale } = clipByGlobalNorm(3);
  assert.deepEqual([0, 1e-30, 2.9999, 3].map(scale!), [1, 1, 1, 1]);
  assert.equal(scale!(6), 0.5);
});

test("a norm that is not finite gives NaN, not a gradient of zeros", () => {
  const { scale } = clipByGlobalNorm(1);
  assert.ok(Number.isNaN(scale!(Number.POSITIVE_INFINITY)));
  assert.ok(Number.isNaN(scale!(Number.NaN)));
});

test("clipByValue limits every element on both sides", () => {
  const gradient = input("gradient", [5], "float64");
  const feeds = new Map([[gradient, { shape: [5], data: [-9, -0.5, 0, 0.25, 7] }]]);
  const [clipped] = evaluate([clipByValue(0.5).apply!(gradient)], feeds);
  assert.deepEqual([...clipped!.data], [-0.5, -0.5, 0, 0.25, 0.5]);
});

test("limits that are no numbers above 0 are refused", () => {
  assert.throws(() => clipByGlobalNorm(0), {
    message: "clipByGlobalNorm: expected maxNorm to be a number above 0, got 0. Fix: for example 1",
  });
  assert.throws(() => clipByValue(Number.NaN), {
    message: "clipByValue: expected limit to be a number above 0, got NaN. Fix: for example 1",
  });
});
