/** Random orders of 0 … size − 1 that are pure functions of (seed, epoch). */
import { randomSequence } from "../array/random.ts";
import { fail } from "../errors.ts";
import type { EpochOrder } from "./sampler.ts";

/** Up to here an order is a table (200 MB, made in a second or two); above, it is computed. */
const largestTable = 50_000_000;

/** A random order of all samples, another one for every seed and every epoch. */
export function permutation(size: number, seed: number, epoch: number): EpochOrder {
  return size <= largestTable ? shuffledTable(size, seed, epoch) : feistel(size, seed, epoch);
}

/**
 * Fisher–Yates: every order is equally likely (up to the generator's 2⁵³ steps, a bias below size · 2⁻⁵³).
 * Reading is one look into a table of 4 bytes per sample. Source: Durstenfeld, algorithm 235, CACM 1964.
 */
export function shuffledTable(size: number, seed: number, epoch: number): EpochOrder {
  const draw = randomSequence(seed, "shuffle", epoch);
  const order = Uint32Array.from({ length: size }, (_, sample) => sample);
  for (let last = size - 1; last > 0; last--) {
    const chosen = Math.floor(draw(last) * (last + 1));
    const sample = order[last]!;
    order[last] = order[chosen]!;
    order[chosen] = sample;
  }
  return { length: size, at: (position) => order[position] ?? outside(position, size) };
}

/**
 * A keyed permutation in constant memory: a Feistel network over the smallest even number of bits that holds the size,
 * and positions that leave 0 … size − 1 are sent through again until they come back (on average less than four times).
 * It is one-to-one whatever the rounds do; four of them make it look random. Source: Luby, Rackoff, SIAM J. Comput. 1988;
 * cycle walking: Black, Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002.
 */
export function feistel(size: number, seed: number, epoch: number): EpochOrder {
  const halfBits = Math.max(1, Math.ceil(Math.log2(size) / 2));
  const mask = 2 ** halfBits - 1;
  const keys = roundKeys(seed, epoch);
  const encrypt = (value: number) => {
    let left = Math.floor(value / (mask + 1));
    let right = value & mask;
    for (const key of keys) [left, right] = [right, left ^ (mixed(right, key) & mask)];
    return left * (mask + 1) + right;
  };
  return {
    length: size,
    at(position) {
      if (!(position >= 0 && position < size)) outside(position, size);
      let sample = position;
      do sample = encrypt(sample);
      while (sample >= size);
      return sample;
    },
  };
}

function roundKeys(seed: number, epoch: number): Uint32Array {
  const draw = randomSequence(seed, "feistel", epoch);
  return Uint32Array.from({ length: 4 }, (_, round) => draw(round) * 2 ** 32);
}

/** Spreads every bit of (value, key) over 32 bits. Source: the finalizer of MurmurHash3, Appleby. */
function mixed(value: number, key: number): number {
  let bits = value ^ key;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

function outside(position: number, size: number): never {
  return fail("epoch order", {
    expected: `positions from 0 to ${size - 1}`,
    got: String(position),
    fix: "start the next epoch there",
  });
}
