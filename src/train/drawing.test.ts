import assert from "node:assert/strict";
import { test } from "node:test";
import { arrays } from "../data/arrays.ts";
import { blockShuffled } from "../data/draw/block-shuffled.ts";
import { stratified } from "../data/draw/stratified.ts";
import { type Sampler, shuffled } from "../data/sampler.ts";
import { dropout, linear, sequence, squaredError } from "../nn/index.ts";
import { sgd } from "../optim/index.ts";
import { Drawing, type LastBatch } from "./drawing.ts";
import type { EpochEvent, FinishedEvent, StepEvent, TrainEvent } from "./event.ts";
import type { Plan } from "./plan.ts";
import { afterEpochs, afterSteps } from "./stop.ts";
import { train } from "./train.ts";

const size = 40;
const numbers = Array.from({ length: size }, (_, sample) => [Math.sin(sample)]);
const kind = Int32Array.from({ length: size }, (_, sample) => sample % 3);
const data = arrays({ x: numbers, y: numbers, kind });

function plan(change: Partial<Plan<typeof data.columns>> = {}): Plan<typeof data.columns> {
  const line = sequence(linear(4), dropout(0.3), linear(1));
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

const ofType = <Type extends TrainEvent["type"]>(events: readonly TrainEvent[], type: Type) =>
  events.filter((event): event is Extract<TrainEvent, { type: Type }> => event.type === type);

/** The samples of batch after batch, and in which epoch each began. */
function batches(lastBatch: LastBatch, epochs: number, sampler: Sampler = shuffled(), batchSize = 16) {
  const drawing = new Drawing({ data, sampler, seed: 3, batchSize, lastBatch });
  const drawn: { epoch: number; position: number; samples: number[] }[] = [];
  let place = { epoch: 0, position: 0 };
  while (place.epoch < epochs) {
    const samples = drawing.batch(place).flatMap((part) => [...part.samples]);
    drawn.push({ ...place, samples });
    place = { ...place, position: place.position + samples.length };
    if (drawing.isOver(place)) place = drawing.next(place);
  }
  return drawn;
}

const orderOf = (epoch: number, sampler: Sampler = shuffled()) => {
  const order = sampler.epoch(size, 3, epoch);
  return Array.from({ length: order.length }, (_, position) => order.at(position));
};

test("kept, an epoch's last batch has what is left; dropped, it is not there; carried, the next epoch fills it up", () => {
  const lengths = (lastBatch: LastBatch, batchSize?: number) =>
    batches(lastBatch, 4, shuffled(), batchSize).map(({ epoch, samples }) => `${epoch}: ${samples.length}`);
  const times = (epoch: number, ...counts: number[]) => counts.map((count) => `${epoch}: ${count}`);
  assert.deepEqual(
    lengths("keep"),
    [0, 1, 2, 3].flatMap((epoch) => times(epoch, 16, 16, 8)),
  );
  assert.deepEqual(
    lengths("drop"),
    [0, 1, 2, 3].flatMap((epoch) => times(epoch, 16, 16)),
  );
  assert.deepEqual(lengths("carry"), [
    ...times(0, 16, 16, 16),
    ...times(1, 16, 16),
    ...times(2, 16, 16, 16),
    ...times(3, 16, 16),
  ]);
  // Where batches fill epochs, all are the same.
  for (const lastBatch of ["keep", "drop", "carry"] as const) {
    assert.deepEqual(batches(lastBatch, 3, shuffled(), 8), batches("keep", 3, shuffled(), 8));
    assert.deepEqual(lengths(lastBatch, 40), ["0: 40", "1: 40", "2: 40", "3: 40"]);
  }
});

test("carried batches are the epochs' orders one behind the other, cut at every batch", () => {
  for (const batchSize of [1, 7, 16, 39, 40]) {
    const drawn = batches("carry", 9, shuffled(), batchSize).flatMap(({ samples }) => samples);
    const orders = Array.from({ length: 11 }, (_, epoch) => orderOf(epoch)).flat();
    assert.ok(drawn.length >= 9 * size && drawn.length < 9 * size + batchSize);
    assert.deepEqual(drawn, orders.slice(0, drawn.length));
  }
});

test("dropped samples are the last of the epoch's order", () => {
  for (const epoch of [0, 1, 2]) {
    const drawn = batches("drop", 3).filter((batch) => batch.epoch === epoch);
    assert.deepEqual(
      drawn.flatMap(({ samples }) => samples),
      orderOf(epoch).slice(0, 32),
    );
  }
});

test("a batch depends on its place alone: whoever resumes there draws the same, in any epoch", () => {
  for (const lastBatch of ["keep", "drop", "carry"] as const) {
    for (const { epoch, position, samples } of batches(lastBatch, 6)) {
      const resumed = new Drawing({ data, sampler: shuffled(), seed: 3, batchSize: 16, lastBatch });
      const again = resumed.batch({ epoch, position }).flatMap((part) => [...part.samples]);
      assert.deepEqual(again, samples, `${lastBatch}, epoch ${epoch}`);
    }
  }
});

test("orders of different lengths follow each other", () => {
  const lengths = [20, 37, 16, 40];
  const growing: Sampler = {
    name: "growing",
    epoch: (_, __, epoch) => ({ length: lengths[epoch % 4]!, at: (position) => (position + epoch) % size }),
  };
  const drawn = batches("carry", 4, growing);
  assert.deepEqual(
    drawn.flatMap(({ samples }) => samples),
    [0, 1, 2, 3, 4].flatMap((epoch) => orderOf(epoch, growing)).slice(0, drawn.length * 16),
  );
});

test("a carried run has the bytes of one that knows a single long epoch", async () => {
  const long: Sampler = {
    name: "long",
    epoch: () => {
      const order = Array.from({ length: 5 }, (_, epoch) => orderOf(epoch)).flat();
      return { length: order.length, at: (position) => order[position]! };
    },
  };
  const run = async (change: Partial<Plan<typeof data.columns>>) => {
    const events = await collect(train(plan({ stop: afterSteps(12), microbatchSize: 5, ...change })));
    return events.at(-1) as FinishedEvent; // the contract of a run
  };
  const carried = await run({ lastBatch: "carry" });
  assert.equal(carried.parametersSha256, (await run({ sampler: long })).parametersSha256);
  assert.notEqual(carried.parametersSha256, (await run({})).parametersSha256);
  assert.equal(carried.samples, 12 * 16);
  // The law across the border of epochs: another microbatch size, the same to float32 rounding (12 steps of 1e-6 each).
  const { model } = await run({ lastBatch: "carry", microbatchSize: 16 });
  for (const [name, { data: values }] of carried.model.parameters) {
    values.forEach((value, index) => {
      assert.ok(Math.abs(Number(value) - Number(model.parameters.get(name)!.data[index])) < 1e-5, name);
    });
  }
});

test("an epoch's event tells the samples and the mean loss of its own steps, and positions end where the epoch does", async () => {
  const expected = {
    keep: { samples: [40, 40], positions: [16, 32, 40, 16, 32, 40] },
    drop: { samples: [32, 32], positions: [16, 32, 16, 32] },
    carry: { samples: [48, 32], positions: [16, 32, 40, 24, 40] },
  } as const;
  for (const lastBatch of ["keep", "drop", "carry"] as const) {
    const events = await collect(train(plan({ lastBatch, stop: afterEpochs(2) })));
    const epochs: EpochEvent[] = ofType(events, "epoch");
    const steps: StepEvent[] = ofType(events, "step");
    assert.deepEqual(
      { samples: epochs.map(({ samples }) => samples), positions: steps.map(({ position }) => position) },
      expected[lastBatch],
    );
    for (const { epoch, samples, loss } of epochs) {
      const own = steps.filter((step) => step.epoch === epoch);
      const mean = own.reduce((sum, step) => sum + step.loss * step.samples, 0) / samples;
      assert.ok(Math.abs(loss - mean) < 1e-12); // float64 sums in another order
    }
  }
});

test("what becomes of the last batch is recorded, and taken from a record", async () => {
  const run = async (change: Partial<Plan<typeof data.columns>>) => collect(train(plan(change)));
  const [started] = await run({ lastBatch: "carry" });
  assert.ok(started?.type === "started");
  assert.equal(started.plan.lastBatch, "carry");
  const replayed = await run({ replay: started.plan });
  assert.equal(ofType(replayed, "step").length, 3);
  assert.equal(ofType(replayed, "step")[2]!.samples, 16);
  await assert.rejects(
    run({ replay: started.plan, lastBatch: "drop" }),
    /expected the recorded plan \(lastBatch "carry"\), got lastBatch "drop"/,
  );
});

test("batches that no epoch can fill, and epochs of nothing, are refused before the first step", async () => {
  for (const lastBatch of ["drop", "carry"] as const) {
    await assert.rejects(collect(train(plan({ lastBatch, batchSize: 41 }))), {
      message:
        `plan.lastBatch: expected at least one whole batch of 41 in an epoch to ${lastBatch} the rest of, got 40 samples. ` +
        "Fix: lower batchSize to 40 or less, or keep the last batch",
    });
  }
  const empty: Sampler = { name: "empty", epoch: () => ({ length: 0, at: () => 0 }) };
  await assert.rejects(collect(train(plan({ sampler: empty }))), {
    message:
      "plan.sampler, empty: expected at least one position in an epoch, got 0. Fix: correct what its epoch() gives",
  });
});
