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

  it("are added in one fixed tree", () => {
    for (let count = 1; count <= 150; count++) {
      const schedule = mergeSchedule(count);
      const slots = Array<string | undefined>(schedule.slots);
      schedule.lanes.forEach(({ slot, merges }, lane) => {
        assert.equal(slots[slot], undefined, `slot ${slot} is in use when lane ${lane} starts`);
        slots[slot] = String(lane);
        for (const { into, from } of merges) {
          slots[into] = `(${slots[into]}+${slots[from]})`;
          slots[from] = undefined;
        }
      });
      assert.equal(slots[0], treeOf(0, count), `${count} lanes`);
    }
  });

  it("need 1 + log₂ sums in memory, and fewer lanes never need more", () => {
    let most = 0;
    for (let count = 1; count <= 1024; count++) {
      const { slots } = mergeSchedule(count);
      assert.equal(slots, 1 + Math.floor(Math.log2(count)), `${count} lanes`);
      assert.ok(slots >= most);
      most = slots;
    }
  });
});
