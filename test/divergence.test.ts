/** Policies for divergence: what a run does where numbers are not finite or the loss explodes; bytes on threads and after a resume. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  adamw,
  afterEpochs,
  afterSteps,
  arrays,
  DivergedError,
  type DivergedEvent,
  type Divergence,
  dropout,
  ema,
  type FinishedEvent,
  fit,
  linear,
  type Plan,
  type StopRule,
  sequence,
  sequential,
  sgd,
  squaredError,
  tanh,
  train,
  whenStale,
} from "../src/index.ts";
import { threads } from "../src/parallel/threads.ts";
import type { StepEvent, TrainEvent } from "../src/train/event.ts";
import { runFolder } from "../src/train/run-folder.ts";
import { memoryStore } from "./memory-store.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const folder = temporaryFolder();
const samples = 48;
const x = Array.from({ length: samples }, (_, i) => [Math.sin(i), Math.cos(3 * i)]);
const y = x.map(([a, b]) => [Math.tanh(a! - 2 * b!) + 0.5]);
/** Targets of some samples replaced. */
const dataOf = (target: Readonly<Record<number, number>>) =>
  arrays({ x, y: y.map((one, i) => (i in target ? [target[i]!] : one)) });

/** Six steps an epoch, in the order of the samples; everything that has a state is there. */
function planOf(change: object): Plan {
  const body = sequence(linear(8), tanh, dropout(0.2), linear(1));
  return {
    data: dataOf({}),
    model: (row) => body(row.x!),
    loss: (predicted, row) => squaredError(predicted, row.y!),
    optimizer: adamw({ learningRate: 0.01 }),
    ema: ema({ decay: 0.9 }),
    batchSize: 8,
    microbatchSize: 3,
    sampler: sequential(),
    stop: afterEpochs(2),
    ...change,
  };
}

async function run(change: object) {
  const events: TrainEvent[] = [];
  for await (const event of train(planOf(change))) events.push(event);
  return {
    events,
    steps: events.filter((event): event is StepEvent => event.type === "step"),
    diverged: events.filter((event): event is DivergedEvent => event.type === "diverged"),
    finished: events.at(-1) as FinishedEvent, // the contract of a run
  };
}

test("a rule that ends the run at the same event does not hide that it has diverged", async () => {
  const impatient: StopRule = {
    name: "impatient",
    initial: null,
    next: (state, { type }) => (type === "diverged" ? { state, reason: "enough" } : { state }),
  };
  const { finished } = await run({ data: dataOf({ 20: Number.NaN }), stop: [impatient, afterEpochs(2)] });
  assert.equal(finished.stop.rule, "diverged");
});

test("skip leaves the update out, counts the step and goes on: weights are those of a batch without weight", async () => {
  const data = dataOf({ 12: Number.NaN });
  const validation = { data: dataOf({}) };
  const { events, diverged, finished } = await run({ data, validation, divergence: { action: "skip" } });
  assert.deepEqual(
    events.map(({ type }) => type).join(" "),
    "started step diverged step step step step epoch evaluated step diverged step step step step epoch evaluated finished",
  );
  assert.deepEqual(
    diverged.map(({ step, action, microbatch, samples, skipped }) => ({
      step,
      action,
      microbatch,
      samples,
      skipped,
    })),
    [
      { step: 2, action: "skip", microbatch: 1, samples: [11, 12, 13], skipped: { total: 1, inARow: 1 } },
      { step: 8, action: "skip", microbatch: 1, samples: [11, 12, 13], skipped: { total: 2, inARow: 1 } },
    ],
  );
  assert.equal(
    diverged[1]!.message,
    "step 8, microbatch 1: the loss became NaN or infinite; samples 11, 12, 13 of arrays. " +
      "The update is left out (2 so far, 1 in a row).",
  );
  assert.deepEqual([finished.steps, finished.samples, finished.stop.rule], [12, 96, "afterEpochs"]);
  assert.deepEqual(finished.divergence, { skipped: 2, wentBack: 0, learningRateFactor: 1 });
  const isOut = (sample: number) => sample >= 8 && sample < 16;
  const weighted = (bad: (sample: number) => boolean) =>
    arrays({ x, y, weight: x.map((_, sample) => (bad(sample) ? 0 : 1)) }, { weight: "weight" });
  const weightless = await run({
    data: weighted(isOut),
    validation: { data: weighted(() => false) },
  });
  assert.equal(finished.parametersSha256, weightless.finished.parametersSha256);
  const epochs = (all: readonly TrainEvent[]) => all.filter(({ type }) => type === "epoch");
  assert.deepEqual(epochs(events), epochs(weightless.events));
});

test("a run that may stop after a step that is skipped does", async () => {
  const divergence = { action: "skip" };
  const { finished } = await run({ data: dataOf({ 12: Number.NaN }), divergence, stop: afterSteps(2) });
  assert.equal(finished.steps, 2);
});

test("skipping ends at its limits, in a row and of all steps, and fit throws what they were", async () => {
  const all = dataOf(Object.fromEntries(x.slice(8).map((_, i) => [i + 8, Number.POSITIVE_INFINITY])));
  const inARow = { data: all, divergence: { action: "skip", limit: 3 } };
  const { events, finished } = await run(inARow);
  assert.equal(
    events.map(({ type }) => type).join(" "),
    "started step diverged diverged diverged diverged finished",
  );
  assert.equal(
    finished.stop.reason,
    "step 5, microbatch 0: the loss became NaN or infinite; samples 32, 33, 34 of arrays. " +
      "3 steps in a row were skipped, which is the limit. The weights of the step before are kept. " +
      "Fix: lower the learning rate, clip the gradient (clipByGlobalNorm), or correct these samples",
  );
  await assert.rejects(fit(planOf(inARow)), (error) => {
    assert.ok(error instanceof DivergedError && error.model.parameters.size === 4);
    assert.equal(
      error.message,
      "step 5, microbatch 0: expected finite numbers, got a NaN or infinity in the loss (samples 32, 33, 34 of arrays; " +
        "3 steps in a row were skipped, which is the limit). " +
        "Fix: lower the learning rate, clip the gradient (clipByGlobalNorm), or correct these samples",
    );
    return true;
  });
  const share = await run({
    data: dataOf({ 12: Number.NaN }),
    divergence: { action: "skip", limit: 1, share: 0.2 },
    stop: afterEpochs(9),
  });
  // Two of eight steps would be a quarter.
  assert.deepEqual(
    share.diverged.map(({ step, action, limit }) => ({ step, action, limit })),
    [
      { step: 2, action: "skip", limit: undefined },
      { step: 8, action: "stop", limit: "1 of 7 steps were skipped, and no more than a share of 0.2 may be" },
    ],
  );
});

test("a loss many times its mean is divergence where a factor is given, and its batch is not counted", async () => {
  const data = dataOf({ 5: 1e4 });
  const late = { sampler: sequential(), stop: afterSteps(26) };
  const plain = await run({ ...late, data });
  const told = await run({ ...late, data, divergence: { action: "skip", factor: 1e9 } });
  assert.equal(told.finished.parametersSha256, plain.finished.parametersSha256);
  // The bad batch has come four times before twenty steps are known; from then on it is 6 times the mean.
  const { diverged, finished } = await run({ ...late, data, divergence: { action: "stop", factor: 2 } });
  assert.equal(finished.steps, 24);
  const { exploded, samples: all, microbatch, step } = diverged[0]!;
  const losses = plain.steps.slice(0, 24).map(({ loss }) => loss);
  let mean = 0;
  losses.forEach((loss, index) => {
    mean += (loss - mean) / Math.min(index + 1, 20);
  });
  assert.deepEqual(exploded, { loss: plain.steps[24]!.loss, mean, factor: 2 });
  assert.deepEqual([step, microbatch, all], [25, undefined, [0, 1, 2, 3, 4, 5, 6, 7]]);
  const digits = (value: number) => Number(value.toPrecision(4));
  await assert.rejects(fit(planOf({ ...late, data, divergence: { action: "stop", factor: 2 } })), {
    name: "DivergedError",
    message:
      `step 25: expected a loss of at most 2 times ${digits(mean)}, the mean of the steps before, ` +
      `got ${digits(exploded!.loss)} (samples 0, 1, 2, 3, 4, 5, 6, 7 of arrays). ` +
      "Fix: lower the learning rate, clip the gradient (clipByGlobalNorm), or correct these samples",
  });
});

/** From step 20 on the rate is one that no linear model survives, unless it is cut to a tenth. */
const wild = (change: object = {}) => {
  const line = linear(1);
  const data = dataOf({});
  return {
    model: (row: { readonly x: Parameters<typeof line>[0] }) => line(row.x),
    optimizer: sgd({ learningRate: (step) => (step < 20 ? 0.01 : 6), momentum: 0.5 }),
    validation: { data, every: 5 },
    divergence: { action: "back", learningRateFactor: 0.1, everySteps: 8, factor: 50 } as Divergence,
    stop: [afterSteps(60), whenStale("validation.loss", { patience: 100 })],
    ...change,
  };
};

test("back goes to a step before the losses rose, with a smaller rate from there on", async () => {
  const { diverged, steps, finished } = await run(wild());
  assert.equal(diverged.length, 1);
  const [{ step, back, exploded, message }] = diverged as [DivergedEvent];
  assert.ok(
    back !== undefined && exploded !== undefined && step > 20 && back.step < step - 1 && back.step >= 8,
  );
  assert.deepEqual([back.times, back.learningRateFactor], [1, 0.1]);
  assert.match(
    message,
    new RegExp(
      `^step ${step}: the loss of \\S+ is more than 50 times \\S+, the mean of the steps before; samples .* of arrays\\. ` +
        `The run goes back to step ${back.step} and on with 0\\.1 times the learning rate \\(time 1\\)\\.$`,
    ),
  );
  const [before, after] = [steps.slice(0, step - 1), steps.slice(step - 1)];
  assert.deepEqual([before.at(-1)!.step, after[0]!.step, after.at(-1)!.step], [step - 1, back.step + 1, 60]);
  // The state is that of the point: the same loss and gradient, and only the rate is another.
  const then = before[back.step]!;
  assert.deepEqual([after[0]!.loss, after[0]!.gradientNorm], [then.loss, then.gradientNorm]);
  assert.equal(after[0]!.learningRate, then.learningRate * 0.1);
  assert.deepEqual(finished.divergence, { skipped: 0, wentBack: 1, learningRateFactor: 0.1 });
  assert.ok(after.at(-1)!.loss < 1);
});

test("going back gives the same bytes on threads, and from every checkpoint before and after it", async () => {
  const undisturbed = await run(wild());
  const { store, saved } = memoryStore();
  const threaded = await run(wild({ checkpoint: { store, everySteps: 4 }, parallel: threads(2) }));
  assert.equal(threaded.finished.stateSha256, undisturbed.finished.stateSha256);
  const computed = saved.map(({ state }) => [state.step, state.divergence!.wentBack]);
  assert.ok(
    computed.some(([, wentBack]) => wentBack === 0) && computed.some(([, wentBack]) => wentBack === 1),
  );
  for (const found of saved) {
    const { finished } = await run(
      wild({ checkpoint: { store: memoryStore([found]).store, everySteps: 1000, resume: true } }),
    );
    const place = `from step ${found.state.step}, ${found.state.divergence!.wentBack} times back`;
    assert.equal(finished.stateSha256, undisturbed.finished.stateSha256, place);
  }
});

test("skipping gives the same bytes on threads and from every checkpoint", async () => {
  const change = { data: dataOf({ 12: Number.NaN, 13: 1e6 }), divergence: { action: "skip", share: 0.3 } };
  const undisturbed = await run(change);
  const { store, saved } = memoryStore();
  const threaded = await run({ ...change, checkpoint: { store, everySteps: 1 }, parallel: threads(3) });
  assert.equal(threaded.finished.stateSha256, undisturbed.finished.stateSha256);
  for (const found of saved) {
    const checkpoint = { store: memoryStore([found]).store, everySteps: 1000, resume: true };
    assert.equal(
      (await run({ ...change, checkpoint })).finished.stateSha256,
      undisturbed.finished.stateSha256,
    );
  }
});

test("going back ends at its limit, and where no step has turned out well", async () => {
  const divergence = { action: "back", learningRateFactor: 0.9, limit: 2, everySteps: 8, factor: 50 };
  const { diverged } = await run(wild({ divergence }));
  assert.deepEqual(
    diverged.map(({ action, back }) => [action, back?.times, back?.learningRateFactor]),
    [
      ["back", 1, 0.9],
      ["back", 2, 0.9 * 0.9],
      ["stop", undefined, undefined],
    ],
  );
  assert.equal(diverged[2]!.limit, "the run went back 2 times, which is the limit");
  const first = await run({ data: dataOf({ 0: Number.NaN }), divergence: { action: "back" } });
  assert.equal(first.diverged[0]!.limit, "there is no good step to go back to");
  assert.equal(first.finished.steps, 0);
});

test("a folder keeps the checkpoints made after going back, though their steps are earlier ones", async () => {
  const undisturbed = await run(wild());
  const { step, back } = undisturbed.diverged[0]!;
  const saving = () => ({
    checkpoint: { store: runFolder(folder, { keep: 2 }), everySteps: 1, resume: true },
  });
  let isBack = false;
  for await (const event of train(planOf(wild(saving())))) {
    if (event.type === "diverged") isBack = true;
    if (isBack && event.type === "step" && event.step === back!.step + 2) break;
  }
  assert.ok(back!.step + 2 < step, "and so before the step that diverged");
  const resumed = await run(wild(saving()));
  assert.equal(resumed.diverged.length, 0, "what was gone back over is behind");
  assert.equal(resumed.finished.stateSha256, undisturbed.finished.stateSha256);
});

test("a run that diverged may go on from its last checkpoint with another policy, as is said", async () => {
  const data = dataOf({ 12: Number.NaN });
  const { store } = memoryStore();
  await run({ data, checkpoint: { store, everySteps: 1 } });
  const divergence = { action: "skip" };
  await assert.rejects(run({ data, divergence, checkpoint: { store, resume: true } }), {
    message:
      "plan.checkpoint, memory: expected the plan that was saved at step 1 (divergence undefined), " +
      'got divergence {"action":"skip","limit":10,"share":0.1}. ' +
      'Fix: make the plan what it was, or go on in spite of it: resume: "anyway"',
  });
  const { finished } = await run({ data, divergence, checkpoint: { store, resume: "anyway" } });
  const afresh = await run({ data, divergence });
  assert.equal(finished.parametersSha256, afresh.finished.parametersSha256);
  // From skipping to going back: there is no point yet, so that the next good step is one.
  const other = memoryStore();
  await run({
    ...wild({ divergence }),
    stop: afterSteps(15),
    checkpoint: { store: other.store, everySteps: 10 },
  });
  other.saved.pop(); // that of its end
  const back = { ...wild(), stop: afterSteps(40), checkpoint: { store: other.store, resume: "anyway" } };
  const { diverged } = await run(back);
  assert.deepEqual(
    diverged.map(({ action }) => action),
    ["back"],
  );
  assert.ok(diverged[0]!.back!.step >= 10);
});

test("policies that cannot be are refused with what to write", async () => {
  const refused: readonly (readonly [unknown, string])[] = [
    [
      "skip",
      'plan.divergence: expected an action with its options, got "skip". Fix: for example { action: "skip" }',
    ],
    [
      { action: "retry" },
      'plan.divergence.action: expected "stop", "skip" or "back", got "retry". Fix: for example { action: "skip" }',
    ],
    [
      {},
      'plan.divergence.action: expected "stop", "skip" or "back", got undefined. Fix: for example { action: "skip" }',
    ],
    [
      { action: "stop", limit: 3 },
      'plan.divergence, action "stop": expected only factor, got limit. Fix: correct the name, or leave it out',
    ],
    [
      { action: "stop", factor: 1 },
      "plan.divergence.factor: expected a number above 1, got 1. Fix: for example 10; leave it out to look for NaN and infinity alone",
    ],
    [
      { action: "skip", limit: 0 },
      "plan.divergence.limit: expected a whole number from 1 on, got 0. Fix: leave it out for the default",
    ],
    [
      { action: "skip", share: 1.5 },
      "plan.divergence.share: expected a number above 0, at most 1, got 1.5. Fix: leave it out for 0.1",
    ],
    [
      { action: "back", learningRateFactor: 1 },
      "plan.divergence.learningRateFactor: expected a number above 0 and below 1, got 1. " +
        "Fix: leave it out for 0.5: with the same rate the same steps would follow",
    ],
    [
      { action: "back", everySteps: "9" },
      'plan.divergence.everySteps: expected a whole number from 1 on, got "9". Fix: leave it out for the default',
    ],
  ];
  for (const [divergence, message] of refused) await assert.rejects(run({ divergence }), { message });
});
