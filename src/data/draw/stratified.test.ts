import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { randomSequence } from "../../array/random.ts";
import { arrays } from "../arrays.ts";
import { spread } from "./spread.ts";
import { stratified } from "./stratified.ts";

test("any first positions hold every class's share to less than one sample, whatever the classes", () => {
  const counts = fc.array(fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 300 })), {
    minLength: 1,
    maxLength: 40,
  });
  fc.assert(
    fc.property(counts, fc.integer({ min: 0, max: 2 ** 40 }), (sizes, seed) => {
      const positions = sizes.reduce((sum, size) => sum + size, 0);
      const seen = sizes.map(() => 0);
      const tie = randomSequence(seed, "test");
      const draw = (index: number, turn: number) => tie(1000 * index + turn);
      spread(Uint32Array.from(sizes), draw, (position, index) => {
        seen[index]!++;
        sizes.forEach((size, other) => {
          // In whole numbers: |seen − size · (position + 1) / positions| < 1.
          const distance = Math.abs(seen[other]! * positions - size * (position + 1));
          assert.ok(distance < positions, `class ${other} of ${sizes}, position ${position}`);
        });
      });
      assert.deepEqual(seen, sizes);
    }),
    { numRuns: 300 },
  );
});

test("every batch has nearly its share of each class, where a plain shuffle scatters", async () => {
  const size = 3000;
  const kind = Int32Array.from({ length: size }, (_, sample) => (sample < 100 ? 2 : sample < 900 ? 1 : 0));
  const sampler = await stratified(arrays({ kind }), "kind");
  for (let epoch = 0; epoch < 5; epoch++) {
    const order = sampler.epoch(size, 1, epoch);
    for (let start = 0; start + 32 <= size; start += 32) {
      const seen = [0, 0, 0];
      for (let at = start; at < start + 32; at++) seen[kind[order.at(at)]!]!++;
      [2100, 800, 100].forEach((count, code) => {
        assert.ok(Math.abs(seen[code]! - (32 * count) / size) < 2, `${seen} from ${start}`);
      });
    }
  }
});

test("which samples of a class come when is random, and so is who comes first of classes as frequent", async () => {
  const size = 40;
  const epochs = 4000;
  const kind = Int32Array.from({ length: size }, (_, sample) => sample % 4);
  const sampler = await stratified(arrays({ kind }), "kind");
  const seen = new Float64Array(size * size);
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = sampler.epoch(size, 3, epoch);
    for (let position = 0; position < size; position++) seen[order.at(position) * size + position]!++;
  }
  // Each count is binomial with 4000 draws of 1/40, so the mean of χ² is 1600 · 39/40 whatever depends on what, and its σ
  // near √(2 · 1560) = 56. The seed is fixed, so five of them never flicker.
  const expected = epochs / size;
  const chiSquare = seen.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  assert.ok(Math.abs(chiSquare - 1560) < 5 * 56, `χ² ${chiSquare}`);
});

test("codes may be bytes, and one value in a vector; the record tells other classes apart", async () => {
  const codes = [0, 1, 0, 2, 1, 0];
  const plain = await stratified(arrays({ kind: Int32Array.from(codes) }), "kind");
  const bytes = await stratified(
    arrays({ kind: { data: Uint8Array.from(codes), shape: [6, 1] } }, { name: "bytes" }),
    "kind",
  );
  const order = plain.epoch(6, 5, 0);
  for (let position = 0; position < 6; position++)
    assert.equal(bytes.epoch(6, 5, 0).at(position), order.at(position));
  const { sha256, ...rest } = plain.options!;
  assert.deepEqual(rest, { column: "kind", classes: 3 });
  const other = await stratified(arrays({ kind: Int32Array.of(0, 1, 0, 2, 0, 1) }), "kind");
  assert.notEqual(other.options!.sha256, sha256);
});

test("a column without classes, and another number of samples, are refused", async () => {
  const data = arrays({ x: [1, 2, 3], image: { data: new Uint8Array(12), shape: [3, 4] } }, { name: "toy" });
  await assert.rejects(stratified(data, "x"), {
    message:
      'stratified sampler, column "x" of toy: expected the name of a column of classes or categories, got "x", ' +
      "a column of numbers. Fix: use shuffled()",
  });
  await assert.rejects(stratified(data, "image"), /got "image", a column of shape \[4\]\. Fix: use shuffled/);
  const classes = arrays({ kind: Int32Array.of(0, 1, 1) }, { name: "toy" });
  await assert.rejects(stratified(classes, "kin" as "kind"), {
    message:
      'stratified sampler, column "kin" of toy: expected the name of a column of classes or categories, got no such ' +
      'column, "kin". Fix: one of kind',
  });
  const sampler = await stratified(classes, "kind");
  assert.throws(() => sampler.epoch(4, 0, 0), {
    message:
      'stratified sampler, column "kind" of toy: expected to draw from the 3 samples it was made from, got 4 samples. ' +
      "Fix: make it from the dataset that the plan trains on",
  });
});
