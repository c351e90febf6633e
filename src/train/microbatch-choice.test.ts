import assert from "node:assert/strict";
import { test } from "node:test";
import { arrays } from "../data/arrays.ts";
import type { Dataset } from "../data/dataset.ts";
import { sequential } from "../data/sampler.ts";
import { batchNorm, linear, relu, sequence, squaredError } from "../nn/index.ts";
import { sgd } from "../optim/index.ts";
import { threads } from "../parallel/threads.ts";
import { chooseMicrobatch } from "./microbatch-choice.ts";
import { definePlan, type Plan } from "./plan.ts";
import { resolveSizes } from "./resolve.ts";
import { afterSteps } from "./stop.ts";
import { trace } from "./trace.ts";
import { train } from "./train.ts";

const held = arrays({ x: Array.from({ length: 64 }, (_, i) => [i / 64]), y: Array(64).fill([0]) });

/** As many samples as wanted, of 64 different ones. */
const repeated = (size: number): Dataset => ({
  name: "repeated",
  size,
  columns: held.columns,
  read: (column, samples, into) =>
    held.read(
      column as "x" | "y",
      samples.map((one) => one % 64),
      into,
    ),
  fingerprint: () => held.fingerprint(),
});

function plan(change: Partial<Plan> = {}, layer = relu): Plan {
  const body = sequence(linear(2048), layer, linear(1));
  return definePlan({
    data: repeated(1_000_000),
    sampler: sequential(),
    model: (row) => body(row.x!),
    loss: (predicted, row) => squaredError(predicted, row.y!),
    optimizer: sgd({ learningRate: 0.01 }),
    batchSize: 512,
    stop: afterSteps(1),
    parallel: threads(1),
    ...change,
  }) as Plan; // with columns known by name only
}

/** Chooses with a probe that takes so many seconds by a clock of its own; nothing waits. Adding sums takes `merge` seconds. */
function choose(asked: Plan, seconds: (samples: number) => number, { most = 1e9, merge = 0 } = {}) {
  const tried: number[] = [];
  const spent = { seconds: 0 };
  const run = async (samples: number, ms = 0) => {
    if (!tried.includes(samples)) tried.push(samples);
    const one = seconds(samples);
    const spentSeconds = Math.max(one, ms / 1000);
    spent.seconds += spentSeconds;
    return { usualSeconds: one, spentSeconds };
  };
  const probe = { run, close: async () => {} };
  const fits = (size: number) => size <= most;
  const sizes = resolveSizes(asked);
  const choosing = { plan: asked, trace: trace(asked), sizes, fits, openProbe: async () => probe };
  return { chosen: chooseMicrobatch(choosing, () => merge), tried, spent };
}

/** As long as its samples take, and those of `overhead` more. */
const withOverhead = (overhead: number) => (samples: number) => (samples + overhead) / 1e5;

test("the smallest size within 2 % of the fastest is taken, be it timed or between two that are", async () => {
  const sizeFor = async (overhead: number) =>
    (await choose(plan(), withOverhead(overhead)).chosen)?.microbatchSize;
  // Of 64, 128, 256 and 512. With 1 sample's time on top 64 are 1.4 % slower than 512; with 2, 2.7 % and 128 1.2 %.
  assert.equal(await sizeFor(0), 64);
  assert.equal(await sizeFor(1), 64);
  assert.equal(await sizeFor(2), 128);
  assert.equal(await sizeFor(4), 256);
  assert.equal(await sizeFor(1000), 512);
  const { microbatchSize, reason } = (await choose(plan(), withOverhead(20)).chosen)!;
  assert.equal(microbatchSize, 512);
  assert.equal(
    reason,
    "the smallest within 2 % of the fastest (milliseconds of a step on one thread, in microbatches of 64: 6.72, 128: about 5.99, 256: 5.52, 512: 5.32)",
  );
});

test("timed are what gives each lane a microbatch, four times as much, and then what promises most: three sizes at most", async () => {
  const tried = async (change: Partial<Plan>, seconds: (samples: number) => number) => {
    const one = choose(plan(change), seconds);
    await one.chosen;
    return one.tried;
  };
  const outgrowsCache = (samples: number) => (samples + 10 + 0.02 * samples * samples) / 1e5;
  assert.deepEqual(await tried({}, withOverhead(20)), [64, 256, 512]);
  assert.deepEqual(await tried({ batchSize: 32 }, withOverhead(20)), [4, 16, 32]);
  assert.deepEqual(await tried({ batchSize: 4096 }, withOverhead(20)), [128, 512, 2048]);
  assert.deepEqual(await tried({ batchSize: 4096 }, outgrowsCache), [128, 512, 32]);
  assert.deepEqual(await tried({ batchSize: 128 }, outgrowsCache), [16, 64, 4]);
  assert.deepEqual(await tried({ batchSize: 8 }, withOverhead(20)), [2, 8, 4]);
  assert.deepEqual(await tried({ batchSize: 512, lanes: 1 }, withOverhead(20)), [128, 512, 256]);
  // The whole batch on one of two threads cannot be faster than half of it on each.
  assert.deepEqual(await tried({ parallel: threads(2) }, withOverhead(20)), [64, 256, 128]);
});

test("a microbatch is never of one sample, which would be computed as two", async () => {
  for (const batchSize of [2, 3, 4, 5, 8, 9]) {
    const { chosen, tried } = choose(plan({ batchSize }), (samples) => samples ** 2);
    await chosen;
    assert.ok(!tried.includes(1), `a batch of ${batchSize} was tried in microbatches of ${tried}`);
  }
});

test("with threads a step takes as long as the thread that has most to do, and what all of them spend on adding up", async () => {
  // Two samples' time on top: one thread takes the batch in one piece, two take half of it each.
  const sizeOn = async (workers: number, merge = 0, overhead = 20) =>
    (await choose(plan({ parallel: threads(workers) }), withOverhead(overhead), { merge }).chosen)
      ?.microbatchSize;
  assert.deepEqual([await sizeOn(1), await sizeOn(2), await sizeOn(4)], [512, 256, 128]);
  // Sums that take longer to add than the microbatches save: nothing is divided.
  assert.equal(await sizeOn(2, 1), 512);
  // Nothing to gain by large microbatches: as many as lanes, unless adding their sums takes long.
  assert.equal(await sizeOn(2, 0, 0), 64);
  assert.equal(await sizeOn(2, 5e-5, 0), 128);
});

test("what does not fit into memory is not tried", async () => {
  const { chosen, tried } = choose(plan(), () => 0.02, { most: 200 });
  assert.equal((await chosen)?.microbatchSize, 128);
  assert.deepEqual(tried, [64, 128]);
});

test("what disturbs a size in its turn does not count, since all are timed again", async () => {
  let runs = 0;
  // The second run of the third size, 512, which is the fastest.
  const { chosen, tried } = choose(plan(), (samples) => withOverhead(1000)(samples) * (++runs === 6 ? 5 : 1));
  assert.equal((await chosen)?.microbatchSize, 512);
  assert.deepEqual(tried, [64, 256, 512]);
});

test("no size is tried that would take longer than what is left of a second", async () => {
  const { chosen, tried, spent } = choose(plan(), (samples) => 0.0011 * samples);
  await chosen;
  assert.deepEqual(tried, [64, 256, 16]); // 128 would be next
  assert.ok(spent.seconds < 1.2, `${spent.seconds} s`); // three runs of the last are the most that is over
  const slower = choose(plan(), (samples) => 0.01 * samples);
  assert.equal(await slower.chosen, undefined);
  assert.deepEqual(slower.tried, [64]);
});

test("sizes of short epochs, those that a plan or a record gives and those of batch normalisation stay", async () => {
  const record = async (): Promise<Plan["replay"]> => {
    for await (const event of train(plan({ data: held, batchSize: 64 })))
      if (event.type === "started") return event.plan;
    return undefined;
  };
  const given: Plan[] = [
    plan({ data: held }),
    plan({ microbatchSize: 100 }),
    plan({ replay: (await record())! }),
    plan({}, batchNorm()),
  ];
  for (const one of given) {
    const { chosen, tried } = choose(one, () => 0.02);
    assert.equal(await chosen, undefined);
    assert.deepEqual(tried, []);
  }
  // May be long by its shapes, and is not as a clock has it.
  const fast = choose(plan({ data: repeated(100_000) }), () => 0.0001);
  assert.equal(await fast.chosen, undefined);
  assert.deepEqual(fast.tried, [64]);
});

test("what was chosen gives the bytes that it gives where a plan or a record says it", async () => {
  const outcome = async (asked: Plan) => {
    for await (const event of train(asked))
      if (event.type === "finished") return { hash: event.stateSha256, record: event.model.plan };
    return assert.fail("a run without an end");
  };
  const long = { data: repeated(100_000_000) }; // so that an epoch is long on any machine
  const chosen = await outcome(plan(long));
  assert.match(chosen.record.decided.microbatchSize!, /^the smallest within 2 % of the fastest/);
  assert.equal(
    (await outcome(plan({ ...long, microbatchSize: chosen.record.microbatchSize }))).hash,
    chosen.hash,
  );
  const again = await outcome(plan({ ...long, replay: chosen.record }));
  assert.equal(again.hash, chosen.hash);
  assert.equal(again.record.decided.microbatchSize, "taken from the record being replayed");
});
