/** Identities: what samples and groups are called, wherever they stand, and the random number that belongs to a name. */
import { randomSequence, stableHash, uniformAt } from "../array/random.ts";
import { fail } from "../errors.ts";
import type { Dataset } from "./dataset.ts";
import type { PartInterval } from "./division.ts";
import type { ColumnArray } from "./memory.ts";

/** One name per sample: a text or a number, which is taken as the text of its digits. */
export type Names = ArrayLike<string | number>;

/**
 * What a column calls the samples: the text of a category, else the number. Throws where a sample has none, or one of the
 * categories that the column does not list.
 */
export function columnNames(where: string, data: Dataset, column: string, values: ColumnArray): Names {
  const { categories } = data.columns[column]!;
  const isMissing = (value: number) => Number.isNaN(value) || (categories !== undefined && value < 0);
  const missing = values.findIndex(isMissing);
  if (missing >= 0) {
    fail(where, {
      expected: `a value of "${column}" in every sample`,
      got: `none in sample ${missing}, and in ${values.filter(isMissing).length} of ${values.length} in all`,
      fix: "fill the column, or leave those samples out with subset",
    });
  }
  if (categories === undefined) return values;
  const unlisted = values.findIndex((code) => code >= categories.length);
  if (unlisted >= 0) {
    fail(where, {
      expected: `a column "${column}" that lists all of its categories`,
      got: `one that it does not list in sample ${unlisted}, beside ${categories.length} that it does`,
      fix: `read the table with types: { ${column}: "category" }, which lists all`,
    });
  }
  return Array.from(values, (code) => categories[code]!);
}

/** Uniform numbers in [0, 1), one per sample: of its name where there are names, else of its index. */
export function drawsOf(size: number, seed: number, use: string, names?: Names): Float64Array {
  const draws = new Float64Array(size);
  if (names === undefined) {
    const draw = randomSequence(seed, use);
    for (let sample = 0; sample < size; sample++) draws[sample] = draw(sample);
    return draws;
  }
  const useNumber = stableHash(use) % 2 ** 32; // what a text stands for there, not hashed anew for every sample
  for (let sample = 0; sample < size; sample++) {
    draws[sample] = uniformAt(seed, useNumber, String(names[sample]!), 0);
  }
  return draws;
}

/** Samples by name: those of one name are a group. */
export interface Groups {
  /** The groups, in the order in which they come. */
  readonly names: readonly (string | number)[];
  /** The number of each sample's group. */
  readonly ofSample: Uint32Array;
}

/** Groups the samples of each name. */
export function groupsOf(names: Names): Groups {
  const numbers = new Map<string | number, number>();
  const texts = new Map<string, number>(); // 3 and "3" are drawn alike, so they are one group
  const ofSample = new Uint32Array(names.length);
  for (let sample = 0; sample < names.length; sample++) {
    const name = names[sample]!;
    let known = numbers.get(name);
    if (known === undefined) {
      const text = String(name);
      known = texts.get(text) ?? texts.size;
      texts.set(text, known);
      numbers.set(name, known);
    }
    ofSample[sample] = known;
  }
  return { names: [...texts.keys()], ofSample };
}

/**
 * Refuses names that were chosen by their draws already: the training part of a split by identity has no draw below the
 * share of validation, so another such split with the same seed would find nothing there, without a word. Six standard
 * deviations below the expected number happen by chance once in a billion.
 */
export function requireNewDraws(where: string, draws: Float64Array, parts: readonly PartInterval[]): void {
  const distinct = draws
    .slice()
    .sort()
    .filter((drawn, at, sorted) => at === 0 || drawn > sorted[at - 1]!);
  for (const { from, to } of parts) {
    const share = to - from;
    const expected = distinct.length * share;
    const found = distinct.reduce((count, drawn) => count + (drawn >= from && drawn < to ? 1 : 0), 0);
    if (found >= expected - 6 * Math.sqrt(expected * (1 - share))) continue;
    fail(where, {
      expected: `about ${Math.round(expected)} of ${distinct.length} in a part of ${Number(share.toPrecision(3))}`,
      got: `${found}, since they were chosen by a split with the same seed and column`,
      fix: "pass another seed",
    });
  }
}
