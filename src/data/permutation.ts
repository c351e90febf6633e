/** Random orders of 0 … size − 1 that are pure functions of (seed, epoch). */
import { type RandomSequence, randomSequence } from "../array/random.ts";
import { outsideEpoch, requirePosition } from "./draw/bounds.ts";
import type { EpochOrder } from "./sampler.ts";

/**
 * Up to here an order is a table of at most 20 MB, made in half a second when the epoch starts; above, it is computed, so
 * that a run resumes at once. A table is no faster over an epoch (both take about 0.1 µs per sample), only a little more
 * random.
 */
const largestTable = 5_000_000;

/** A random order of all samples, another one for every seed and every epoch (or other stream of numbers), and every use. */
export function permutation(size: number, seed: number, stream: number | string, use?: string): EpochOrder {
  return size <= largestTable ? shuffledTable(size, seed, stream, use) : feistel(size, seed, stream, use);
}

/**
 * Fisher–Yates: every order is equally likely (up to the generator's 2⁵³ steps, a bias below size · 2⁻⁵³).
 * Reading is one look into a table of 4 bytes per sample. Source: Durstenfeld, algorithm 235, CACM 1964.
 */
export function shuffledTable(
  size: number,
  seed: number,
  stream: number | string,
  use = "shuffle",
): EpochOrder {
  const order = new Uint32Array(size);
  for (let sample = 0; sample < size; sample++) order[sample] = sample;
  shuffle(order, randomSequence(seed, use, stream));
  return tableOrder(order);
}

/** An order that is a table: the sample at every position. */
export function tableOrder(order: Uint32Array): EpochOrder {
  const { length } = order;
  return { length, at: (position) => order[position] ?? outsideEpoch(position, length) };
}

/** Shuffles in place, with draws `from` and on. */
export function shuffle(values: Uint32Array, draw: RandomSequence, from = 0): void {
  for (let last = values.length - 1; last > 0; last--) {
    const chosen = Math.floor(draw(from + last) * (last + 1));
    const value = values[last]!;
    values[last] = values[chosen]!;
    values[chosen] = value;
  }
}

/**
 * A keyed permutation in constant memory: a Feistel network over the smallest even number of bits that holds the size,
 * and positions that leave 0 … size − 1 are sent through again until they come back (on average less than four times).
 * It is one-to-one whatever the rounds do; four of them make it look random. Source: Luby, Rackoff, SIAM J. Comput. 1988;
 * cycle walking: Black, Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002.
 */
export function feistel(size: number, seed: number, stream: number | string, use = "feistel"): EpochOrder {
  let halfBits = 1;
  for (let reach = 4; reach < size; reach *= 4) halfBits++; // logarithms may differ between machines in the last bit
  const mask = 2 ** halfBits - 1;
  const draw = randomSequence(seed, use, stream);
  const keys = Uint32Array.from({ length: 4 }, (_, round) => draw(round) * 2 ** 32);
  const encrypt = (value: number) => {
    let left = Math.floor(value / (mask + 1));
    let right = value & mask;
    for (const key of keys) [left, right] = [right, left ^ (mixed(right, key) & mask)];
    return left * (mask + 1) + right;
  };
  return {
    length: size,
    at(position) {
      requirePosition(position, size);
      let sample = position;
      do sample = encrypt(sample);
      while (sample >= size);
      return sample;
    },
  };
}

/** Spreads every bit of (value, key) over 32 bits. Source: the finalizer of MurmurHash3, Appleby. */
function mixed(value: number, key: number): number {
  let bits = value ^ key;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
