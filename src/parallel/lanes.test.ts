import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { busyLanes, laneRange, mergeSchedule } from "./lanes.ts";

/** The tree as text: tree(n) = tree(p) + tree(n − p), p the largest power of two below n. */
function treeOf(first: number, count: number): string {
  if (count === 1) return String(first);
  let power = 1;
  while (power * 2 < count) power *= 2;
  return `(${treeOf(first, power)}+${treeOf(first + power, count - power)})`;
}

/** Adds texts pairwise as the reduction adds sums. */
function treeOfTexts(texts: readonly string[]): string {
  if (texts.length === 1) return texts[0]!;
  let power = 1;
  while (power * 2 < texts.length) power *= 2;
  return `(${treeOfTexts(texts.slice(0, power))}+${treeOfTexts(texts.slice(power))})`;
}

describe("lanes", () => {
  it("cut any number of microbatches into contiguous runs that differ by at most one", () => {
    for (let lanes = 1; lanes <= 17; lanes++) {
      for (let microbatches = 0; microbatches <= 40; microbatches++) {
        const ranges = Array.from({ length: lanes }, (_, lane) => laneRange(lane, lanes, microbatches));
        assert.equal(ranges[0]!.start, 0);
        assert.equal(ranges.at(-1)!.end, microbatches);
        ranges.slice(1).forEach(({ start }, index) => {
          assert.equal(start, ranges[index]!.end);
        });
        const sizes = ranges.map(({ start, end }) => end - start);
        assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
        const busy = busyLanes(lanes, microbatches);
        assert.equal(busy.length, Math.min(lanes, microbatches));
      }
    }
  });

  it("are added in one fixed tree, whatever the number of sums added in one pass", () => {
    for (const fanIn of [2, 4, 8]) {
      for (let count = 1; count <= 150; count++) {
        const schedule = mergeSchedule(count, fanIn);
        const slots = Array<string | undefined>(schedule.slots);
        const ownNorms: number[] = [];
        schedule.lanes.forEach(({ slot, merges }, lane) => {
          assert.equal(slots[slot], undefined, `slot ${slot} is in use when lane ${lane} starts`);
          slots[slot] = String(lane);
          for (const merge of merges) {
            const texts = merge.slots.map((from) => slots[from]!);
            assert.ok(merge.slots.length <= fanIn);
            merge.laneCounts.forEach((laneCount, index) => {
              assert.equal(texts[index]!.split("+").length, laneCount);
              if (laneCount === 1) ownNorms.push(Number(texts[index]));
            });
            for (const from of merge.slots) slots[from] = undefined;
            slots[merge.slots[0]!] = treeOfTexts(texts);
          }
        });
        assert.equal(slots[0], treeOf(0, count), `${count} lanes, ${fanIn} at once`);
        // Every lane's own norm is seen exactly once, in order; a single lane is never merged.
        if (count > 1)
          assert.deepEqual(
            ownNorms,
            Array.from({ length: count }, (_, lane) => lane),
          );
      }
    }
  });

  it("need 1 + log₂ sums in memory when two are added at a time", () => {
    for (const count of [1, 2, 4, 8, 64, 1024]) {
      assert.equal(mergeSchedule(count, 2).slots, 1 + Math.log2(count));
    }
    let most = 0;
    for (let count = 1; count <= 1024; count++) {
      const { slots } = mergeSchedule(count, 2);
      assert.ok(slots >= most, `${count} lanes need ${slots}, fewer need ${most}`); // so a shorter batch fits too
      most = slots;
    }
  });
});
