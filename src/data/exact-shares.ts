/**
 * Exact shares: each part gets its share of every class to a sample or two, and samples that follow move none
 * before them.
 */
import { type RandomSequence, randomSequence } from "../array/random.ts";
import type { PartInterval } from "./division.ts";

/** What exact shares are drawn by. */
export interface ExactOptions {
  readonly seed: number;
  readonly use: string;
  /** One number per sample. Default: all are of one class. */
  readonly classes?: ArrayLike<number>;
}

/**
 * The number of each sample's part. A class's samples take turns, in their order: of 5 that follow one
 * another one is drawn for a part of 0.2, of those that are left one of 4 for a second part of 0.2, and so
 * on; the last part has the rest. Of the first n of a class a first part of share p therefore has ⌊n·p⌋ or
 * ⌈n·p⌉, whatever n, and each further part adds less than a sample to what its share is off by. Parts of
 * equal shares that make up the whole, as folds do, all have ⌊n·p⌋ or ⌈n·p⌉. A share of 1/k has turns of k
 * samples; those of another one are of two lengths that differ by one.
 */
export function exactParts(
  size: number,
  parts: readonly PartInterval[],
  { seed, use, classes }: ExactOptions,
): Uint8Array {
  const ascending = parts.map((_, part) => part).sort((a, b) => parts[a]!.from - parts[b]!.from);
  const rest = ascending.pop() ?? 0;
  const stages = ascending.map((part) => ({
    part,
    share: shareOfRest(parts[part]!),
    draw: randomSequence(seed, `${use} exact`, part),
  }));
  const turnsOf = new Map<number, readonly Turns[]>();
  const chosen = new Uint8Array(size).fill(rest);
  for (let sample = 0; sample < size; sample++) {
    const found = classes === undefined ? 0 : classes[sample]!;
    let turns = turnsOf.get(found);
    if (turns === undefined) {
      turns = stages.map(({ share, draw }) => new Turns(share, draw));
      turnsOf.set(found, turns);
    }
    const stage = turns.findIndex((one) => one.takes(sample));
    if (stage >= 0) chosen[sample] = stages[stage]!.part;
  }
  return chosen;
}

/** The part's share of what the parts below it leave. */
const shareOfRest = ({ from, to }: PartInterval) => (to - from) / (1 - from);

/**
 * Who of a class's samples is taken, one after the other: one of each turn, or all but one where the share is
 * above a half.
 */
class Turns {
  readonly #rarer: number;
  readonly #isMost: boolean;
  readonly #draw: RandomSequence;
  #turns = 0;
  #rank = 0;
  #end = 0;
  #drawn = -1;

  constructor(share: number, draw: RandomSequence) {
    this.#isMost = share > 0.5;
    this.#rarer = this.#isMost ? 1 - share : share;
    this.#draw = draw;
  }

  /** By the number of the turn's first sample, which stays whatever samples, classes or codes follow. */
  takes(sample: number): boolean {
    if (this.#rank === this.#end) {
      const start = this.#end;
      this.#turns++;
      // 1 / (1/3) may come out above 3 by its rounding, which is no reason for a turn of four.
      this.#end = Math.ceil(this.#turns / this.#rarer - 1e-9);
      this.#drawn = start + Math.floor(this.#draw(sample) * (this.#end - start));
    }
    const isDrawn = this.#rank++ === this.#drawn;
    return isDrawn !== this.#isMost;
  }
}
