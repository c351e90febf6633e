/**
 * Random numbers without state: each is a pure function of (seed, use, stream, index), so it cannot depend on which
 * microbatch, thread or machine asks for it, nor on what was asked before.
 * Source: Philox4x32-10 of Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
 */
import { fail } from "../errors.ts";

/**
 * Philox4x32-10: four 32-bit words from a 64-bit key and a 128-bit counter. Different counters under one key give
 * different words, and no statistical test the authors ran (BigCrush) tells them from noise.
 * All arguments are taken modulo 2³². Writes into `into` (default: a new array) and returns it.
 */
export function philox(
  key0: number,
  key1: number,
  counter0: number,
  counter1: number,
  counter2: number,
  counter3: number,
  into: Uint32Array = new Uint32Array(4),
): Uint32Array {
  let c0 = counter0 | 0;
  let c1 = counter1 | 0;
  let c2 = counter2 | 0;
  let c3 = counter3 | 0;
  let k0 = key0 | 0;
  let k1 = key1 | 0;
  for (let round = 0; round < philoxRounds; round++) {
    const high0 = multiplyHigh(c0, philoxMultiplier0);
    const high1 = multiplyHigh(c2, philoxMultiplier1);
    const low0 = Math.imul(c0, philoxMultiplier0);
    const low1 = Math.imul(c2, philoxMultiplier1);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + philoxWeyl0) | 0;
    k1 = (k1 + philoxWeyl1) | 0;
  }
  into[0] = c0;
  into[1] = c1;
  into[2] = c2;
  into[3] = c3;
  return into;
}

/** The constants of Philox4x32-10, for those who compile it. */
export const philoxRounds = 10;
export const philoxMultiplier0 = 0xd2511f53;
export const philoxMultiplier1 = 0xcd9e8d57;
export const philoxWeyl0 = 0x9e3779b9;
export const philoxWeyl1 = 0xbb67ae85;

/** Uniform numbers in [0, 1) by index: any order, any number of times. */
export type RandomSequence = (index: number) => number;

/**
 * One uniform float64 in [0, 1), a multiple of 2⁻⁵³.
 *
 * seed: whole number in [0, 2⁵³). use: what the number is for ("initialize", "shuffle", "split", …), so that two purposes
 * under one seed never share numbers; a text, or a whole number in [0, 2³²). stream: which sequence of that use (an epoch,
 * a column; a text such as a parameter's name is hashed to 53 bits), a whole number in [0, 2⁵³). index: in [0, 2⁴⁴).
 * Throws when one of them is out of its range. For many numbers of one stream use `randomSequence`.
 */
export function uniformAt(
  seed: number,
  use: string | number,
  stream: string | number,
  index: number,
): number {
  return randomSequence(seed, use, stream)(index);
}

/**
 * The numbers `uniformAt(seed, use, stream, index)` as a function of the index. Reading upwards is fast: one Philox block
 * gives two numbers, and the last block is kept (which is the only state, and nothing depends on it).
 */
export function randomSequence(
  seed: number,
  use: string | number,
  stream: string | number = 0,
): RandomSequence {
  const streamNumber = typeof stream === "string" ? stableHash(stream) : stream;
  requireWhole("seed", seed, 2 ** 53);
  requireWhole("use", typeof use === "string" ? 0 : use, 2 ** 32);
  requireWhole("stream", streamNumber, 2 ** 53);
  const useNumber = typeof use === "string" ? stableHash(use) : use;
  const seedHigh = Math.floor(seed / 2 ** 32);
  const streamHigh = Math.floor(streamNumber / 2 ** 32);
  const words = new Uint32Array(4);
  let known = -1;
  return (index) => {
    if (!(Number.isInteger(index) && index >= 0 && index < indexEnd)) requireWhole("index", index, indexEnd);
    const block = Math.floor(index / 2);
    if (block !== known) {
      // 43 bits of the block, 53 of the stream and 32 of the use fill the 128 bits of the counter: nothing overlaps.
      const mixed = (Math.floor(block / 2 ** 32) << 21) | streamHigh;
      philox(seed, seedHigh, block, mixed, streamNumber, useNumber, words);
      known = block;
    }
    const at = (index % 2) * 2;
    return ((words[at]! >>> 5) * 2 ** 26 + (words[at + 1]! >>> 6)) / 2 ** 53;
  };
}

const indexEnd = 2 ** 44;

/**
 * A whole number in [0, 2⁵³) that depends on the text alone, the same on every machine and in every version.
 * Source: FNV-1a, 64 bits, over UTF-8, folded to 53 bits (Fowler, Noll, Vo).
 */
export function stableHash(text: string): number {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return Number((hash >> 53n) ^ BigInt.asUintN(53, hash));
}

/** The upper 32 bits of the 64-bit product of two unsigned 32-bit numbers; JavaScript only has the lower ones. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = Math.imul(aHigh, bLow);
  const carry = (Math.imul(aLow, bLow) >>> 16) + (middle & 0xffff) + Math.imul(aLow, bHigh);
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (carry >>> 16)) | 0;
}

function requireWhole(what: string, value: number, end: number): void {
  if (Number.isInteger(value) && value >= 0 && value < end) return;
  fail(`random number, ${what}`, {
    expected: `a whole number from 0 to ${end - 1}`,
    got: String(value),
    fix: `pass a ${what} in that range, for example ${Math.floor(Math.abs(value) || 0) % end || 7}`,
  });
}
