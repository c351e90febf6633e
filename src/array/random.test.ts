import assert from "node:assert/strict";
import { test } from "node:test";
import { philox, randomSequence, stableHash, uniformAt } from "./random.ts";

test("philox gives the words Random123 publishes for Philox4x32-10", () => {
  // Source: Random123, tests/kat_vectors, the three lines "philox4x32 10".
  const cases = [
    { counter: [0, 0, 0, 0], key: [0, 0], words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
    {
      counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      key: [0xffffffff, 0xffffffff],
      words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    },
    {
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      key: [0xa4093822, 0x299f31d0],
      words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    },
  ] as const;
  for (const { counter, key, words } of cases) {
    const [c0, c1, c2, c3] = counter;
    assert.deepEqual([...philox(key[0], key[1], c0, c1, c2, c3)], words);
  }
});

test("philox agrees with the same rounds in whole-number arithmetic", () => {
  for (let trial = 0; trial < 200; trial++) {
    const [k0, k1, c0, c1, c2, c3] = Array.from(
      { length: 6 },
      (_, word) => stableHash(`${trial} ${word}`) >>> 0,
    );
    assert.deepEqual([...philox(k0!, k1!, c0!, c1!, c2!, c3!)], bigPhilox([k0!, k1!], [c0!, c1!, c2!, c3!]));
  }
});

test("the same seed, use, stream and index always give the same number", () => {
  // From the same formulas in Python's whole numbers; a change of these would change every recorded run.
  assert.equal(uniformAt(7, "shuffle", 0, 0), 0.410498397610941);
  assert.equal(uniformAt(7, "shuffle", 0, 1), 0.31644909810151045);
  assert.equal(uniformAt(2 ** 53 - 1, "split", 2 ** 53 - 1, 2 ** 44 - 1), 0.4205161355461078);
  assert.equal(stableHash("initialize"), 3744850279231328);
});

test("a sequence gives the same numbers in any order", () => {
  const upwards = randomSequence(11, "initialize", "linear1.weight");
  const numbers = Array.from({ length: 64 }, (_, index) => upwards(index));
  const downwards = randomSequence(11, "initialize", "linear1.weight");
  for (let index = 63; index >= 0; index--) assert.equal(downwards(index), numbers[index]);
  numbers.forEach((number, index) => {
    assert.equal(uniformAt(11, "initialize", "linear1.weight", index), number);
  });
});

test("every part of the address changes the number, its upper bits too", () => {
  const addresses = [0, 1, 2 ** 32, 2 ** 32 + 1, 2 ** 43].flatMap((index) =>
    [0, 1, 2 ** 21, 2 ** 32, 2 ** 52].flatMap((stream) =>
      ["shuffle", "split", 0, 1, 2 ** 31].flatMap((use) =>
        [0, 1, 2 ** 32, 2 ** 52].map((seed) => uniformAt(seed, use, stream, index)),
      ),
    ),
  );
  assert.equal(new Set(addresses).size, addresses.length);
});

test("numbers are uniform, and neighbours, streams, uses and seeds are uncorrelated", () => {
  const count = 200_000;
  const draw = (seed: number, use: string, stream: number) => {
    const at = randomSequence(seed, use, stream);
    return Float64Array.from({ length: count + 2 }, (_, index) => at(index));
  };
  const base = draw(1, "shuffle", 0);
  const buckets = new Float64Array(256);
  for (const value of base.subarray(0, count)) {
    assert.ok(value >= 0 && value < 1);
    buckets[Math.floor(value * 256)]!++;
  }
  const expected = count / 256;
  const chiSquare = buckets.reduce((sum, seen) => sum + (seen - expected) ** 2 / expected, 0);
  // χ² with 255 degrees of freedom: mean 255, σ √510 ≈ 22.6; the numbers are fixed, so this never flickers.
  assert.ok(Math.abs(chiSquare - 255) < 4 * Math.sqrt(510), `χ² ${chiSquare}`);
  const others = [
    base.subarray(1),
    base.subarray(2),
    draw(1, "shuffle", 1),
    draw(1, "split", 0),
    draw(2, "shuffle", 0),
  ];
  for (const [which, other] of others.entries()) {
    let product = 0;
    for (let index = 0; index < count; index++) product += (base[index]! - 0.5) * (other[index]! - 0.5);
    // The correlation of independent uniforms has σ = 1/√count.
    const correlation = (product / count) * 12;
    assert.ok(Math.abs(correlation) < 4 / Math.sqrt(count), `pair ${which}: ${correlation}`);
  }
});

test("an address out of range is refused with what to type instead", () => {
  assert.throws(() => uniformAt(-1, "shuffle", 0, 0), {
    message:
      "random number, seed: expected a whole number from 0 to 9007199254740991, got -1. " +
      "Fix: pass a seed in that range, for example 1",
  });
  assert.throws(
    () => uniformAt(0, 2 ** 32, 0, 0),
    /random number, use: .* from 0 to 4294967295, got 4294967296/,
  );
  assert.throws(() => uniformAt(0, "split", 0.5, 0), /random number, stream: .*got 0\.5/);
  assert.throws(() => uniformAt(0, "split", 0, 2 ** 44), /random number, index: .* from 0 to 17592186044415/);
  assert.throws(() => uniformAt(0, "split", 0, Number.NaN), /random number, index: .*got NaN/);
});

/** Philox4x32-10 as its paper writes it, with big integers. */
function bigPhilox(key: readonly number[], counter: readonly number[]): number[] {
  let [k0, k1] = key.map(BigInt) as [bigint, bigint]; // two words in, two words out
  let words = counter.map(BigInt);
  const low = (value: bigint) => BigInt.asUintN(32, value);
  for (let round = 0; round < 10; round++) {
    const product0 = 0xd2511f53n * words[0]!;
    const product1 = 0xcd9e8d57n * words[2]!;
    words = [
      (product1 >> 32n) ^ words[1]! ^ k0,
      low(product1),
      (product0 >> 32n) ^ words[3]! ^ k1,
      low(product0),
    ];
    k0 = low(k0 + 0x9e3779b9n);
    k1 = low(k1 + 0xbb67ae85n);
  }
  return words.map(Number);
}
