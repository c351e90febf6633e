import assert from "node:assert/strict";
import { test } from "node:test";
import { RocArea } from "./roc-area.ts";

/** Every pair compared, one by one. */
function byPairs(
  scores: readonly number[],
  isOfClass: readonly boolean[],
  weights: readonly number[],
): number {
  let [wins, pairs] = [0, 0];
  scores.forEach((own, one) => {
    if (!isOfClass[one]) return;
    scores.forEach((other, zero) => {
      if (isOfClass[zero]) return;
      const weight = weights[one]! * weights[zero]!;
      wins += weight * (own > other ? 1 : own === other ? 0.5 : 0);
      pairs += weight;
    });
  });
  return wins / pairs;
}

function area(scores: readonly number[], isOfClass: readonly boolean[], weights: readonly number[]) {
  const one = new RocArea();
  scores.forEach((score, index) => {
    one.add(score, isOfClass[index]!, weights[index]!);
  });
  return one.finish();
}

test("the area is the part of pairs that are in order, for scores of every size and sign", () => {
  const special = [0, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e-45, -1e-45, 3e38, -3e38];
  for (let seed = 1; seed <= 20; seed++) {
    const draw = (index: number) => Math.abs(Math.sin(seed * 1000 + index)) * 1e4;
    const scores = Array.from({ length: 200 }, (_, at) =>
      at % 5 === 0
        ? special[Math.floor(draw(at)) % special.length]!
        : Math.fround(((draw(at) % 7) - 3) * 10 ** ((at % 9) - 4)),
    ).map((score, at) => (at % 3 === 0 ? Math.round(score) : score)); // many equal ones
    const isOfClass = scores.map((_, at) => draw(at + 500) % 3 > 1);
    const weights = scores.map((_, at) => Math.floor(draw(at + 900)) % 5);
    const [got, expected] = [area(scores, isOfClass, weights)!, byPairs(scores, isOfClass, weights)];
    // Whole weights add up exactly; one division each.
    assert.ok(Math.abs(got - expected) < 1e-15, `seed ${seed}: ${got} instead of ${expected}`);
  }
});

test("more scores than one block holds are sorted together", () => {
  // Score k mod 10 for sample k; of the class where k mod 4 is 0. Five scores are shared: 0, 2, 4, 6, 8.
  const count = 200_000;
  const one = new RocArea();
  for (let k = 0; k < count; k++) one.add(k % 10, k % 4 === 0, 1);
  const [ones, zeros] = [Array(10).fill(0), Array(10).fill(0)];
  for (let k = 0; k < 20; k++) (k % 4 === 0 ? ones : zeros)[k % 10]++;
  let [wins, below] = [0, 0];
  for (let score = 0; score < 10; score++) {
    wins += ones[score] * (below + zeros[score] / 2);
    below += zeros[score];
  }
  assert.ok(Math.abs(one.finish()! - wins / (5 * 15)) < 1e-12); // sums of up to 1e10 halves are exact
});

test("one side alone has no area, and a score that is NaN makes it NaN", () => {
  assert.equal(area([], [], []), undefined);
  assert.equal(area([1, 2], [true, true], [1, 1]), undefined);
  assert.equal(area([1, Number.NaN], [true, false], [1, 0]), undefined);
  assert.ok(Number.isNaN(area([1, Number.NaN], [true, false], [1, 1])));
});

test("a million scores are ranked in well under two seconds, in 16 bytes each", () => {
  const count = 1e6;
  const before = process.memoryUsage().arrayBuffers;
  const one = new RocArea();
  const began = performance.now();
  for (let k = 0; k < count; k++) one.add(Math.sin(k), k % 2 === 0, 1);
  const held = process.memoryUsage().arrayBuffers - before;
  const found = one.finish()!;
  const seconds = (performance.now() - began) / 1000;
  assert.ok(held < 8.6 * count, `${held / count} bytes per score before sorting`); // 8, and the last block's rest
  assert.ok(Math.abs(found - 0.5) < 0.01);
  assert.ok(seconds < 2, `${seconds} s`); // 0.15 s alone on this core; the rest is for busy machines
});
