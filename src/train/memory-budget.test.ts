import assert from "node:assert/strict";
import { test } from "node:test";
import { arrays } from "../data/arrays.ts";
import { type Sampler, sequential } from "../data/sampler.ts";
import { MicrobatchError } from "../errors.ts";
import { linear, relu, sequence, squaredError } from "../nn/index.ts";
import { sgd } from "../optim/index.ts";
import type { CrewFactory } from "../parallel/crew.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { settleMemory } from "./memory-budget.ts";
import { definePlan, type Plan } from "./plan.ts";
import { type ResolvedPlan, resolveSizes } from "./resolve.ts";
import { afterSteps } from "./stop.ts";
import { trace } from "./trace.ts";
import { train } from "./train.ts";

const mebibyte = 2 ** 20;
const size = 512;

function plan(change: Partial<Plan> = {}): Plan {
  const body = sequence(linear(2048), relu, linear(1));
  return definePlan({
    data: arrays({ x: Array.from({ length: size }, (_, i) => [i / size]), y: Array(size).fill([0]) }),
    model: (row) => body(row.x!),
    loss: (predicted, row) => squaredError(predicted, row.y!),
    optimizer: sgd({ learningRate: 0.01 }),
    batchSize: 512,
    ...change,
  }) as unknown as Plan; // of whatever columns
}

/** A runtime in which a session takes 3 MiB, and the most samples that it has run at once another each, or as many as is said. */
function madeUpRuntime(
  available: number | undefined,
  taken: (samples: number) => number = (samples) => samples,
): Runtime & { readonly runs: number[] } {
  const runs: number[] = [];
  let held = 100 * mebibyte;
  const memory = { available: () => available, resident: () => held, peak: () => held, giveBack() {} };
  const load = async () => {
    held += 3 * mebibyte;
    let most = 0;
    const grow = (samples: number) => {
      held += mebibyte * Math.max(0, taken(samples) - most);
      most = Math.max(most, taken(samples));
      runs.push(samples);
      return {};
    };
    const close = async () => {
      held -= mebibyte * (3 + most);
    };
    const run = (samples: number) => ({
      run: async (atPeak?: () => void) => {
        const outputs = grow(samples);
        atPeak?.();
        return outputs;
      },
    });
    return { inputs: [], outputs: [], bind: (feeds: object) => run(samplesIn(feeds)), close };
  };
  const samplesIn = (feeds: object) => (feeds as { x: { shape: readonly number[] } }).x.shape[0]!; // as bind is given them
  return { name: "made up", version: "1", processor: "none", memory, load, loadInPlace: load, runs };
}

const crew = (workers: number): CrewFactory => ({
  name: `${workers}`,
  workers,
  open: () => Promise.reject(new Error("nobody opens it")),
});

async function settle(
  asked: Plan,
  available: number | undefined,
  workers = 1,
  taken?: (samples: number) => number,
  borrowedBytes = 0,
) {
  const runtime = madeUpRuntime(available, taken);
  const traced = trace(asked);
  const sizes = resolveSizes(asked);
  const parts = { plan: asked, trace: traced, runtime, sizes, factory: crew(workers), single: crew(1) };
  const settled = await settleMemory({ ...parts, borrowedBytes, arenaBytes: () => mebibyte });
  return { ...settled, runs: runtime.runs, sizes: settled.sizes };
}

const refused = (message: string) => (error: unknown) => {
  assert.ok(error instanceof MicrobatchError, String(error));
  assert.equal(error.message, message);
  return true;
};

test("a peak is predicted from a probe, which runs twice", async () => {
  const { memory, runs, sizes, factory } = await settle(plan({ microbatchSize: 256 }), 2000 * mebibyte, 2);
  assert.deepEqual(runs, [256, 256]);
  assert.equal(sizes.microbatchSize, 256);
  assert.equal(factory.workers, 2);
  assert.equal(memory?.idleBytes, 100 * mebibyte);
  assert.equal(memory.budgetBytes, 1700 * mebibyte);
  // Each of two threads: 3 MiB for the session, 256 for the samples. 36 for two heaps, 3 for the program that the second thread
  // has loaded and does not run, 1 for the arena.
  const predicted = memory.predictedPeakBytes / mebibyte - 100;
  assert.equal(Math.round(predicted), 2 * 259 + 40);
});

test("a microbatch size that was asked for and does not fit is refused, with the largest that does", async () => {
  await assert.rejects(
    settle(plan({ microbatchSize: 256 }), 200 * mebibyte),
    refused(
      "plan.microbatchSize: expected at most 139, to fit into 260 MiB that are free, got 256, for which the process would hold 362 MiB. " +
        "Fix: microbatchSize: 139, or a larger memoryBudget",
    ),
  );
  await assert.rejects(
    settle(plan({ microbatchSize: 256, memoryBudget: 160 * mebibyte }), undefined),
    refused(
      "plan.microbatchSize: expected at most 21, to fit into 160 MiB, got 256, for which the process would hold 362 MiB. " +
        "Fix: microbatchSize: 21, or a larger memoryBudget",
    ),
  );
});

test("more microbatches than lanes need a second session: what fits into one may be larger than what fits into two", async () => {
  const { sizes } = await settle(plan({ memoryBudget: 185 * mebibyte }), undefined);
  assert.equal(sizes.microbatchSize, 64); // 63 would be nine microbatches on eight lanes
});

test("a budget that no size fits into is refused, with the least that would do", async () => {
  await assert.rejects(
    settle(plan({ memoryBudget: 110 * mebibyte }), undefined),
    refused(
      "plan.memoryBudget: expected at least 118 MiB, for microbatches of one sample, got 110 MiB. " +
        "Fix: a smaller model, less data in memory, or a larger memoryBudget",
    ),
  );
  const { sizes } = await settle(plan({ memoryBudget: 118 * mebibyte }), undefined);
  assert.equal(sizes.microbatchSize, 2); // which takes no more: one sample alone is computed twice
  await assert.rejects(
    settle(plan({ memoryBudget: 110 * mebibyte, parallel: crew(2) }), undefined, 2),
    /Fix: a smaller model, less data in memory, fewer threads, or a larger memoryBudget$/,
  );
});

test("a run that goes on or is replayed is not told to take other microbatches, which would give other bytes", async () => {
  const replay = { ...resolveSizes(plan()), microbatchSize: 256 } as unknown as ResolvedPlan; // of which sizes alone are read
  const tight = { replay, memoryBudget: 160 * mebibyte };
  const message = (mebibytes: number, threads: string) =>
    `plan.memoryBudget: expected at least ${mebibytes} MiB, for the microbatches of 256 that the run was begun with and has to keep, ` +
    `got 160 MiB. Fix: ${threads}begin anew with smaller ones, or a larger memoryBudget`;
  for (const change of [tight, { ...tight, microbatchSize: 256 }])
    await assert.rejects(settle(plan(change), undefined), refused(message(362, "")));
  await assert.rejects(
    settle(plan({ ...tight, parallel: crew(2) }), undefined, 2),
    refused(message(658, "fewer threads, ")),
  );
  const { sizes } = await settle(plan({ ...tight, memoryBudget: 362 * mebibyte }), undefined);
  assert.equal(sizes.microbatchSize, 256);
});

test("a microbatch size that was left out is made to fit, in equal parts, and the record says why", async () => {
  const { sizes, memory, runs } = await settle(plan({ memoryBudget: 200 * mebibyte }), undefined);
  assert.deepEqual(runs, [128, 128, 74, 74]);
  // 79 would fit, with a tenth to spare for what was not probed; 512 samples are 7 parts of 74 then.
  assert.equal(sizes.microbatchSize, 74);
  assert.equal(sizes.evaluationMicrobatchSize, 148);
  assert.equal(sizes.decided.microbatchSize, "the batch in equal parts that fit into 200 MiB of memory");
  assert.ok(memory!.predictedPeakBytes <= 200 * mebibyte);
  const { sizes: free } = await settle(plan(), undefined);
  assert.equal(free.microbatchSize, 128);
});

test("a size that takes more than the probe of another one promised is made smaller", async () => {
  const taken = (samples: number) => (samples > 100 ? samples : 1.5 * samples);
  const tight = plan({ memoryBudget: 200 * mebibyte });
  const { sizes, memory, runs } = await settle(tight, undefined, 1, taken);
  assert.deepEqual(runs, [128, 128, 74, 74]);
  assert.equal(sizes.microbatchSize, 26); // in two sessions: more than eight microbatches
  assert.ok(memory!.predictedPeakBytes <= 200 * mebibyte);
});

test("a size that takes so much more that not even one sample fits is refused, not begun over the budget", async () => {
  const taken = (samples: number) => (samples > 100 ? samples : 60 * samples);
  await assert.rejects(
    settle(plan({ memoryBudget: 200 * mebibyte }), undefined, 1, taken),
    refused(
      "plan.memoryBudget: expected at least 377 MiB, for microbatches of one sample, got 200 MiB. " +
        "Fix: a smaller model, less data in memory, or a larger memoryBudget",
    ),
  );
});

test("what an evaluation takes is measured too, and counted beside what training keeps", async () => {
  const validation = { data: plan().data };
  const asked = plan({ microbatchSize: 128, validation });
  const { memory, runs } = await settle(asked, 2000 * mebibyte);
  assert.deepEqual(runs, [128, 128, 256, 256]);
  // 3 and 128 MiB for training, 3 and 256 for the evaluation, 2 for the heap, 1 for the arena.
  assert.equal(Math.round(memory!.predictedPeakBytes / mebibyte), 100 + 131 + 259 + 3);
});

test("what was read of a checkpoint is given back before training, and does not count beside it", async () => {
  const asked = plan({ microbatchSize: 128 });
  const { memory: begun } = await settle(asked, 2000 * mebibyte);
  const { memory } = await settle(asked, 2000 * mebibyte, 1, undefined, 40 * mebibyte);
  assert.equal(memory!.predictedPeakBytes, begun!.predictedPeakBytes - 40 * mebibyte);
});

test("threads that nobody asked for are left out where they do not fit", async () => {
  const budget = { memoryBudget: 300 * mebibyte };
  const { factory, sizes } = await settle(plan(budget), undefined, 2);
  assert.deepEqual([factory.workers, sizes.microbatchSize], [1, 128]);
  const asked = await settle(plan({ ...budget, parallel: crew(2) }), undefined, 2);
  assert.equal(asked.factory.workers, 2);
  assert.ok(asked.sizes.microbatchSize < 86, String(asked.sizes.microbatchSize));
});

test("what needs little is not probed", async () => {
  const { runs } = await settle(plan({ batchSize: 16 }), 2000 * mebibyte);
  assert.deepEqual(runs, []);
});

test("sizes far beyond the number of samples need no more than the samples do", async () => {
  const huge = { batchSize: 1e9, microbatchSize: 1e9, memoryBudget: 2000 * mebibyte };
  const { runs, memory } = await settle(plan(huge), undefined);
  assert.deepEqual(runs, [size, size]);
  assert.ok(memory!.predictedPeakBytes < (100 + size + 20) * mebibyte);
  await assert.rejects(
    settle(plan({ ...huge, lastBatch: "carry" }), undefined),
    /plan\.microbatchSize: expected at most/,
  );
});

test("a sampler of the plan's own may draw more than there are, and its batches count in full", async () => {
  const sampler = (times: number): Sampler => ({
    name: "several times",
    epoch: (samples) => ({ length: times * samples, at: (position) => position % samples }),
  });
  const twice = 2 * size;
  const large = { batchSize: twice, microbatchSize: twice, memoryBudget: 4000 * mebibyte };
  const peak = async (change: Partial<Plan>) =>
    (await settle(plan({ ...large, ...change }), undefined)).memory!.predictedPeakBytes / mebibyte;
  const own = await peak({});
  assert.ok(own < 100 + size + 20, String(own));
  assert.equal(await peak({ sampler: sequential() }), own);
  const more = await peak({ sampler: sampler(2) });
  assert.ok(more > 100 + twice, String(more));
  assert.equal(await peak({ sampler: sampler(3) }), more);
});

test("a run tells what it was predicted to hold and what it has held, and keeps to its budget from the record too", async () => {
  const asked = () => plan({ batchSize: 16, stop: afterSteps(1) });
  for await (const event of train(asked())) {
    if (event.type !== "finished") continue;
    const { memory } = event;
    assert.ok(memory !== undefined && memory.predictedPeakBytes > memory.idleBytes);
    assert.ok(memory.peakBytes > 2 ** 24 && memory.budgetBytes! > memory.idleBytes);
  }
  await assert.rejects(
    train({ ...asked(), memoryBudget: 2 ** 20 }).next(),
    /plan\.memoryBudget: expected at least/,
  );
  await assert.rejects(
    train({ ...asked(), memoryBudget: 0 }).next(),
    refused(
      "plan.memoryBudget: expected a whole number from 1 on, got 0. Fix: leave it out to have it decided",
    ),
  );
});
