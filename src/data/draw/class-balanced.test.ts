import assert from "node:assert/strict";
import { test } from "node:test";
import { arrays } from "../arrays.ts";
import { classBalanced } from "./class-balanced.ts";

const size = 10_000;
const kind = Int32Array.from({ length: size }, (_, sample) => (sample < 3 ? -1 : sample < 700 ? 4 : 9));

test("every round of as many positions as there are classes holds each class once", async () => {
  const sampler = await classBalanced(arrays({ kind }), "kind");
  const order = sampler.epoch(size, 1, 0);
  const rounds = new Set<string>();
  for (let start = 0; start + 3 <= size; start += 3) {
    const round = [0, 1, 2].map((index) => kind[order.at(start + index)]!);
    rounds.add(round.join());
    assert.deepEqual(
      round.sort((a, b) => a - b),
      [-1, 4, 9],
    );
  }
  assert.equal(rounds.size, 6, "all orders of three classes occur");
});

test("inside of a class samples are drawn independently of each other, all equally often", async () => {
  const order = (await classBalanced(arrays({ kind }), "kind")).epoch(size, 2, 0);
  const seen = new Float64Array(700);
  let drawn = 0;
  for (let position = 0; position < size; position++) {
    const sample = order.at(position);
    if (sample < 3 || sample >= 700) continue;
    seen[sample]!++;
    drawn++;
  }
  const expected = drawn / 697;
  const chiSquare = seen.subarray(3).reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  // χ² of 696 degrees of freedom has σ = √(2 · 696) = 37; the seed is fixed, so four of them never flicker.
  assert.ok(Math.abs(chiSquare - 696) < 4 * 37, `χ² ${chiSquare}`);
});

test("a column without classes, and another number of samples, are refused", async () => {
  await assert.rejects(classBalanced(arrays({ x: [1, 2] }), "x"), {
    message:
      'classBalanced sampler, column "x" of arrays: expected the name of a column of classes or categories, got "x", ' +
      "a column of numbers. Fix: use shuffled()",
  });
  const sampler = await classBalanced(arrays({ kind }), "kind");
  assert.throws(() => sampler.epoch(7, 0, 0), {
    message:
      'classBalanced sampler, column "kind" of arrays: expected to draw from the 10000 samples it was made from, got 7 samples. ' +
      "Fix: make it from the dataset that the plan trains on",
  });
});
