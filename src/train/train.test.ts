import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { arrays } from "../data/arrays.ts";
import { sequential } from "../data/sampler.ts";
import { MicrobatchError } from "../errors.ts";
import { constant } from "../graph/tensor.ts";
import { dropout, l1, l2, linear, rmse, sequence, squaredError, tanh } from "../nn/index.ts";
import { mean, mul, sqrt } from "../ops/index.ts";
import { adamw, clipByGlobalNorm, clipByValue, ema, sgd } from "../optim/index.ts";
import { DivergedError } from "./divergence.ts";
import type { FinishedEvent, StepEvent, TrainEvent } from "./event.ts";
import { fit } from "./fit.ts";
import { definePlan, type Plan } from "./plan.ts";
import { afterEpochs, afterSteps, whenReached, whenStale } from "./stop.ts";
import { train } from "./train.ts";

const samples = 40;
const x = Array.from({ length: samples }, (_, i) => [Math.sin(i), Math.cos(3 * i)]);
const y = x.map(([a, b]) => [Math.tanh(a! - 2 * b!) + 0.5]);
const data = arrays({ x, y });

/** A fresh plan: layers keep their parameters, so every run makes its own. */
function plan(change: Partial<Plan<typeof data.columns>> = {}) {
  const body = sequence(linear(8), tanh, dropout(0.2), linear(1));
  return definePlan({
    data,
    model: (row) => body(row.x),
    loss: (predicted, row) => squaredError(predicted, row.y),
    optimizer: adamw({ learningRate: 0.01 }),
    batchSize: 16,
    microbatchSize: 5,
    seed: 7,
    stop: afterEpochs(3),
    ...change,
  });
}

async function collect(events: AsyncIterable<TrainEvent>): Promise<TrainEvent[]> {
  const all: TrainEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

const stepsOf = (events: readonly TrainEvent[]) =>
  events.filter((event): event is StepEvent => event.type === "step");
const lastOf = (events: readonly TrainEvent[]) => events.at(-1) as FinishedEvent; // the contract of a run
const isMessage = (start: string) => (error: unknown) => {
  assert.ok(error instanceof MicrobatchError, String(error));
  assert.equal(error.message, start);
  return true;
};

describe("a run", () => {
  it("says what was decided, every step, every epoch, every evaluation and how it ended", async () => {
    const events = await collect(train(plan({ validation: { data } })));
    assert.deepEqual(
      events.map(({ type }) => type),
      ["started", ...Array(3).fill(["step", "step", "step", "epoch", "evaluated"]).flat(), "finished"],
    );
    const [started] = events;
    assert.ok(started?.type === "started");
    assert.equal(started.parameterCount, 2 * 8 + 8 + 8 + 1);
    assert.equal(started.plan.lanes, 8);
    assert.deepEqual(Object.keys(started.plan.decided), ["evaluationMicrobatchSize", "lanes", "lastBatch"]);
    assert.deepEqual(
      stepsOf(events)
        .map(({ samples }) => samples)
        .slice(0, 4),
      [16, 16, 8, 16],
    );
    assert.deepEqual(
      stepsOf(events)
        .map(({ epoch, position }) => [epoch, position])
        .slice(2, 4),
      [
        [0, 40],
        [1, 16],
      ],
    );
    assert.deepEqual(
      stepsOf(events)[0]!.lanes.map(({ lane, microbatches }) => [lane, microbatches]),
      [
        [1, 1],
        [3, 1],
        [5, 1],
        [7, 1],
      ],
    );
    assert.deepEqual(lastOf(events).stop, { rule: "afterEpochs", reason: "3 epochs done" });
  });

  it("gives the same bytes in two processes, and from its own record with everything left out", async () => {
    const script = `
      const { train } = await import(${JSON.stringify(new URL("./train.ts", import.meta.url).href)});
      const { plan } = await import(${JSON.stringify(new URL("../../test/plan.ts", import.meta.url).href)});
      for await (const event of train(plan(process.argv[1] === undefined ? {} : JSON.parse(process.argv[1])))) {
        if (event.type === "started") console.log(JSON.stringify(event.plan));
        if (event.type === "finished") console.log(event.parametersSha256, event.stateSha256);
      }`;
    const run = async (...extra: string[]) => {
      const { stdout } = await promisify(execFile)(process.execPath, [
        "--input-type=module",
        "-e",
        script,
        ...extra,
      ]);
      const [record, hashes] = stdout.trim().split("\n");
      return { record: record!, hashes: hashes! };
    };
    const first = await run();
    assert.deepEqual((await run()).hashes, first.hashes);
    // The record of a run with other sizes decides what the plan leaves out.
    const sized = await run(JSON.stringify({ batchSize: 24, microbatchSize: 7, lanes: 3, seed: 12 }));
    assert.notEqual(sized.hashes, first.hashes);
    const replayed = await run(JSON.stringify({ replay: JSON.parse(sized.record) }));
    assert.equal(replayed.hashes, sized.hashes);
  });

  it("refuses a replay that could not give the same bytes, naming what differs", async () => {
    const [started] = await collect(train(plan()));
    assert.ok(started?.type === "started");
    await assert.rejects(
      fit(plan({ optimizer: adamw({ learningRate: 0.02 }), replay: started.plan })),
      (error: Error) =>
        error.message.startsWith("plan.replay: expected the recorded plan (optimizer ") &&
        error.message.includes("learningRates"),
    );
  });

  it("does not depend on the number of sums kept, and hardly on the microbatch size", async () => {
    const result = async (microbatchSize: number) =>
      lastOf(await collect(train(plan({ microbatchSize })))).model;
    const [small, large] = [await result(3), await result(16)];
    for (const [name, { data: values }] of small.parameters) {
      values.forEach((value, index) => {
        // Nine adamw steps on gradients that agree to 1e-6; the dropout masks are the same ones.
        assert.ok(Math.abs(Number(value) - Number(large.parameters.get(name)!.data[index])) < 1e-4, name);
      });
    }
  });

  it("evaluates to the same bits in any partition", async () => {
    const model = await fit(plan());
    const { prediction } = await model.predict(data);
    const one = await model.evaluate(data);
    let sum = 0;
    y.forEach(([value], index) => {
      sum += (Number(prediction!.data[index]) - value!) ** 2;
    });
    assert.ok(Math.abs(one.loss! - sum / samples) < 1e-6); // float32 per sample, float64 sum
  });

  it("keeps the weights of the best evaluation, and stops when it gets stale", async () => {
    // A rate far too high after a while: the schedule makes the run worse on purpose.
    const optimizer = sgd({ learningRate: (step) => (step < 12 ? 0.05 : 1.5) });
    const events = await collect(
      train(
        plan({
          optimizer,
          validation: { data, metrics: { rmse: (predicted, row) => rmse(predicted, row.y) } },
          stop: [whenStale("validation.loss", { patience: 4 }), afterEpochs(100)],
        }),
      ),
    );
    const evaluations = events.filter((event) => event.type === "evaluated");
    const best = Math.min(...evaluations.map(({ metrics }) => metrics["validation.loss"]!));
    assert.equal(lastOf(events).stop.rule, "whenStale");
    assert.ok(best < evaluations.at(-1)!.metrics["validation.loss"]!);
    assert.equal((await lastOf(events).model.evaluate(data)).loss, best);
    assert.equal(
      (await lastOf(events).model.evaluate(data)).rmse,
      evaluations.findLast(({ isBest }) => isBest)!.metrics["validation.rmse"],
    );
  });

  it("stops when a target is reached", async () => {
    const events = await collect(
      train(
        plan({
          validation: { data, every: 2 },
          stop: [whenReached("validation.loss", { below: 0.3 }), afterSteps(500)],
        }),
      ),
    );
    const { stop, steps } = lastOf(events);
    assert.equal(stop.rule, "whenReached");
    assert.ok(steps < 500 && steps % 2 === 0);
  });

  it("ends after the step in progress when it is aborted, and on break frees what it held", async () => {
    const controller = new AbortController();
    const events: TrainEvent[] = [];
    for await (const event of train(plan({ signal: controller.signal, stop: afterSteps(1000) }))) {
      events.push(event);
      if (event.type === "step" && event.step === 4) controller.abort(new Error("enough"));
    }
    assert.deepEqual(lastOf(events).stop, { rule: "aborted", reason: "enough" });
    assert.equal(lastOf(events).steps, 4);
    for await (const event of train(plan({ stop: afterSteps(1000) }))) if (event.type === "step") break;
  });

  it("averages the weights, and evaluates and saves the average", async () => {
    const raw = lastOf(await collect(train(plan())));
    const events = await collect(train(plan({ ema: ema({ decay: 0.9 }), validation: { data } })));
    const averaged = lastOf(events);
    assert.equal(averaged.parametersSha256, raw.parametersSha256);
    const best = events.filter((event) => event.type === "evaluated").findLast(({ isBest }) => isBest)!;
    assert.equal((await averaged.model.evaluate(data)).loss, best.metrics["validation.loss"]);
    assert.notDeepEqual(
      [...averaged.model.parameters.values()][0]!.data,
      [...raw.model.parameters.values()][0]!.data,
    );
  });

  it("adds penalties once per step, whatever the microbatch size", async () => {
    const one = async (microbatchSize: number, penalty: NonNullable<Plan["penalty"]> | undefined) => {
      const line = linear(1, { initializer: { name: "two", fill: (values) => values.fill(2) } });
      const events = await collect(
        train({
          data,
          model: (row) => line(row.x),
          loss: (predicted, row) => mul(squaredError(predicted, row.y), 0),
          optimizer: sgd({ learningRate: 1 }),
          batchSize: 40,
          microbatchSize,
          ...(penalty && { penalty }),
          sampler: sequential(),
          stop: afterSteps(1),
        }),
      );
      const step = stepsOf(events)[0]!;
      return { weight: [...lastOf(events).model.parameters.get("linear.weight")!.data], step };
    };
    const where = (name: string) => name.endsWith(".weight");
    for (const size of [3, 40]) {
      const { weight, step } = await one(size, [l2(0.1, { where }), l1(0.5, { where })]);
      assert.equal(step.penalty, Math.fround(Math.fround(0.1) * 8 + 0.5 * 4));
      weight.forEach((value) => {
        assert.ok(Math.abs(Number(value) - (2 - 2 * 0.1 * 2 - 0.5)) < 1e-6);
      });
      assert.ok(Math.abs(step.gradientNorm - Math.sqrt(2 * 0.9 ** 2)) < 1e-6);
    }
  });

  it("measures lanes where the plan asks, with any number of lanes and the same bytes", async () => {
    const measured = await collect(train(plan({ measureLanes: true, microbatchSize: 2, lanes: 5 })));
    const plain = await collect(train(plan({ microbatchSize: 2, lanes: 5 })));
    assert.equal(lastOf(measured).stateSha256, lastOf(plain).stateSha256);
    for (const { lanes, laneSquaredNorms, gradientNorm, weight } of stepsOf(measured)) {
      assert.equal(laneSquaredNorms.length, lanes.length);
      const norms = laneSquaredNorms.map((squares) =>
        Math.sqrt(squares.reduce((sum, square) => sum + square, 0)),
      );
      // The triangle: the whole is no longer than its parts together (1e-6 for float32 sums).
      assert.ok(gradientNorm * weight <= norms.reduce((sum, norm) => sum + norm, 0) * (1 + 1e-6));
    }
    assert.deepEqual(stepsOf(plain)[0]!.laneSquaredNorms, []);
    // One lane alone is the whole gradient.
    const [one] = stepsOf(await collect(train(plan({ measureLanes: true, lanes: 1, stop: afterSteps(1) }))));
    const square = one!.laneSquaredNorms[0]!.reduce((sum, value) => sum + value, 0);
    assert.ok(Math.abs(Math.sqrt(square) / one!.weight - one!.gradientNorm) < 1e-12);
  });

  it("clips the gradient of the whole batch", async () => {
    const free = stepsOf(await collect(train(plan({ stop: afterSteps(1) }))))[0]!;
    const clipped = await collect(
      train(plan({ clip: clipByGlobalNorm(free.gradientNorm / 4), stop: afterSteps(1) })),
    );
    assert.ok(Math.abs(stepsOf(clipped)[0]!.clipScale - 0.25) < 1e-12);
    const limited = await collect(
      train(plan({ clip: clipByValue(1e-3), optimizer: sgd({ learningRate: 1 }), stop: afterSteps(1) })),
    );
    const unmoved = await collect(
      train(plan({ clip: clipByValue(1e-30), optimizer: sgd({ learningRate: 1 }), stop: afterSteps(1) })),
    );
    const before = lastOf(unmoved).model.parameters;
    for (const [name, { data: values }] of lastOf(limited).model.parameters) {
      values.forEach((value, index) => {
        assert.ok(Math.abs(Number(value) - Number(before.get(name)!.data[index])) <= 1.0001e-3);
      });
    }
  });
});

describe("numbers that are not finite", () => {
  const bad = arrays({ x: x.map((row, i) => (i === 23 ? [Number.NaN, 1] : row)), y });

  it("stop the run before any parameter is touched, and are found: step, microbatch, samples", async () => {
    const events = await collect(train(plan({ data: bad, sampler: sequential(), validation: { data } })));
    const diverged = events.at(-2)!;
    assert.ok(diverged.type === "diverged");
    assert.deepEqual(
      {
        step: diverged.step,
        microbatch: diverged.microbatch,
        samples: diverged.samples,
        what: diverged.what,
      },
      { step: 2, microbatch: 1, samples: [21, 22, 23, 24, 25], what: "loss" },
    );
    const good = await collect(train(plan({ sampler: sequential(), stop: afterSteps(1) })));
    assert.equal(lastOf(events).parametersSha256, lastOf(good).parametersSha256);
    await assert.rejects(
      fit(plan({ data: bad, sampler: sequential() })),
      (error) =>
        error instanceof DivergedError &&
        error.model.parameters.size === 4 &&
        error.message ===
          "step 2, microbatch 1: expected finite numbers, got a NaN or infinity in the loss " +
            "(samples 21, 22, 23, 24, 25 of arrays). Fix: lower the learning rate, clip the gradient (clipByGlobalNorm), " +
            "or correct these samples",
    );
  });

  it("in the first step are put down to a sample's missing number, where there is one", async () => {
    const gap = arrays({ x: x.map((row, i) => (i === 1 ? [1, Number.NaN] : row)), y });
    const events = await collect(train(plan({ data: gap, sampler: sequential() })));
    const diverged = events.find((event) => event.type === "diverged")!;
    assert.deepEqual(diverged.unfit, { column: "x", sample: 1, value: Number.NaN });
    assert.match(
      diverged.message,
      /Fix: column "x" has no number in sample 1: if the model reads it as it is, fill it first, as encoder\(await statistics\(training\)\) does; or lower the learning rate, /,
    );
  });

  it("are found in a gradient whose loss is finite", async () => {
    const line = linear(1, { bias: false, initializer: { name: "zero", fill: (values) => values.fill(0) } });
    const events = await collect(
      train({
        data,
        model: (row) => line(row.x),
        loss: (predicted) => sqrt(predicted), // √0 is 0 and its slope there infinite
        optimizer: sgd({ learningRate: 1 }),
        sampler: sequential(),
        batchSize: 4,
        microbatchSize: 2,
      }),
    );
    const diverged = events.find((event) => event.type === "diverged")!;
    assert.deepEqual([diverged.step, diverged.microbatch, diverged.what], [1, 0, "gradient"]);
    assert.deepEqual([...lastOf(events).model.parameters.get("linear.weight")!.data], [0, 0]);
  });

  it("in samples of weight 0 do no harm, in training and in evaluation", async () => {
    const isBad = (index: number) => index % 4 === 3;
    const broken = {
      x: x.map((row, i) => (isBad(i) ? [Number.NaN, 1] : row)),
      y: y.map((row, i) => (isBad(i) ? [Infinity] : row)),
    };
    const good = { x: x.filter((_, i) => !isBad(i)), y: y.filter((_, i) => !isBad(i)) };
    const weighted = arrays({ ...broken, weight: x.map((_, i) => (isBad(i) ? 0 : 1)) }, { weight: "weight" });
    const whole = { sampler: sequential(), batchSize: 40, stop: afterSteps(3) };
    const one = lastOf(
      await collect(train(plan({ ...whole, data: weighted, validation: { data: weighted } }))),
    );
    const other = lastOf(
      await collect(train(plan({ ...whole, data: arrays(good), validation: { data: arrays(good) } }))),
    );
    assert.equal(one.parametersSha256, other.parametersSha256);
    assert.deepEqual(await one.model.evaluate(weighted), await other.model.evaluate(arrays(good)));
  });

  it("cannot come from a batch in which nothing has weight: it updates nothing", async () => {
    const half = arrays({ x, y, weight: x.map((_, i) => (i < 16 ? 1 : 0)) }, { weight: "weight" });
    const events = await collect(train(plan({ data: half, sampler: sequential(), stop: afterEpochs(1) })));
    const first = lastOf(
      await collect(train(plan({ data: half, sampler: sequential(), stop: afterSteps(1) }))),
    );
    assert.deepEqual(
      stepsOf(events).map(({ weight }) => weight),
      [16, 0, 0],
    );
    assert.ok(Number.isNaN(stepsOf(events)[1]!.loss));
    assert.equal(lastOf(events).parametersSha256, first.parametersSha256);
  });
});

describe("plans that do not fit", () => {
  const refused: readonly (readonly [string, Partial<Plan<typeof data.columns>>, string])[] = [
    [
      "a batch of no samples",
      { batchSize: 0 },
      "plan.batchSize: expected a whole number from 1 on, got 0. Fix: leave it out to have it decided",
    ],
    [
      "a microbatch larger than its batch",
      { microbatchSize: 17 },
      "plan.microbatchSize: expected at most batchSize (16), got 17. Fix: a batch is one or more microbatches: lower microbatchSize or raise batchSize",
    ],
    [
      "a negative seed",
      { seed: -1 },
      "plan.seed: expected a whole number from 0 on, got -1. Fix: leave it out to have it decided",
    ],
    [
      "too many lanes",
      { lanes: 5000 },
      "plan.lanes: expected at most 1024, got 5000. Fix: 8 suit machines of up to 8 cores",
    ],
    [
      "a loss that is a mean",
      { loss: (predicted) => (mean(predicted, { axes: [1] }).shape.length === 1 ? constant(1) : predicted) },
      "plan.loss: expected one float32 number per sample or token, [batch] or [batch, …], or { loss, weight }, got float32 []. Fix: return the loss of each sample, not their mean: the trainer divides once per step",
    ],
    [
      "a model without parameters",
      { model: (row) => mean(row.x, { axes: [1], keepDims: true }) },
      "plan.model: expected a loss that depends on at least one parameter, got none. Fix: use a layer with parameters, such as linear(1), and pass what the model returns to the loss",
    ],
    [
      "an unknown monitor",
      { validation: { data, monitor: "validation.acuracy" } },
      'plan.validation.monitor: expected one of validation.loss, got "validation.acuracy". Fix: name one of them, or add the metric to validation.metrics',
    ],
  ];
  for (const [name, change, message] of refused) {
    it(`${name} is refused before the first sample is read`, async () => {
      await assert.rejects(fit(plan(change)), isMessage(message));
    });
  }

  it("a misspelled field is named", async () => {
    const misspelled = { ...plan(), microBatchSize: 3 };
    await assert.rejects(fit(misspelled), (error: Error) =>
      error.message.includes("got microBatchSize. Fix: correct the name"),
    );
  });

  it("a missing field is named", async () => {
    const { optimizer: _, ...rest } = plan();
    await assert.rejects(
      fit(rest as Plan<typeof data.columns>),
      isMessage("plan: expected data, model, loss and optimizer, got no optimizer. Fix: add optimizer"),
    );
  });
});
