/** Lanes: the fixed slots of a batch's gradient sum, and the fixed tree that adds them up. */

/** The microbatches of lane v of V over K microbatches: from ⌊vK/V⌋ up to, not including, ⌊(v+1)K/V⌋. */
export function laneRange(lane: number, lanes: number, microbatches: number): { start: number; end: number } {
  return {
    start: Math.floor((lane * microbatches) / lanes),
    end: Math.floor(((lane + 1) * microbatches) / lanes),
  };
}

/** The lanes that have microbatches, in order. */
export function busyLanes(
  lanes: number,
  microbatches: number,
): { lane: number; start: number; end: number }[] {
  const busy: { lane: number; start: number; end: number }[] = [];
  for (let lane = 0; lane < lanes; lane++) {
    const range = laneRange(lane, lanes, microbatches);
    if (range.end > range.start) busy.push({ lane, ...range });
  }
  return busy;
}

/** How one crew member adds up lanes it computes one after another, with few sums in memory. */
export interface MergeSchedule {
  /** Sums needed at once. */
  readonly slots: number;
  /** For the i-th busy lane: which slot it is summed in, and the merges due once it is finished. */
  readonly lanes: readonly { readonly slot: number; readonly merges: readonly Merge[] }[];
}

/** Adds slots in order, as a fixed tree, into the first of them. */
export interface Merge {
  readonly slots: readonly number[];
  /** The busy lanes each slot stands for at this moment; one means the slot still is that lane's own sum. */
  readonly laneCounts: readonly number[];
}

/**
 * The merges that add `count` lanes in the one fixed tree, tree(n) = tree(p) + tree(n − p) with p the largest power of
 * two below n, merging up to `fanIn` (2, 4 or 8) sums in one pass. A larger fan-in reads memory less often and keeps more
 * sums: fanIn 2 needs 1 + log₂ count, fanIn = count needs all. The tree, and so every bit, is the same for all of them.
 */
export function mergeSchedule(count: number, fanIn: number): MergeSchedule {
  const levels: number[][] = []; // levels[l]: slots that each stand for fanInˡ lanes
  const free: number[] = [];
  let slots = 0;
  const take = () => free.shift() ?? slots++;
  const lanes = Array.from({ length: count }, (_, index) => {
    const merges: Merge[] = [];
    let slot = take();
    const start = slot;
    for (let level = 0; ; level++) {
      levels[level] ??= [];
      const siblings = levels[level];
      siblings.push(slot);
      if (siblings.length < fanIn) break;
      merges.push({ slots: [...siblings], laneCounts: siblings.map(() => fanIn ** level) });
      slot = siblings[0]!;
      release(free, siblings.slice(1));
      levels[level] = [];
    }
    if (index === count - 1) merges.push(...lastMerges(levels, fanIn));
    return { slot: start, merges };
  });
  return { slots, lanes };
}

/** What is left over is added from the smallest level up; each level's rest is the last summand of the next. */
function lastMerges(levels: readonly number[][], fanIn: number): Merge[] {
  const merges: Merge[] = [];
  let rest: number | undefined;
  let restCount = 0;
  levels.forEach((siblings, level) => {
    const size = fanIn ** level;
    const slots = rest === undefined ? siblings : [...siblings, rest];
    if (slots.length === 0) return;
    if (slots.length > 1) {
      const laneCounts = slots.map((_, index) => (index < siblings.length ? size : restCount));
      merges.push({ slots, laneCounts });
    }
    restCount += siblings.length * size;
    rest = slots[0];
  });
  return merges;
}

/** Lower slots are used first, so that the total of a whole schedule always ends in slot 0. */
function release(free: number[], slots: readonly number[]): void {
  free.push(...slots);
  free.sort((a, b) => a - b);
}
