import assert from "node:assert/strict";
import { test } from "node:test";
import { evenPart, evenParts } from "./microbatch-counts.ts";

test("a batch is cut in counts that divide up among threads and lanes: powers of two, then multiples of the lanes", () => {
  const counts = (batchSize: number, lanes: number) =>
    evenParts(batchSize, lanes).map((size) => Math.ceil(batchSize / size));
  assert.deepEqual(counts(512, 8), [256, 128, 64, 32, 16, 8, 4, 2, 1]);
  assert.deepEqual(counts(720, 6).slice(-5), [12, 6, 4, 2, 1]);
  assert.deepEqual(evenParts(64, 8), [2, 4, 8, 16, 32, 64]);
  assert.deepEqual(evenParts(100, 8), [2, 4, 7, 13, 25, 50, 100]);
});

test("no part has one sample, unless the batch has no more", () => {
  assert.deepEqual(evenParts(1, 8), [1]);
  assert.deepEqual(evenParts(2, 8), [2]);
  assert.deepEqual(evenParts(3, 8), [2, 3]);
  for (let batchSize = 2; batchSize < 300; batchSize++)
    for (const lanes of [1, 3, 8]) {
      const sizes = evenParts(batchSize, lanes);
      assert.ok(sizes[0]! >= 2 && sizes.at(-1) === batchSize, `${batchSize} in ${lanes} lanes: ${sizes}`);
      assert.deepEqual(
        sizes,
        [...new Set(sizes)].sort((a, b) => a - b),
      );
    }
});

test("the largest part within a limit leaves no thread idle in the last round", () => {
  assert.equal(evenPart(32, 128, 8), 32);
  assert.equal(evenPart(128, 128, 8), 128);
  assert.equal(evenPart(129, 128, 8), 65);
  assert.equal(evenPart(300, 128, 8), 75); // 4, since 3 take as long on two threads
  assert.equal(evenPart(1100, 128, 8), 69); // 16, since 9 take as long as 16 in eight lanes
  assert.equal(evenPart(1, 128, 8), 1);
});
