import assert from "node:assert/strict";
import { test } from "node:test";
import { median } from "./median.ts";

test("a median is the number in the middle by size, and the numbers keep their order", () => {
  const values = [10, 9, 1e-3];
  assert.equal(median(values), 9);
  assert.deepEqual(values, [10, 9, 1e-3]);
  assert.equal(median([4, 1, 3, 2]), 3);
  assert.equal(median([7]), 7);
});
