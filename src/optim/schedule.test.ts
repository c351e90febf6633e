import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import {
  constantRate,
  cosineRate,
  exponentialRate,
  linearRate,
  oneCycleRate,
  type Schedule,
  stepRate,
  withWarmup,
} from "./schedule.ts";

interface Case {
  readonly name: string;
  readonly options: Readonly<Record<string, number>>;
  readonly values: readonly number[];
}
const golden: { readonly cases: readonly Case[] } = JSON.parse(
  await readFile(new URL("../../test/golden/schedules.json", import.meta.url), "utf8"),
);

type Make = (options: Readonly<Record<string, number>>) => Schedule;
const makers: Readonly<Record<string, Make>> = {
  step: (o) => stepRate(o.learningRate!, { every: o.stepSize!, factor: o.factor! }),
  exponential: (o) => exponentialRate(o.learningRate!, { factor: o.factor! }),
  cosine: (o) => cosineRate(o.learningRate!, { steps: o.totalSteps!, final: o.endLearningRate! }),
  linear: (o) => linearRate(o.learningRate!, { steps: o.totalSteps!, final: o.endLearningRate! }),
  oneCycle: (o) => {
    const { totalSteps: steps = 0, warmupFraction: climb = 0, divFactor = 0, finalDivFactor = 0 } = o;
    return oneCycleRate(o.maxLearningRate!, {
      steps,
      climb,
      startDivisor: divFactor,
      finalDivisor: finalDivFactor,
    });
  },
  "warmup then cosine": (o) => withWarmup(o.warmupSteps!, makers.cosine!(o)),
  "warmup then linear": (o) => withWarmup(o.warmupSteps!, makers.linear!(o)),
};

function assertClose(schedule: Schedule, values: readonly number[]): void {
  values.forEach((expected, step) => {
    // PyTorch multiplies from step to step: a hundred roundings of 1.1e-16.
    assert.ok(
      Math.abs(schedule(step) - expected) <= 1e-12 * expected,
      `step ${step}: ${schedule(step)} instead of ${expected}`,
    );
  });
}

for (const { name, options, values } of golden.cases) {
  test(`${name}: a hundred steps have PyTorch's learning rates`, () => {
    assert.equal(values.length, 100);
    assertClose(makers[name]!(options), values);
  });
}

test("oneCycleRate has PyTorch's defaults", () => {
  const { options, values } = golden.cases.find(({ name }) => name === "oneCycle")!;
  assertClose(oneCycleRate(options.maxLearningRate!, { steps: options.totalSteps! }), values);
});

test("a warm-up inside a schedule takes its steps from the whole", () => {
  for (const { name, options, values } of golden.cases.filter(({ name }) => name.startsWith("warmup"))) {
    const make = name.endsWith("cosine") ? cosineRate : linearRate;
    const { warmupSteps: warmup = 0, totalSteps = 0, endLearningRate: final = 0 } = options;
    assertClose(make(options.learningRate!, { steps: warmup + totalSteps, warmup, final }), values);
  }
});

test("a schedule keeps its last rate after its last step", () => {
  const schedules = [
    cosineRate(0.1, { steps: 10, final: 0.01 }),
    linearRate(0.1, { steps: 10, final: 0.01, warmup: 3 }),
  ];
  for (const schedule of schedules) {
    assert.equal(schedule(10), 0.01);
    assert.equal(schedule(1e6), 0.01);
  }
  const cycle = oneCycleRate(0.1, { steps: 10 });
  assert.equal(cycle(9), 0.1 / 25 / 1e4);
  assert.equal(cycle(1e6), 0.1 / 25 / 1e4);
});

test("schedules of one or two steps are finite", () => {
  const schedules = [1, 2].flatMap((steps) => [
    cosineRate(0.1, { steps }),
    linearRate(0.1, { steps }),
    ...[0, 0.3, 0.5, 1].map((climb) => oneCycleRate(0.1, { steps, climb })),
  ]);
  for (const schedule of schedules) {
    for (let step = 0; step < 4; step++) assert.ok(Number.isFinite(schedule(step)), schedule.description);
  }
});

test("a constant rate is the same at every step", () => {
  assert.deepEqual([0, 1, 1e9].map(constantRate(0.25)), [0.25, 0.25, 0.25]);
});

test("a schedule is recorded as the call that makes it", () => {
  assert.equal(
    withWarmup(5, stepRate(0.1, { every: 3, factor: 0.5 })).description,
    "withWarmup(steps: 5, schedule: stepRate(rate: 0.1, every: 3, factor: 0.5))",
  );
  assert.equal(withWarmup(5, () => 1).description, "withWarmup(steps: 5, schedule: custom)");
});

test("impossible schedules are refused in words that say what to type instead", () => {
  const rateFix = "for example 0.001 as a rate, 0.5 as a factor";
  const stepsFix = "count updates, not samples; epochs · ⌈samples / batchSize⌉ are all of them";
  const refusals: readonly (readonly [() => unknown, string])[] = [
    [
      () => constantRate(-1),
      `constantRate: expected the rate to be a number from 0 on, got -1. Fix: ${rateFix}`,
    ],
    [
      () => stepRate(0.1, { every: 0, factor: 0.5 }),
      `stepRate: expected every to be a whole number of steps from 1 on, got 0. Fix: ${stepsFix}`,
    ],
    [
      () => exponentialRate(0.1, { factor: Number.NaN }),
      `exponentialRate: expected factor to be a number from 0 on, got NaN. Fix: ${rateFix}`,
    ],
    [
      () => cosineRate(0.1, { steps: 2.5 }),
      `cosineRate: expected steps to be a whole number of steps from 1 on, got 2.5. Fix: ${stepsFix}`,
    ],
    [
      () => cosineRate(0.1, { steps: 10, final: -1 }),
      `cosineRate: expected final to be a number from 0 on, got -1. Fix: ${rateFix}`,
    ],
    [
      () => linearRate(0.1, { steps: 10, warmup: 10 }),
      "linearRate: expected warmup to be shorter than all 10 steps, got 10. Fix: shorten the warm-up; steps counts it too",
    ],
    [
      () => oneCycleRate(0.1, { steps: 10, climb: 1.5 }),
      "oneCycleRate: expected climb to be from 0 to 1, got 1.5. Fix: for example 0.3",
    ],
    [
      () => oneCycleRate(0.1, { steps: 10, startDivisor: 0 }),
      "oneCycleRate: expected startDivisor to be above 0, got 0. Fix: for example 25",
    ],
    [
      () => withWarmup(-1, constantRate(0.1)),
      `withWarmup: expected steps to be a whole number of steps from 0 on, got -1. Fix: ${stepsFix}`,
    ],
  ];
  for (const [call, message] of refusals) assert.throws(call, { name: "MicrobatchError", message });
});
