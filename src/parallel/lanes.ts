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

/** Adds the sum in one slot to that in another. */
export interface Merge {
  readonly into: number;
  readonly from: number;
}

/**
 * The merges that add `count` lanes in the one fixed tree, tree(n) = tree(p) + tree(n − p) with p the largest power of two
 * below n: like a binary counter, two sums that stand for equally many lanes are added at once, so that 1 + log₂ count sums
 * are enough. What is left at the end is added from the smallest up. The total ends in slot 0.
 */
export function mergeSchedule(count: number): MergeSchedule {
  const open: { slot: number; lanes: number }[] = []; // what waits to be added; slot i is the i-th of them
  let slots = 0;
  const lanes = Array.from({ length: count }, (_, index) => {
    const slot = open.length;
    slots = Math.max(slots, slot + 1);
    open.push({ slot, lanes: 1 });
    const merges: Merge[] = [];
    const isLast = index === count - 1;
    while (open.length > 1 && (isLast || open.at(-1)!.lanes === open.at(-2)!.lanes)) {
      const right = open.pop()!;
      const left = open.pop()!;
      merges.push({ into: left.slot, from: right.slot });
      open.push({ slot: left.slot, lanes: left.lanes + right.lanes });
    }
    return { slot, merges };
  });
  return { slots, lanes };
}

/** A lane, or the sum of two nodes. */
export interface LaneNode {
  readonly left: number;
  readonly right: number;
}

/** The fixed tree over `count` lanes: nodes 0 … count − 1 are the lanes; every other adds two before it; the last is the total. */
export function laneTree(count: number): readonly (LaneNode | undefined)[] {
  const nodes: (LaneNode | undefined)[] = Array.from({ length: count }, () => undefined);
  const nodeOfSlot: number[] = [];
  mergeSchedule(count).lanes.forEach(({ slot, merges }, lane) => {
    nodeOfSlot[slot] = lane;
    for (const { into, from } of merges)
      nodeOfSlot[into] = nodes.push({ left: nodeOfSlot[into]!, right: nodeOfSlot[from]! }) - 1;
  });
  return nodes;
}
