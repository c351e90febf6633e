import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { sha256 as sha256Of } from "../array/sha256.ts";
import { arrays } from "./arrays.ts";
import { blockShuffled } from "./draw/block-shuffled.ts";
import { classBalanced } from "./draw/class-balanced.ts";
import { stratified } from "./draw/stratified.ts";
import { weighted } from "./draw/weighted.ts";
import { feistel, permutation, shuffledTable } from "./permutation.ts";
import { type EpochOrder, type Sampler, sequential, shuffled, withReplacement } from "./sampler.ts";

/** What a sampler is made from: classes and weights of its samples, with rare ones among them. */
const dataOf = (size: number) =>
  arrays({
    kind: Int32Array.from({ length: size }, (_, sample) => (sample % 7 === 6 ? -1 : (sample * sample) % 3)),
    weight: Float32Array.from({ length: size }, (_, sample) => (sample % 5 === 1 ? 0 : 1 + (sample % 4))),
  });

/** Every sampler there is: a new one is tested by its entry here. */
const makers: Readonly<Record<string, (size: number) => Sampler | Promise<Sampler>>> = {
  shuffled,
  withReplacement,
  sequential,
  stratified: (size) => stratified(dataOf(size), "kind"),
  classBalanced: (size) => classBalanced(dataOf(size), "kind"),
  weighted: (size) => weighted(dataOf(size), "weight"),
  blockShuffled: () => blockShuffled({ samplesPerBlock: 8, blocks: 3 }),
};
const all = (order: EpochOrder) => Array.from({ length: order.length }, (_, position) => order.at(position));

for (const [name, make] of Object.entries(makers)) {
  test(`${name}: the order is a pure function of (seed, epoch, position)`, async () => {
    for (const size of [1, 2, 3, 100, 1000]) {
      const sampler = await make(size);
      assert.equal(sampler.name, name);
      const order = all(sampler.epoch(size, 7, 3));
      assert.equal(order.length, size);
      assert.ok(order.every((sample) => Number.isInteger(sample) && sample >= 0 && sample < size));
      const again = (await make(size)).epoch(size, 7, 3);
      for (let position = size - 1; position >= 0; position--)
        assert.equal(again.at(position), order[position]);
      for (let position = 0; position < size; position += 37)
        assert.equal(again.at(position), order[position]);
    }
  });

  test(`${name}: a position outside of the epoch is refused`, async () => {
    const order = (await make(30)).epoch(30, 7, 3);
    for (const position of [-1, 30, 1.5]) {
      assert.throws(() => order.at(position), {
        message: `epoch order: expected positions from 0 to 29, got ${position}. Fix: start the next epoch there`,
      });
    }
  });

  if (["sequential", "withReplacement", "classBalanced", "weighted"].includes(name)) continue;
  test(`${name}: an epoch has every sample once`, async () => {
    for (const size of [1, 2, 7, 8, 9, 23, 24, 25, 26, 48, 49, 500]) {
      const sampler = await make(size);
      for (let epoch = 0; epoch < 8; epoch++) {
        const order = all(sampler.epoch(size, 5, epoch));
        assert.deepEqual(
          order.sort((a, b) => a - b),
          [...order.keys()],
          `${size} samples`,
        );
      }
    }
  });
}

test("orders are the same on every machine and from version to version: those of a second implementation", async () => {
  const size = 1000;
  const ragged = () => blockShuffled({ samplesPerBlock: 7, blocks: 3 });
  const golden: readonly { name: string; first: number[]; sha256: string }[] = JSON.parse(
    await readFile(new URL("../../test/golden/orders.json", import.meta.url), "utf8"),
  ).orders;
  assert.deepEqual(
    golden.map(({ name }) => name).sort(),
    [...Object.keys(makers), "feistel", "blockShuffled, ragged"].sort(),
  );
  for (const { name, first, sha256 } of golden) {
    const make = makers[name] ?? (name === "feistel" ? () => ({ name, epoch: feistel }) : ragged);
    const order = Uint32Array.from(all((await make(size)).epoch(size, 2 ** 40 + 7, 3)));
    assert.deepEqual([name, ...order.subarray(0, 8)], [name, ...first]);
    assert.equal(await sha256Of(new Uint8Array(order.buffer)), sha256, name);
  }
});

test("random orders differ between seeds and between epochs", async () => {
  for (const [name, make] of Object.entries(makers)) {
    if (name === "sequential") continue;
    const sampler = await make(50);
    const orders = [sampler.epoch(50, 7, 3), sampler.epoch(50, 7, 4), sampler.epoch(50, 8, 3)];
    assert.equal(new Set(orders.map((order) => all(order).join())).size, 3, sampler.name);
  }
});

test("both permutations contain every sample exactly once", () => {
  for (const size of [0, 1, 2, 3, 4, 5, 16, 17, 63, 64, 65, 255, 1000, 4097, 100_003]) {
    for (const make of [shuffledTable, feistel]) {
      const seen = new Uint8Array(size);
      for (const sample of all(make(size, 5, size))) seen[sample]!++;
      assert.ok(
        seen.every((count) => count === 1),
        `${make.name} of ${size}`,
      );
    }
  }
});

test("the order stays the same from version to version", () => {
  // Recorded once; a change would break every resumed run.
  assert.deepEqual(all(shuffledTable(8, 1, 0)), [6, 4, 0, 1, 5, 3, 2, 7]);
  assert.deepEqual(all(feistel(8, 1, 0)), [1, 7, 5, 2, 6, 0, 4, 3]);
  assert.deepEqual(all(withReplacement().epoch(8, 1, 0)), [4, 5, 1, 1, 6, 6, 6, 3]);
});

test("above five million samples an order needs no memory", () => {
  const size = 4_000_000_000; // 16 GB as a table
  const order = shuffled().epoch(size, 7, 0);
  const samples = Array.from({ length: 1000 }, (_, index) => order.at(index * 3_999_999));
  assert.equal(new Set(samples).size, samples.length);
  assert.ok(samples.every((sample) => Number.isInteger(sample) && sample >= 0 && sample < size));
  assert.equal(permutation(5_000_001, 7, 0).at(5), feistel(5_000_001, 7, 0).at(5));
});

test("every place of a permutation is equally likely for every sample", () => {
  // The network is for large sizes: on a handful of samples its few bits per half could not look random.
  for (const [make, size, epochs] of [
    [shuffledTable, 11, 5500],
    [feistel, 3000, 400],
  ] as const) {
    const groups = Math.min(size, 20);
    const group = (index: number) => Math.floor((index * groups) / size);
    const seen = new Float64Array(groups * groups);
    for (let epoch = 0; epoch < epochs; epoch++) {
      all(make(size, 3, epoch)).forEach((sample, position) => {
        seen[group(sample) * groups + group(position)]!++;
      });
    }
    const expected = (epochs * size) / groups ** 2;
    const chiSquare = seen.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // A random permutation's table has (groups − 1)² degrees of freedom, its counts a variance of size/(size − 1) times
    // the independent one; the orders are fixed by their seeds, so four standard deviations never flicker.
    const degrees = (groups - 1) ** 2;
    const statistic = (chiSquare * (size - 1)) / size;
    assert.ok(Math.abs(statistic - degrees) < 4 * Math.sqrt(2 * degrees), `${make.name}: χ² ${statistic}`);
  }
});

test("neighbours of a permutation are unrelated", () => {
  const size = 10_000;
  for (const make of [shuffledTable, feistel]) {
    const order = all(make(size, 9, 1));
    const mean = (size - 1) / 2;
    const variance = (size ** 2 - 1) / 12;
    let product = 0;
    for (let at = 1; at < size; at++) product += (order[at]! - mean) * (order[at - 1]! - mean);
    // Independent places correlate with σ = 1/√size.
    const correlation = product / (size - 1) / variance;
    assert.ok(Math.abs(correlation) < 4 / Math.sqrt(size), `${make.name}: ${correlation}`);
  }
});

test("drawing with replacement leaves out 1/e of the samples on average", () => {
  const size = 10_000;
  const distinct = new Set(all(withReplacement().epoch(size, 7, 0))).size;
  // σ of the number of distinct samples is √(size · (e⁻¹ − 2e⁻²)) ≈ 31.
  assert.ok(Math.abs(size - distinct - size / Math.E) < 4 * 31, String(distinct));
});
