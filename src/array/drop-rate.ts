/** A dropout rate as masks draw it. The layer that scales and the kernel that draws are strangers, and must agree exactly. */
import { fail } from "../errors.ts";

/**
 * How many of 65536 equally likely draws drop an element, round(rate · 65536): masks compare 16 random bits with it.
 * Throws for a rate outside [0, 1), and for one that rounds to 1.
 */
export function dropThreshold(rate: number): number {
  const threshold = Math.round(rate * 65536);
  if (!(rate >= 0 && threshold < 65536)) {
    fail("dropout", {
      expected: "a rate from 0 to below 1 (at most 0.99999)",
      got: String(rate),
      fix: "give the probability of dropping an element, for example 0.1",
    });
  }
  return threshold;
}

/**
 * The exact probability that an element is kept, 1 − round(rate · 65536) / 65536. What is kept must be divided by it, and
 * not by 1 − rate, so that the expectation is unchanged. Throws for a rate outside [0, 1), and for one that rounds to 1.
 */
export function keepProbability(rate: number): number {
  return 1 - dropThreshold(rate) / 65536;
}
