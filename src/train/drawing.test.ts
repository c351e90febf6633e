import assert from "node:assert/strict";
import { test } from "node:test";
import { arrays } from "../data/arrays.ts";
import { blockShuffled } from "../data/draw/block-shuffled.ts";
import { stratified } from "../data/draw/stratified.ts";
import { linear, squaredError } from "../nn/index.ts";
import { sgd } from "../optim/index.ts";
import type { TrainEvent } from "./event.ts";
import type { Plan } from "./plan.ts";
import { afterEpochs } from "./stop.ts";
import { train } from "./train.ts";

const size = 40;
const numbers = Array.from({ length: size }, (_, sample) => [Math.sin(sample)]);
const kind = Int32Array.from({ length: size }, (_, sample) => sample % 3);
const data = arrays({ x: numbers, y: numbers, kind });

function plan(change: Partial<Plan<typeof data.columns>> = {}): Plan<typeof data.columns> {
  const line = linear(1);
  return {
    data,
    model: (row) => line(row.x),
    loss: (predicted, row) => squaredError(predicted, row.y),
    optimizer: sgd({ learningRate: 0.1 }),
    batchSize: 16,
    seed: 3,
    stop: afterEpochs(1),
    ...change,
  };
}

async function collect(events: AsyncIterable<TrainEvent>): Promise<TrainEvent[]> {
  const all: TrainEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

test("a sampler is recorded with its options, and a replay by another one is refused", async () => {
  const [started] = await collect(train(plan({ sampler: blockShuffled({ samplesPerBlock: 8 }) })));
  assert.ok(started?.type === "started");
  assert.deepEqual(started.plan.sampler, {
    name: "blockShuffled",
    options: { samplesPerBlock: 8, blocks: 64 },
  });
  const again = plan({ sampler: blockShuffled({ samplesPerBlock: 9 }), replay: started.plan });
  await assert.rejects(collect(train(again)), {
    message:
      'plan.replay: expected the recorded plan (sampler {"name":"blockShuffled","options":{"samplesPerBlock":8,"blocks":64}}), ' +
      'got sampler {"name":"blockShuffled","options":{"samplesPerBlock":9,"blocks":64}}. ' +
      "Fix: make the plan what it was, or leave replay out",
  });
});

test("a sampler made from other classes is another sampler", async () => {
  const [started] = await collect(train(plan({ sampler: await stratified(data, "kind") })));
  assert.ok(started?.type === "started");
  const other = arrays({ kind: kind.map((code) => 2 - code) });
  const again = plan({ sampler: await stratified(other, "kind"), replay: started.plan });
  await assert.rejects(
    collect(train(again)),
    /^MicrobatchError: plan\.replay: expected .*\(sampler .*"sha256"/,
  );
});
