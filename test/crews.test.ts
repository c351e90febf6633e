/** The contract of a crew: whoever computes, and whatever happens to them, the bytes are those of a crew of one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { randomSequence } from "../src/array/random.ts";
import {
  adamw,
  afterSteps,
  arrays,
  batchNorm,
  cast,
  clipByGlobalNorm,
  conv2d,
  crop,
  crossEntropy,
  div,
  dropout,
  ema,
  flatten,
  type Layer,
  l1,
  l2,
  linear,
  type Plan,
  relu,
  sequence,
  sequential,
  sgd,
  squaredError,
  type Tensor,
  train,
} from "../src/index.ts";
import type { CrewFactory } from "../src/parallel/crew.ts";
import { threads } from "../src/parallel/threads.ts";

const samples = 90;

/** Samples of the given shape with weights, every seventh of them 0. */
function dataOf(shape: readonly number[]) {
  const random = randomSequence(1, "crews", 0);
  let drawn = 0;
  const size = shape.reduce((product, dim) => product * dim, samples);
  const x = Uint8Array.from({ length: size }, () => Math.floor(256 * random(drawn++)));
  const y = Int32Array.from({ length: samples }, () => Math.floor(5 * random(drawn++)));
  const weight = Float32Array.from({ length: samples }, (_, sample) =>
    sample % 7 === 0 ? 0 : random(drawn++),
  );
  return arrays({ x: { data: x, shape: [samples, ...shape] }, y, weight }, { weight: "weight" });
}

interface Case {
  readonly shape: readonly number[];
  readonly body: () => Layer;
  readonly change?: object;
}

/** Ragged microbatches, more and fewer of them than lanes, dropout, weights of 0, statistics, norms per lane, augmentation. */
const cases: Readonly<Record<string, Case>> = {
  "a perceptron with dropout": {
    shape: [20],
    body: () => sequence(linear(300), relu, dropout(0.3), linear(300), relu, linear(5)),
    change: { measureLanes: true, clip: clipByGlobalNorm(1), ema: ema({ decay: 0.9 }) },
  },
  "a convolution with batch normalisation, its images cropped": {
    shape: [1, 8, 8],
    body: () => sequence(conv2d(16, 3, { padding: 1 }), batchNorm(), relu, flatten, linear(5)),
    change: { augment: { x: [crop({ padding: 2 })] }, lanes: 3, microbatchSize: 4 },
  },
  "one lane": { shape: [20], body: () => linear(5), change: { lanes: 1 } },
  "one microbatch": { shape: [20], body: () => linear(5), change: { microbatchSize: 40 } },
};

/** What a run leaves: its hashes, the last norms of its lanes and what it measured. */
async function outcome({ shape, body, change }: Case, parallel: CrewFactory | undefined, seed = 3) {
  const layer = body();
  const data = dataOf(shape);
  const plan = {
    data,
    model: (row) => layer(div(cast(row.x!, "float32"), 255)),
    loss: (predicted, row) => crossEntropy(predicted, row.y!),
    optimizer: adamw({ learningRate: 0.01 }),
    batchSize: 40,
    microbatchSize: 6,
    seed,
    validation: { data, every: 3 },
    stop: afterSteps(7),
    ...change,
    ...(parallel && { parallel }),
  } as Plan; // of whatever columns the case has
  const told: unknown[] = [];
  const workers = new Set<number>();
  for await (const event of train(plan)) {
    if (event.type === "step") {
      told.push([event.loss, event.gradientNorm, event.laneSquaredNorms.map((norms) => [...norms])]);
      for (const { worker } of event.lanes) workers.add(worker);
    }
    if (event.type === "evaluated") told.push(event.metrics);
    if (event.type === "finished") told.push(event.parametersSha256, event.stateSha256);
  }
  return { told, workers };
}

for (const [name, one] of Object.entries(cases)) {
  test(`${name}: two and three threads give the bytes of one, thrown out and late ones too`, async () => {
    const { told } = await outcome(one, undefined);
    assert.deepEqual((await outcome(one, threads(2))).told, told);
    // Each thread that is thrown out costs the time that another takes to start.
    const thrown = name.startsWith("one") ? 0.02 : 0.1;
    const disturb = { seed: 1 + name.length, thrown, delayed: 0.3, milliseconds: 5 };
    assert.deepEqual((await outcome(one, threads(3, { disturb, stopAfterLosses: 100 }))).told, told);
    assert.notDeepEqual((await outcome(one, threads(2), 4)).told, told, "another seed gives other bytes");
  });
}

/** Two batches of 20 an epoch in microbatches of 3, in the order of the samples: 0 … 19, 20 … 39. */
function reading(columns: Parameters<typeof arrays>[0], model: Plan["model"], change: object): Plan {
  const isWeighed = "weight" in columns;
  return {
    data: arrays(columns, isWeighed ? { weight: "weight" } : {}),
    model,
    loss: (predicted, row) => squaredError(predicted, row.y!),
    optimizer: adamw({ learningRate: 0.01 }),
    batchSize: 20,
    microbatchSize: 3,
    sampler: sequential(),
    stop: afterSteps(5),
    ...change,
  } as Plan; // of whatever columns the case has
}

const x = Array.from({ length: 40 }, (_, i) => [Math.sin(i), Math.cos(3 * i), i / 40]);
const y = x.map(([a, b]) => [a! - b!]);
const weightless = x.map((_, sample) => (sample >= 20 ? 0 : 1 + (sample % 3)));
const penalties = { penalty: [l2(0.02), l1(0.001)], clip: clipByGlobalNorm(0.5), ema: ema({ decay: 0.9 }) };
const skipping = { divergence: { action: "skip", share: 1 } };
/** One number of the samples another. */
const spoiled = (numbers: Readonly<Record<number, number>>) =>
  x.map(([a, b, c], sample) => [numbers[sample] ?? a!, b!, c!]);
const body = (...hidden: readonly Layer[]) => {
  const layer = sequence(linear(8), ...hidden, relu, linear(1));
  return (row: { readonly [name: string]: Tensor }) => layer(row.x!);
};
const zero = { name: "zero", fill: (values: Float32Array) => values.fill(0) };

/** Whatever reads what a batch comes to; and what is told where that is not finite, if it is told. */
const readers: Readonly<Record<string, () => readonly [plan: Plan, told?: object]>> = {
  "penalties beside a frozen layer and a slow one": () => {
    const groups = [
      { parameters: "linear1.weight", frozen: true },
      { parameters: "linear2.*", learningRateFactor: 0.1, weightDecayFactor: 0 },
    ];
    return [reading({ x, y }, body(), { ...penalties, groups })];
  },
  "penalties of LoRA's factors": () => {
    const groups = [{ parameters: "linear1.*", lora: { rank: 2, alpha: 4 } }];
    return [reading({ x, y }, body(), { ...penalties, groups, measureLanes: true })];
  },
  "batches without weight, which move no statistics": () => [
    reading({ x, y, weight: weightless }, body(batchNorm()), penalties),
  ],
  "tokens without weight, in whole microbatches": () => {
    const line = linear(1);
    const tokens = { data: Float32Array.from(x.flat(), Math.sin), shape: [40, 3, 1] };
    const counts = x.map((_, sample) => [sample % 2, 0, 2].map((count) => (sample % 20 < 12 ? count : 0)));
    const loss = (predicted: Tensor, row: { readonly [name: string]: Tensor }) => ({
      loss: squaredError(predicted, row.y!),
      weight: row.counts!,
    });
    const columns = { x: tokens, y: { data: Float32Array.from(x.flat()), shape: [40, 3, 1] }, counts };
    return [reading(columns, (row) => line(row.x!), { loss, penalty: l2(0.02) })];
  },
  "a loss that is not finite": () => [
    reading({ x: spoiled({ 27: Number.NaN }), y }, body(dropout(0.2)), { ...penalties, ...skipping }),
    { what: "loss", microbatch: 2, samples: [26, 27, 28] },
  ],
  "a variance that is not finite": () => {
    const layer = sequence(batchNorm(), linear(1));
    return [
      reading({ x: spoiled({ 30: 3e25 }), y }, (row) => layer(row.x!), skipping),
      { what: "statistics", microbatch: 3, samples: [29, 30, 31] },
    ];
  },
  "a sum of finite gradients that is not finite": () => {
    const line = linear(1, { bias: false, initializer: zero });
    const change = {
      ...skipping,
      optimizer: sgd({ learningRate: 0 }),
      loss: (predicted: Tensor) => predicted,
    };
    const columns = { x: spoiled({ 21: 2e38, 35: 2e38 }), y };
    return [
      reading(columns, (row) => line(row.x!), change),
      { what: "gradient", samples: Array.from({ length: 20 }, (_, i) => 20 + i) },
    ];
  },
};

for (const [name, make] of Object.entries(readers)) {
  test(`${name}: threads tell and give what one does`, async () => {
    const outcomes = [];
    for (const workers of [1, 2, 3]) {
      const [plan, told] = make();
      const all: object[] = [];
      for await (const event of train({ ...plan, parallel: threads(workers) })) {
        if (event.type === "step") {
          const { loss, penalty, gradientNorm, clipScale, weight, laneSquaredNorms } = event;
          all.push({ loss, penalty, gradientNorm, clipScale, weight, laneSquaredNorms });
        }
        if (event.type === "diverged") {
          const { seconds: _, message, ...rest } = event;
          all.push({ ...rest, message });
          assert.deepEqual({ ...rest, ...told }, rest, "the culprit");
        }
        if (event.type === "finished") all.push([event.parametersSha256, event.stateSha256, event.steps]);
      }
      assert.equal(all.length, 6);
      assert.equal(
        all.some((one) => "message" in one),
        told !== undefined,
      );
      outcomes.push(all);
    }
    assert.deepEqual(outcomes[1], outcomes[0]);
    assert.deepEqual(outcomes[2], outcomes[0]);
  });
}

test("lanes are computed by several threads", async () => {
  const wide: Case = { shape: [20], body: () => sequence(linear(2000), relu, linear(5)) };
  // Both are late at every microbatch, and so leave lanes to one another: on a busy machine one might come first to all of them.
  const late = threads(2, { disturb: { seed: 1, thrown: 0, delayed: 1, milliseconds: 20 } });
  assert.deepEqual([...(await outcome(wide, late)).workers].sort(), [0, 1]);
});

test("what is wrong with the data is told in the words of a crew of one, whichever thread meets it", async () => {
  const data = arrays({
    x: Array.from({ length: 60 }, (_, i) => [i]),
    y: Int32Array.from({ length: 60 }, (_, i) => i % 4),
  });
  const body = linear(3);
  const plan = (parallel?: CrewFactory) =>
    ({
      data,
      model: (row) => body(row.x!),
      loss: (predicted, row) => crossEntropy(predicted, row.y!),
      optimizer: adamw({ learningRate: 0.01 }),
      microbatchSize: 4,
      stop: afterSteps(3),
      ...(parallel && { parallel }),
    }) as Plan;
  const run = async (parallel?: CrewFactory) => {
    for await (const _ of train(plan(parallel)));
  };
  const problem = /^arrays, column "y", sample \d+: expected a class label from 0 to 2, got 3\./;
  await assert.rejects(run(), { message: problem });
  await assert.rejects(run(threads(3)), { message: problem });
});

test("a microbatch over which threads end twice stops the run, which names it and its samples", async () => {
  const body = sequence(linear(2000), relu, linear(5));
  // The leader is slow in the first lane, so that the second one is left to the others.
  const one: Case = { shape: [20], body: () => body, change: { lanes: 2, microbatchSize: 3 } };
  await assert.rejects(
    outcome(one, threads(2, { disturb: { seed: 1, thrown: 1, delayed: 1, milliseconds: 400 } })),
    {
      message:
        /^microbatch \d+, samples (\d+, ){2}\d+: expected threads that come back, got a thread that ended over it twice \(thrown out on purpose in step \d+, microbatch \d+\)\. Fix: look at these samples; if there is nothing wrong with them, please report it$/,
    },
  );
});

test("no more threads are started than there are lanes", async () => {
  const body = sequence(linear(4), relu, linear(5));
  let started = 0;
  const count = () => started++;
  process.on("worker", count);
  try {
    await outcome({ shape: [20], body: () => body, change: { lanes: 3, microbatchSize: 3 } }, threads(16));
  } finally {
    process.off("worker", count);
  }
  assert.equal(started, 2); // this one computes too
});

test("options of threads that cannot be meant are refused", () => {
  const options = (given: unknown) => () => threads(2, given as Parameters<typeof threads>[1]);
  const where = "threads, options";
  for (const [given, message] of [
    [null, `${where}: expected an object, got null. Fix: leave it out`],
    [
      { stuckAfter: 3 },
      `${where}: expected stuckAfterSeconds or stopAfterLosses, got stuckAfter. Fix: correct the name, or leave it out`,
    ],
    [
      { stuckAfterSeconds: -1 },
      `${where}, stuckAfterSeconds: expected a number above 0, got -1. Fix: leave it out for 600`,
    ],
    [
      { stuckAfterSeconds: Number.NaN },
      `${where}, stuckAfterSeconds: expected a number above 0, got NaN. Fix: leave it out for 600`,
    ],
    [
      { stopAfterLosses: 0 },
      `${where}, stopAfterLosses: expected a whole number from 1 on, got 0. Fix: leave it out for 2`,
    ],
  ] as const)
    assert.throws(options(given), { message });
});

test("numbers of threads that cannot be are refused", () => {
  for (const workers of [0, 1.5, 257, Number.NaN]) {
    assert.throws(() => threads(workers), {
      message: `threads: expected a whole number from 1 to 256, got ${workers}. Fix: threads(2)`,
    });
  }
});
