import assert from "node:assert/strict";
import { test } from "node:test";
import type { EpochOrder } from "../sampler.ts";
import { type BlockShuffledOptions, blockShuffled } from "./block-shuffled.ts";

const all = (order: EpochOrder) => Array.from({ length: order.length }, (_, position) => order.at(position));

test("a pool holds whole blocks, the ragged one in any of them, and in a new order each epoch", () => {
  const size = 1003; // 125 blocks of 8 and one of 3
  const raggedPools = new Set<number>();
  for (let epoch = 0; epoch < 400; epoch++) {
    const order = all(blockShuffled({ samplesPerBlock: 8, blocks: 4 }).epoch(size, 1, epoch));
    let start = 0;
    for (let pool = 0; start < size; pool++) {
      const isRagged = order.slice(start, start + 32).some((sample) => sample >= 1000);
      const isLast = pool === 31; // of 126 blocks the last pool has two
      const samples = order.slice(start, start + (isLast ? 16 : 32) - (isRagged ? 5 : 0));
      const blocks = new Set(samples.map((sample) => Math.floor(sample / 8)));
      assert.equal(blocks.size, isLast ? 2 : 4, `pool ${pool} of epoch ${epoch}`);
      if (isRagged) raggedPools.add(pool);
      start += samples.length;
    }
    assert.equal(start, size);
  }
  assert.equal(raggedPools.size, 32, "the ragged block comes in every pool");
});

test("with all blocks in one pool it is a full shuffle", () => {
  const size = 20;
  const epochs = 4000;
  const seen = new Float64Array(size * size);
  for (let epoch = 0; epoch < epochs; epoch++) {
    all(blockShuffled({ samplesPerBlock: 3, blocks: 7 }).epoch(size, 1, epoch)).forEach(
      (sample, position) => {
        seen[sample * size + position]!++;
      },
    );
  }
  const expected = epochs / size;
  const chiSquare = seen.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  // A random permutation's table: (size − 1)² degrees of freedom, its counts a variance of size/(size − 1) times the
  // independent one; the seed is fixed, so four standard deviations never flicker.
  const degrees = (size - 1) ** 2;
  assert.ok(
    Math.abs((chiSquare * (size - 1)) / size - degrees) < 4 * Math.sqrt(2 * degrees),
    `χ² ${chiSquare}`,
  );
});

test("positions far ahead and behind are read in any order: pools are made again as they are needed", () => {
  const sampler = blockShuffled({ samplesPerBlock: 5, blocks: 2 });
  const order = all(sampler.epoch(103, 4, 2));
  const again = sampler.epoch(103, 4, 2);
  for (let step = 0; step < 300; step++) assert.equal(again.at((step * 37) % 103), order[(step * 37) % 103]);
});

/** How much more the share of a class scatters over batches than under a full shuffle, on a file sorted by class. */
function excessVariance(
  size: number,
  options: Required<BlockShuffledOptions>,
  batch: number,
  epochs: number,
) {
  const sampler = blockShuffled(options);
  const classes = 4;
  let squares = 0;
  let batches = 0;
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = sampler.epoch(size, 9, epoch);
    for (let start = 0; start + batch <= size; start += batch) {
      let first = 0;
      for (let at = start; at < start + batch; at++) if (order.at(at) * classes < size) first++;
      squares += (first / batch - 1 / classes) ** 2;
      batches++;
    }
  }
  const share = 1 / classes;
  const full = ((share * (1 - share)) / batch) * (1 - (batch - 1) / (size - 1));
  return squares / batches / full;
}

test("on a file sorted by class batches scatter as the docstring says: 1 + (b − 1) / P · (1 − P / B) in variance", () => {
  const samplesPerBlock = 40;
  const count = 1024; // blocks, 256 of each class
  for (const [batch, blocks] of [
    [32, 64],
    [256, 64],
    [32, 16],
    [32, 1024],
  ] as const) {
    const measured = excessVariance(count * samplesPerBlock, { samplesPerBlock, blocks }, batch, 60);
    const expected = 1 + ((batch - 1) / blocks) * (1 - blocks / count);
    // 960 pools of 64 blocks and more were looked at: their variance is known to √(2/960) = 4.6 %, three times of which
    // are allowed.
    assert.ok(Math.abs(measured / expected - 1) < 0.14, `${batch}, ${blocks}: ${measured}, not ${expected}`);
  }
});

test("neighbours in the file are drawn a third of a pool apart on average", () => {
  const size = 64 * 256;
  const order = blockShuffled({ samplesPerBlock: 64, blocks: 16 }).epoch(size, 2, 0);
  const drawnAt = new Float64Array(size);
  for (let position = 0; position < size; position++) drawnAt[order.at(position)] = position;
  let distance = 0;
  let pairs = 0;
  for (let sample = 1; sample < size; sample++) {
    if (sample % 64 === 0) continue; // the first of the next block
    distance += Math.abs(drawnAt[sample]! - drawnAt[sample - 1]!);
    pairs++;
  }
  // Two random places out of n are (n + 1) / 3 apart, with σ = n / √18: over 16 128 pairs the mean is known to 0.6 %.
  assert.ok(Math.abs(distance / pairs / (1025 / 3) - 1) < 0.03, String(distance / pairs));
});

test("options that are no counts are refused", () => {
  const refused = (options: unknown, what: string, got: string) =>
    assert.throws(() => blockShuffled(options as BlockShuffledOptions), {
      message:
        `blockShuffled, ${what}: expected a whole number from 1 on, got ${got}. ` +
        "Fix: for example blockShuffled({ samplesPerBlock: 1024, blocks: 64 })",
    });
  refused(undefined, "samplesPerBlock", "undefined");
  refused({ samplesPerBlock: 0 }, "samplesPerBlock", "0");
  refused({ samplesPerBlock: 8, blocks: 1.5 }, "blocks", "1.5");
});
