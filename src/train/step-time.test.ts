import assert from "node:assert/strict";
import { test } from "node:test";
import { secondsBetween, stepSeconds } from "./step-time.ts";

const parts = (workers: number, mergeSeconds = 0) => ({ batchSize: 64, lanes: 8, workers, mergeSeconds });
/** Microseconds, but for what threads spend on one another. */
const micros = (workers: number, size: number, mergeSeconds = 0) =>
  Math.round(1e6 * stepSeconds(parts(workers, mergeSeconds), { size, seconds: 0.001 })) -
  (workers > 1 ? 30 : 0);

test("a step takes as long as the busiest thread has lanes, of as many microbatches as they have", () => {
  assert.equal(micros(1, 64), 1000);
  assert.equal(micros(1, 8), 8000);
  assert.equal(micros(2, 8), 4000);
  assert.equal(micros(3, 8), 3000);
  assert.equal(micros(2, 22), 2000); // three microbatches
  assert.equal(micros(2, 4), 8000); // sixteen in eight lanes
  assert.equal(micros(4, 32), 1000); // two microbatches keep two threads busy
  assert.equal(micros(4, 64), 1000); // and one keeps one
});

test("every microbatch but a thread's first is added to others, and the threads' sums at the end", () => {
  assert.equal(micros(1, 64, 1e-4), 1000);
  assert.equal(micros(1, 8, 1e-4), 8700);
  assert.equal(micros(2, 8, 1e-4), 4400);
  assert.equal(micros(2, 32, 1e-4), 1100);
  assert.equal(micros(2, 64, 1.5e-4), 1100); // all threads take part in the total of one sum, too
});

test("between timed sizes the time per sample is taken to follow a parabola over the logarithm of the size", () => {
  const perSample = (size: number) => 3 - 2 * Math.log2(size) + 0.5 * Math.log2(size) ** 2;
  const timed = [4, 16, 64].map((size) => ({ size, seconds: size * perSample(size) }));
  for (const size of [4, 8, 16, 23, 32, 64])
    assert.ok(Math.abs(secondsBetween(timed, size) / (size * perSample(size)) - 1) < 1e-12); // float64 rounding
  // Two points are on a line.
  const line = [2, 8].map((size) => ({ size, seconds: size * Math.log2(size) }));
  assert.ok(Math.abs(secondsBetween(line, 4) - 8) < 1e-12);
});
