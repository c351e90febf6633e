import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { arrays } from "../arrays.ts";
import { aliasTable } from "./alias.ts";
import { weighted } from "./weighted.ts";

test("the table holds the exact probabilities, and what weighs nothing is never drawn", () => {
  const weight = fc.oneof(
    fc.constant(0),
    fc.double({ min: 1e-12, max: 1e12, noNaN: true }),
    fc.integer({ min: 0, max: 9 }),
  );
  const weights = fc
    .array(weight, { minLength: 1, maxLength: 200 })
    .filter((all) => all.some((one) => one > 0));
  fc.assert(
    fc.property(weights, (all) => {
      const { threshold, alias } = aliasTable(all);
      const drawn = Float64Array.from(threshold);
      threshold.forEach((kept, cell) => {
        drawn[alias[cell]!]! += 1 - kept;
      });
      const total = all.reduce((sum, one) => sum + one, 0);
      all.forEach((one, item) => {
        // 200 roundings of numbers up to 200 cells.
        assert.ok(Math.abs(drawn[item]! / all.length - one / total) < 1e-13, `item ${item} of ${all}`);
        if (one > 0) return;
        assert.equal(threshold[item], 0);
        assert.ok(!alias.some((other, cell) => other === item && threshold[cell]! < 1));
      });
    }),
    { numRuns: 500 },
  );
});

test("samples are drawn in proportion to their numbers", async () => {
  const size = 100_000;
  // Sample s has the number of its group, s mod 8: 0, 1, 2, 4, … 64.
  const importance = Float32Array.from({ length: size }, (_, s) => (s % 8 === 0 ? 0 : 2 ** ((s % 8) - 1)));
  const order = (await weighted(arrays({ importance }), "importance")).epoch(size, 11, 0);
  const groups = new Float64Array(8);
  for (let position = 0; position < size; position++) groups[order.at(position) % 8]!++;
  assert.equal(groups[0], 0);
  let chiSquare = 0;
  for (let group = 1; group < 8; group++) {
    const expected = (size * 2 ** (group - 1)) / 127;
    chiSquare += (groups[group]! - expected) ** 2 / expected;
  }
  // 22.5 is exceeded once in a thousand seeds by χ² of six degrees of freedom; this is seed 11, which gives the same ever.
  assert.ok(chiSquare < 22.5, `χ² ${chiSquare} for ${groups}`);
});

test("successive draws are independent", async () => {
  const size = 60_000;
  const order = (await weighted(arrays({ w: Float32Array.from({ length: size }, () => 3) }), "w")).epoch(
    size,
    2,
    5,
  );
  const cells = new Float64Array(36);
  const sixth = (position: number) => Math.floor((order.at(position) * 6) / size);
  for (let position = 1; position < size; position++) cells[6 * sixth(position - 1) + sixth(position)]!++;
  const expected = (size - 1) / 36;
  const chiSquare = cells.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  // Pairs that overlap: χ² has about 36 − 6 = 30 degrees of freedom, σ 7.7; the seed is fixed.
  assert.ok(chiSquare < 30 + 4 * 7.7, `χ² ${chiSquare}`);
});

test("numbers that are no weights, a column that weighs the loss too, and other samples are refused", async () => {
  const refused = (importance: number[], got: string, fix: string) =>
    assert.rejects(weighted(arrays({ importance }), "importance"), {
      message: `weighted sampler, column "importance" of arrays: expected finite numbers from 0 on, not all 0, got ${got}. Fix: ${fix}`,
    });
  await refused([1, -2], "-2 in sample 1", "give that sample the number 0 to leave it out");
  await refused([1, 2, Number.NaN], "NaN in sample 2", "give that sample the number 0 to leave it out");
  await refused([0, 0], "0 in every sample", "give some samples a number above 0");
  const data = arrays({ x: [[1], [2]], w: [1, 2] }, { weight: "w" });
  await assert.rejects(weighted(data, "w"), {
    message:
      'weighted sampler, column "w" of arrays: expected a column that does not weigh the loss too, got the dataset\'s weight. ' +
      "Fix: draw by another column, or read the data without its weight",
  });
  const sampler = await weighted(data, "x");
  assert.throws(() => sampler.epoch(3, 0, 0), /expected to draw from the 2 samples .* got 3 samples/);
  await assert.rejects(
    weighted(arrays({ image: { data: new Uint8Array(8), shape: [2, 4] } }), "image"),
    /expected the name of a column with one value per sample, got "image", a column of shape \[4\]/,
  );
});
