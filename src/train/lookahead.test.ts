import assert from "node:assert/strict";
import { test } from "node:test";
import { arrays } from "../data/arrays.ts";
import { type Sampler, sequential, shuffled } from "../data/sampler.ts";
import { Drawing, type LastBatch, type Place } from "./drawing.ts";

const dataOf = (size: number) => arrays({ x: new Float32Array(size) });

/** What is hinted and what is drawn, one sample a line: "epoch sample". */
function follow(size: number, batchSize: number, lastBatch: LastBatch, steps: number, sampler = shuffled()) {
  const hinted: string[] = [];
  const leads: number[] = [];
  const drawing = new Drawing({
    data: dataOf(size),
    sampler,
    seed: 1,
    batchSize,
    lastBatch,
    hint: (samples, epoch) => hinted.push(...Array.from(samples, (sample) => `${epoch} ${sample}`)),
  });
  const drawn: string[] = [];
  let place: Place = { epoch: 0, position: 0 };
  for (let step = 0; step < steps; step++) {
    const parts = drawing.batch(place);
    for (const { epoch, samples } of parts) drawn.push(...Array.from(samples, (one) => `${epoch} ${one}`));
    leads.push(hinted.length - drawn.length);
    place = {
      ...place,
      position: place.position + parts.reduce((sum, { samples }) => sum + samples.length, 0),
    };
    if (drawing.isOver(place)) place = drawing.next(place);
  }
  return { hinted, drawn, leads };
}

test("every sample is hinted once, in order and ahead, across the borders of epochs and whatever becomes of the last batch", () => {
  for (const lastBatch of ["keep", "drop", "carry"] as const) {
    for (const [size, batchSize] of [
      [40, 16],
      [5000, 32],
      [700, 700],
      [3, 1],
    ] as const) {
      const { hinted, drawn, leads } = follow(size, batchSize, lastBatch, 400);
      assert.deepEqual(hinted.slice(0, drawn.length), drawn, `${lastBatch}, ${batchSize} of ${size}`);
      const distance = Math.max(1024, 4 * batchSize);
      // Half of the distance is left when more is hinted, and at most a batch more than the distance is.
      assert.ok(Math.min(...leads) >= distance / 2 - batchSize && Math.max(...leads) < distance + batchSize);
    }
  }
});

test("an epoch that cannot be drawn is told when it comes, not when it is looked ahead to", () => {
  const failing: Sampler = {
    name: "failing",
    epoch(size, seed, epoch) {
      if (epoch > 0) throw new Error("no more");
      return sequential().epoch(size, seed, epoch);
    },
  };
  const { hinted, drawn } = follow(40, 16, "keep", 3, failing);
  assert.deepEqual(hinted, drawn);
  assert.throws(() => follow(40, 16, "keep", 4, failing), /no more/);
});
