/** Runs of models with batch normalisation: what they keep, say and refuse. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { arrays } from "../data/arrays.ts";
import type { Dataset } from "../data/dataset.ts";
import { sequential } from "../data/sampler.ts";
import { MicrobatchError } from "../errors.ts";
import {
  type BatchNormOptions,
  batchNorm,
  dropout,
  l2,
  linear,
  sequence,
  squaredError,
  tanh,
} from "../nn/index.ts";
import { add, mul, reshape } from "../ops/index.ts";
import { ema, sgd } from "../optim/index.ts";
import { nodeRuntime } from "../runtime/ort-node.ts";
import type { FinishedEvent, StartedEvent, TrainEvent } from "./event.ts";
import { fit } from "./fit.ts";
import type { Plan } from "./plan.ts";
import { afterEpochs, afterSteps } from "./stop.ts";
import { train } from "./train.ts";

const samples = 40;
const x = Array.from({ length: samples }, (_, i) => [3 + Math.sin(i), 0.1 * Math.cos(3 * i), i / 10]);
const y = x.map(([a, b]) => [Math.tanh(a! - 20 * b!)]);
const data = arrays({ x, y }) as unknown as Dataset; // its columns are known here

function plan(change: Partial<Plan> = {}, options: BatchNormOptions = {}): Plan {
  const body = sequence(linear(4), batchNorm(options), tanh, linear(1));
  return {
    data,
    model: (row) => body(row.x!),
    loss: (predicted, row) => squaredError(predicted, row.y!),
    optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }),
    batchSize: 16,
    microbatchSize: 4,
    seed: 3,
    stop: afterEpochs(2),
    ...change,
  };
}

async function run(of: Plan) {
  const events: TrainEvent[] = [];
  for await (const event of train(of)) events.push(event);
  const [started, finished] = [events[0] as StartedEvent, events.at(-1) as FinishedEvent]; // the contract of a run
  const numbers = (name: string) => [...(finished.model.parameters.get(name)!.data as Float32Array)];
  return { events, started, finished, numbers };
}

const note = "batch normalisation looks at microbatches of 4: another microbatch size gives another result";

describe("a run of a model with batch normalisation", () => {
  it("says once that the microbatch size is part of the result", async () => {
    const { started, events } = await run(plan());
    assert.deepEqual(started.notes, [note]);
    assert.equal(JSON.stringify(events.slice(1)).includes("batch normalisation"), false);
    assert.deepEqual((await run(plan({}, { frozen: true }))).started.notes, []);
    assert.deepEqual((await run(plan({ model: linearOnly() }))).started.notes, []);
  });

  it("counts what is trained, and records what is kept and how it moves", async () => {
    const { started, finished } = await run(plan({}, { momentum: 0.25, name: "norm" }));
    assert.equal(started.parameterCount, 3 * 4 + 4 + 4 + 4 + 4 + 1);
    assert.deepEqual(
      [...finished.model.parameters.keys()],
      [
        "linear1.weight",
        "linear1.bias",
        "norm.weight",
        "norm.bias",
        "linear2.weight",
        "linear2.bias",
        "norm.runningMean",
        "norm.runningVariance",
      ],
    );
    assert.deepEqual(started.plan.statistics, [
      { mean: "norm.runningMean", variance: "norm.runningVariance", momentum: 0.25 },
    ]);
    await assert.rejects(
      fit(plan({ replay: started.plan }, { momentum: 0.5, name: "norm" })),
      (error: Error) => error.message.startsWith("plan.replay: expected the recorded plan (statistics "),
    );
  });

  it("gives the same bytes in another process, and from its record with everything left out", async () => {
    const script = `
      const { train } = await import(${JSON.stringify(new URL("./train.ts", import.meta.url).href)});
      const { plan } = await import(${JSON.stringify(new URL("../../test/plan.ts", import.meta.url).href)});
      const { batchNorm, linear, sequence, tanh } = await import(${JSON.stringify(new URL("../nn/index.ts", import.meta.url).href)});
      const body = sequence(linear(6), batchNorm(), tanh, linear(1));
      const change = { model: (row) => body(row.x), ...JSON.parse(process.argv[1]) };
      for await (const event of train(plan(change))) {
        if (event.type === "started") console.log(JSON.stringify(event.plan));
        if (event.type === "finished") console.log(event.parametersSha256, event.stateSha256);
      }`;
    const elsewhere = async (change: object) => {
      const words = ["--input-type=module", "-e", script, JSON.stringify(change)];
      const { stdout } = await promisify(execFile)(process.execPath, words);
      const [record, hashes] = stdout.trim().split("\n");
      return { record: record!, hashes: hashes! };
    };
    const sized = await elsewhere({ batchSize: 20, microbatchSize: 7, lanes: 3, seed: 12 });
    const replayed = await elsewhere({ replay: JSON.parse(sized.record) });
    assert.equal(replayed.hashes, sized.hashes);
    assert.notEqual(
      (await elsewhere({ batchSize: 20, microbatchSize: 5, lanes: 3, seed: 12 })).hashes,
      sized.hashes,
    );
  });

  it("saves its running statistics as constants of the file, which predicts as the model does", async () => {
    const { finished } = await run(plan());
    const { prediction } = await finished.model.predict(data);
    const session = await (await nodeRuntime()).load("saved", finished.model.toOnnx());
    assert.deepEqual(session.inputs, ["x"]);
    const values = Float32Array.from(x.flat());
    const saved = await session.bind({ x: { dtype: "float32", shape: [samples, 3], data: values } }).run();
    await session.close();
    saved.prediction!.data.forEach((value, index) => {
      // The runtime folds the constants into one scale and shift: another rounding or two of numbers around 1.
      assert.ok(Math.abs(Number(value) - Number(prediction!.data[index])) < 1e-6);
    });
  });

  it("evaluates by the running statistics, so that neighbours do not matter", async () => {
    const { finished } = await run(plan());
    const { prediction } = await finished.model.predict(data);
    const alone = await finished.model.predict(arrays({ x: x.slice(5, 6) }) as unknown as Dataset);
    assert.equal(alone.prediction!.data[0], prediction!.data[5]);
  });
});

/** A model without batch normalisation, made once. */
function linearOnly(): Plan["model"] {
  const body = linear(1);
  return ({ x: columns }) => body(columns!);
}

describe("running statistics", () => {
  /** Mean and variance, with one less in the divisor, of the first layer's input: the raw samples. */
  const first = (change: Partial<Plan> = {}, options: BatchNormOptions = {}) => {
    const body = sequence(batchNorm(options), linear(1));
    return plan({ model: (row) => body(row.x!), sampler: sequential(), ...change });
  };
  const momentsOf = (rows: readonly number[][]) => {
    const means = [0, 1, 2].map((at) => rows.reduce((sum, row) => sum + row[at]!, 0) / rows.length);
    const variances = means.map(
      (mean, at) => rows.reduce((sum, row) => sum + (row[at]! - mean) ** 2, 0) / (rows.length - 1),
    );
    return { means, variances };
  };
  const assertNear = (got: readonly number[], expected: readonly number[]) => {
    got.forEach((value, at) => {
      // float32 means and variances of microbatches, merged exactly: a few roundings of numbers up to 4.
      assert.ok(Math.abs(value - expected[at]!) < 2e-6, `${value}, should be ${expected[at]}`);
    });
  };

  it("are those of the whole batch, whatever its microbatches", async () => {
    const { means, variances } = momentsOf(x.slice(0, 16));
    for (const microbatchSize of [2, 6, 16]) {
      const { numbers } = await run(first({ microbatchSize, stop: afterSteps(1) }, { momentum: 1 }));
      assertNear(numbers("batchNorm.runningMean"), means);
      assertNear(numbers("batchNorm.runningVariance"), variances);
    }
  });

  it("move once per step by the momentum, and not at all with momentum 0", async () => {
    const { means } = momentsOf(x.slice(0, 16));
    const { numbers } = await run(first({ stop: afterSteps(1) }, { momentum: 0.1 }));
    assertNear(
      numbers("batchNorm.runningMean"),
      means.map((mean) => 0.1 * mean),
    );
    const still = await run(first({}, { momentum: 0 }));
    assert.deepEqual(still.numbers("batchNorm.runningMean"), [0, 0, 0]);
    assert.deepEqual(still.numbers("batchNorm.runningVariance"), [1, 1, 1]);
  });

  it("stay as they are where they are frozen, under penalties and decay of all that is trained", async () => {
    const optimizer = sgd({ learningRate: 0.1, weightDecay: 0.1 });
    const { numbers } = await run(first({ penalty: l2(0.1), optimizer }, { frozen: true }));
    assert.deepEqual(numbers("batchNorm.runningMean"), [0, 0, 0]);
    assert.deepEqual(numbers("batchNorm.runningVariance"), [1, 1, 1]);
    assert.notDeepEqual(numbers("batchNorm.weight"), [1, 1, 1]);
  });

  it("are copied beside averaged weights, not averaged", async () => {
    const plain = await run(first({ stop: afterSteps(3) }));
    const averaged = await run(first({ stop: afterSteps(3), ema: ema({ decay: 0.9 }) }));
    assert.notDeepEqual(averaged.numbers("batchNorm.weight"), plain.numbers("batchNorm.weight"));
    for (const name of ["batchNorm.runningMean", "batchNorm.runningVariance"])
      assert.deepEqual(averaged.numbers(name), plain.numbers(name));
  });

  it("are kept with the best weights", async () => {
    const validation = { data, every: 1 };
    const diverging = { optimizer: sgd({ learningRate: 3 }), stop: afterSteps(6) };
    const { finished, events, numbers } = await run(first({ validation, ...diverging }));
    const best = events.findLast((event) => event.type === "evaluated" && event.isBest);
    assert.ok(best?.type === "evaluated" && best.step < 6);
    const early = await run(first({ validation, ...diverging, stop: afterSteps(best.step) }));
    assert.deepEqual(numbers("batchNorm.runningMean"), early.numbers("batchNorm.runningMean"));
    const again = await finished.model.evaluate(data);
    assert.equal(again.loss, best.metrics["validation.loss"]);
  });

  it("count every sample once, and leave those of weight 0 out", async () => {
    const weight = x.map((_, i) => (i % 4 === 0 ? 0 : 1 + (i % 3)));
    const weighted = arrays({ x, y, weight }, { weight: "weight" }) as unknown as Dataset;
    const { numbers } = await run(first({ data: weighted, stop: afterSteps(1) }, { momentum: 1 }));
    const { means, variances } = momentsOf(x.slice(0, 16).filter((_, i) => i % 4 !== 0));
    assertNear(numbers("batchNorm.runningMean"), means);
    assertNear(numbers("batchNorm.runningVariance"), variances);
  });

  it("do not move by a batch without weight, which updates nothing", async () => {
    const loss: Plan["loss"] = (predicted, row) => ({
      loss: squaredError(predicted, row.y!),
      weight: mul(row.y!, 0),
    });
    const { numbers } = await run(first({ loss, stop: afterSteps(2) }));
    assert.deepEqual(numbers("batchNorm.runningMean"), [0, 0, 0]);
    assert.deepEqual(numbers("batchNorm.weight"), [1, 1, 1]);
  });

  it("see all tensors that a layer is applied to", async () => {
    const norm = batchNorm({ momentum: 1 });
    const last = linear(1);
    const model: Plan["model"] = (row) => last(add(norm(row.x!), norm(add(row.x!, 1))));
    const { numbers, started } = await run(first({ model, stop: afterSteps(1) }));
    const both = x.slice(0, 16).flatMap((row) => [row, row.map((value) => value + 1)]);
    assertNear(numbers("batchNorm.runningMean"), momentsOf(both).means);
    assertNear(numbers("batchNorm.runningVariance"), momentsOf(both).variances);
    assert.equal(started.plan.statistics!.length, 1);
  });

  it("see a sample alone once, masks of dropout included, though it is computed twice", async () => {
    // Three values per channel; dropped ones differ from sample to sample, and would from copy to copy.
    const run1 = async (microbatchSize: number) => {
      const body = sequence(
        dropout(0.5),
        batchNorm({ momentum: 1 }),
        (t) => reshape(t, ["batch", 3]),
        linear(1),
      );
      const model: Plan["model"] = (row) => body(reshape(row.x!, ["batch", 1, 3]));
      return (await run(first({ model, microbatchSize, stop: afterSteps(1) }))).numbers;
    };
    const [alone, together] = [await run1(1), await run1(16)];
    assertNear(alone("batchNorm.runningMean"), together("batchNorm.runningMean"));
    // Up to 15: as many more roundings.
    assert.ok(
      Math.abs(alone("batchNorm.runningVariance")[0]! - together("batchNorm.runningVariance")[0]!) < 1e-5,
    );
  });
});

describe("a run of a model with batch normalisation refuses", () => {
  const lonely =
    'batchNorm, in training: expected more than one value per channel in every microbatch, got a microbatch of 1 sample, with one value per channel. Fix: choose plan.batchSize and plan.microbatchSize so that no sample is left alone, or plan.lastBatch "drop" or "carry"';
  const refusal = (of: Plan) => assert.rejects(fit(of), { message: lonely });
  const refusalAtOnce = (of: Plan) => assert.rejects(train(of).next(), { message: lonely });

  it("microbatches of one sample, before the first step", async () => {
    await refusalAtOnce(plan({ microbatchSize: 1 }));
  });

  it("a batch, or the rest of an epoch, that leaves a sample alone, before the first step", async () => {
    await refusalAtOnce(plan({ microbatchSize: 5 })); // 16 = 5 + 5 + 5 + 1
    await refusalAtOnce(plan({ batchSize: 13, microbatchSize: 13 })); // 40 = 13 + 13 + 13 + 1
    await refusalAtOnce(plan({ batchSize: 40, microbatchSize: 39 }));
    await fit(plan({ batchSize: 13, microbatchSize: 13, lastBatch: "drop" }));
  });

  it("a sample that weights of 0 leave alone", async () => {
    const weight = x.map((_, i) => (i < 5 ? 1 : 0));
    const weighted = arrays({ x, y, weight }, { weight: "weight" }) as unknown as Dataset;
    await refusal(plan({ data: weighted, sampler: sequential(), batchSize: 40, microbatchSize: 4 }));
  });

  it("to go on where a variance overflows, though the loss does not", async () => {
    const huge = arrays({
      x: x.map(([a, b, c], i) => [i === 6 ? 3e25 : a!, b!, c!]),
      y,
    }) as unknown as Dataset;
    const body = sequence(batchNorm(), linear(1));
    const change = {
      data: huge,
      model: (row: Parameters<Plan["model"]>[0]) => body(row.x!),
      sampler: sequential(),
    };
    const { events, numbers } = await run(plan(change));
    const diverged = events.find(({ type }) => type === "diverged");
    assert.ok(diverged?.type === "diverged");
    assert.equal(diverged.what, "statistics");
    assert.deepEqual([diverged.microbatch, diverged.samples], [1, [4, 5, 6, 7]]);
    assert.match(
      diverged.message,
      /^step 1, microbatch 1: the statistics became NaN or infinite; samples 4, 5, 6, 7 of /,
    );
    assert.deepEqual(numbers("batchNorm.runningVariance"), [1, 1, 1]);
  });

  it("a layer that is made anew in every call", async () => {
    const change = { model: (row: Parameters<Plan["model"]>[0]) => batchNorm({ affine: false })(row.x!) };
    await assert.rejects(fit(plan(change)), MicrobatchError);
  });
});
