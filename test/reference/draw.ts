/** Random numbers for test cases: seeded, and away from the points where a derivative jumps. */
import { concrete, elementCount } from "../../src/array/shape.ts";
import type { SampleInput } from "../../src/graph/op.ts";
import type { Feed } from "./evaluate.ts";

/** A stream of numbers in [0, 1). */
export type Random = () => number;

/** mulberry32: 32 bits of state are plenty for test cases, and the seed is one number to type in again. */
export function seeded(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How far from a kink the inputs are drawn: far more than the step of a central difference. */
export const kinkDistance = 0.05;

/** Strings of test cases: categories, a missing value, and one that no test knows. */
const categoryWords = ["a", "b", "c", "", "never seen"];

/** Numbers (or words) for the leaf of a test case, float32 values as float32 has them. */
export function draw(input: SampleInput, batch: number, random: Random): Feed {
  const shape = concrete(input.shape, batch);
  const count = elementCount(shape);
  if (input.dtype === "string") {
    const { words = categoryWords } = input;
    return { shape, data: Array.from({ length: count }, () => words[Math.floor(random() * words.length)]!) };
  }
  return { shape, data: Array.from({ length: count }, () => drawNumber(input, random)) };
}

function drawNumber({ dtype = "float32", range = [-2, 2], kinks = [] }: SampleInput, random: Random): number {
  const [from, to] = dtype === "bool" ? [0, 2] : range;
  for (let attempt = 0; attempt < 1000; attempt++) {
    const value = from + random() * (to - from);
    if (!dtype.startsWith("float")) return Math.floor(value);
    if (kinks.every((kink) => Math.abs(value - kink) >= kinkDistance)) return Math.fround(value);
  }
  throw new Error(`the range [${range}] holds nothing that is ${kinkDistance} away from [${kinks}]`);
}
