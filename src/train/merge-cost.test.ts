import assert from "node:assert/strict";
import { test } from "node:test";
import { measureMerge } from "./merge-cost.ts";

test("adding sums takes a time, whatever their size, and that of large ones is told from smaller ones", () => {
  for (const floats of [0, 1, 1000, 1e9]) {
    const seconds = measureMerge(floats);
    assert.ok(Number.isFinite(seconds) && seconds >= 0, `${floats} elements: ${seconds} s`);
  }
  // 4096 times as much: no disturbance of the clock is of that size.
  assert.ok(measureMerge(2 ** 30) > measureMerge(2 ** 18));
});
