import assert from "node:assert/strict";
import { test } from "node:test";
import { arrays } from "../data/arrays.ts";
import type { Dataset } from "../data/dataset.ts";
import { sequential } from "../data/sampler.ts";
import { batchNorm, linear, relu, sequence, squaredError } from "../nn/index.ts";
import { sgd } from "../optim/index.ts";
import { threads } from "../parallel/threads.ts";
import { candidatesOf, chooseMicrobatch } from "./microbatch-choice.ts";
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

/** Chooses with a probe that takes so many seconds by a clock of its own; nothing waits. */
function choose(asked: Plan, seconds: (samples: number) => number, most = Number.POSITIVE_INFINITY) {
  const tried = new Set<number>();
  const run = async (samples: number, ms = 0) => {
    tried.add(samples);
    const one = seconds(samples);
    return { seconds: one, spentSeconds: Math.max(one, ms / 1000), bytes: 0 };
  };
  const chosen = chooseMicrobatch({
    plan: asked,
    trace: trace(asked),
    sizes: resolveSizes(asked),
    fits: (size) => size <= most,
    openProbe: async () => ({ run, close: async () => {} }),
  });
  return { chosen, tried };
}

test("tried are the rule's size, what gives each lane a microbatch, and one between; else more and less than the rule's", () => {
  const candidates = (batchSize: number, lanes = 8) => candidatesOf(resolveSizes(plan({ batchSize, lanes })));
  assert.deepEqual(candidates(512), [64, 86, 128]);
  assert.deepEqual(candidates(32), [4, 11, 32]);
  assert.deepEqual(candidates(4096), [32, 128, 512]);
  assert.deepEqual(candidates(1024), [32, 128]);
  assert.deepEqual(candidates(1), [1]);
});

test("the smallest size within 5 % of the fastest is taken", async () => {
  // 20 ms a microbatch, whatever it holds: the largest is the fastest by far.
  const { chosen, tried } = choose(plan(), () => 0.02);
  const { microbatchSize, reason } = (await chosen)!;
  assert.equal(microbatchSize, 128);
  assert.match(
    reason,
    /^the smallest within 5 % of the fastest \(samples per second on one thread of microbatches of 64: \d+, 86: \d+, 128: \d+\)$/,
  );
  assert.deepEqual([...tried], [64, 86, 128]);
  // As long as its samples take, with nothing on top.
  assert.equal((await choose(plan(), (samples) => samples / 5000).chosen)?.microbatchSize, 64);
  // Two samples' time on top: 64 are 1.5 % slower than 128; four samples' time: 64 are 3 % slower; eight: 6 %, and 86 are 3 %.
  const withOverhead = (overhead: number) => choose(plan(), (samples) => (samples + overhead) / 1000).chosen;
  assert.equal((await withOverhead(2))?.microbatchSize, 64);
  assert.equal((await withOverhead(4))?.microbatchSize, 64);
  assert.equal((await withOverhead(8))?.microbatchSize, 86);
});

test("what does not fit into memory is not tried", async () => {
  const { chosen, tried } = choose(plan(), () => 0.02, 110);
  assert.equal((await chosen)?.microbatchSize, 86);
  assert.deepEqual([...tried], [64, 86]);
});

test("no size is tried that would take longer than what is left of a second", async () => {
  const { chosen, tried } = choose(plan(), (samples) => 0.005 * samples);
  assert.equal(await chosen, undefined);
  assert.deepEqual([...tried], [64]);
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
    assert.deepEqual([...tried], []);
  }
  // May be long by its shapes, and is not as a clock has it.
  const fast = choose(plan({ data: repeated(100_000) }), () => 0.0001);
  assert.equal(await fast.chosen, undefined);
  assert.deepEqual([...fast.tried], [64]);
});

test("what was chosen gives the bytes that it gives where a plan or a record says it", async () => {
  const outcome = async (asked: Plan) => {
    for await (const event of train(asked))
      if (event.type === "finished") return { hash: event.stateSha256, record: event.model.plan };
    return assert.fail("a run without an end");
  };
  const chosen = await outcome(plan());
  assert.match(chosen.record.decided.microbatchSize!, /^the smallest within 5 %/);
  assert.equal((await outcome(plan({ microbatchSize: chosen.record.microbatchSize }))).hash, chosen.hash);
  const again = await outcome(plan({ replay: chosen.record }));
  assert.equal(again.hash, chosen.hash);
  assert.equal(again.record.decided.microbatchSize, "taken from the record being replayed");
});
