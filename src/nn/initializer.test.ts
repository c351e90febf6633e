import assert from "node:assert/strict";
import { test } from "node:test";
import { randomSequence } from "../array/random.ts";
import type { Initializer } from "../graph/tensor.ts";
import {
  constantOf,
  glorotNormal,
  glorotUniform,
  heNormal,
  heUniform,
  normal,
  ones,
  uniform,
  zeros,
} from "./initializer.ts";

const seed = 20240305;

function filled(
  initializer: Initializer,
  shape: readonly number[],
  draw = randomSequence(seed, "initialize"),
) {
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  initializer.fill(values, shape, draw);
  return values;
}

/** Mean, deviation, and the part of values within one deviation. */
function momentsOf(values: Float32Array) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  const within = values.filter((value) => Math.abs(value) <= deviation).length / values.length;
  return { mean, deviation, within };
}

// [out, in, kernel, kernel]: fan in 4 · 9, fan out 1000 · 9; 36 000 values.
const shape = [1000, 4, 3, 3];
const expectations: readonly (readonly [Initializer, "uniform" | "normal", number])[] = [
  [uniform(0.5), "uniform", 0.5],
  [glorotUniform, "uniform", Math.sqrt(6 / (36 + 9000))],
  [heUniform, "uniform", Math.sqrt(6 / 36)],
  [normal(0.02), "normal", 0.02],
  [glorotNormal, "normal", Math.sqrt(2 / (36 + 9000))],
  [heNormal, "normal", Math.sqrt(2 / 36)],
];

for (const [initializer, kind, spread] of expectations) {
  test(`${initializer.name} has its distribution (seed ${seed})`, () => {
    const values = filled(initializer, shape);
    const { mean, deviation, within } = momentsOf(values);
    const expected = kind === "uniform" ? spread / Math.sqrt(3) : spread;
    // 36 000 values: the mean is off by 0.5 %, the deviation by 0.4 % of the deviation, the part by 0.25 %; 5 times that.
    assert.ok(Math.abs(mean) < 0.026 * expected, `mean ${mean}`);
    assert.ok(Math.abs(deviation / expected - 1) < 0.02, `deviation ${deviation} instead of ${expected}`);
    const part = kind === "uniform" ? 1 / Math.sqrt(3) : 0.682689;
    assert.ok(Math.abs(within - part) < 0.013, `${within} within one deviation`);
    const largest = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    if (kind === "uniform") assert.ok(largest <= Math.fround(spread) && largest > 0.999 * spread);
    else assert.ok(largest > 3 * spread && largest < 6 * spread, `largest ${largest}`);
  });
}

test("a uniform value is its draw stretched over the range", () => {
  const draws = [0, 0.25, 0.5, 0.875];
  assert.deepEqual([...filled(uniform(2), [4], (index) => draws[index]!)], [-2, -1, 0, 1.5]);
});

test("normal values are Box and Muller's, for an odd number of them too", () => {
  const draws = [1 - Math.exp(-2), 0.25, 1 - Math.exp(-0.5), 0.5];
  const [a, b, c] = filled(normal(3), [3], (index) => draws[index]!);
  // Radius √(−2·log e⁻²) = 2 at a quarter turn; then radius 1 at half a turn.
  for (const [got, expected] of [
    [a, 0],
    [b, 6],
    [c, -3],
  ] as const)
    assert.ok(Math.abs(got! - expected) < 1e-6);
});

test("the largest draw gives a finite normal value", () => {
  assert.ok(filled(normal(1), [4], () => 1 - 2 ** -53).every(Number.isFinite));
});

test("constants fill with themselves", () => {
  assert.deepEqual(
    [...filled(zeros, [2]), ...filled(ones, [2]), ...filled(constantOf(0.5), [2])],
    [0, 0, 1, 1, 0.5, 0.5],
  );
  assert.deepEqual(
    [zeros, ones, constantOf(0.5)].map(({ name }) => name),
    ["zeros", "ones", "constantOf(0.5)"],
  );
});

test("an initializer is refused where it cannot work", () => {
  assert.throws(() => filled(heNormal, [8]), {
    message:
      "heNormal: expected a shape [out, in, ...kernel], got [8]. Fix: use zeros, or uniform(limit), for parameters of one axis",
  });
  assert.throws(() => uniform(-1), {
    message: "uniform: expected limit to be a number from 0 on, got -1. Fix: for example 0.02",
  });
  assert.throws(() => normal(Number.NaN), {
    message: "normal: expected deviation to be a number from 0 on, got NaN. Fix: for example 0.02",
  });
  assert.throws(() => constantOf(Number.NaN), {
    message: "constantOf: expected a finite number, got NaN. Fix: for example 0",
  });
});
