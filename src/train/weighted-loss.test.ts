import assert from "node:assert/strict";
import { test } from "node:test";
import { float32 } from "../array/array.ts";
import { arrays } from "../data/arrays.ts";
import { constant } from "../graph/tensor.ts";
import { accuracy, crossEntropy, linear } from "../nn/index.ts";
import { abs, gather, sub } from "../ops/index.ts";
import { sgd } from "../optim/index.ts";
import type { FinishedEvent, StepEvent } from "./event.ts";
import { definePlan, type Plan } from "./plan.ts";
import { afterEpochs } from "./stop.ts";
import { train } from "./train.ts";

const count = 23;
const x = Array.from({ length: count }, (_, i) => [Math.sin(i), Math.cos(2 * i)]);
const y = Int32Array.from({ length: count }, (_, i) => (i % 5 === 0 ? 2 : i % 2));
const ofSamples = Array.from({ length: count }, (_, i) => Math.fround([1, 0.3, 0, 2.7][i % 4]!));
const ofClasses = [0.7, 1.9, 3.3].map(Math.fround);
const columns = { x, y, weight: ofSamples };
const weighted = arrays(columns, { weight: "weight" });

async function run(change: Partial<Plan<typeof weighted.columns>>) {
  const body = linear(3);
  const weights = constant(float32(ofClasses));
  const plan = definePlan({
    data: weighted,
    model: (row) => body(row.x),
    loss: (p, row) => ({ loss: crossEntropy(p, row.y), weight: gather(weights, row.y) }),
    optimizer: sgd({ learningRate: 0.3 }),
    batchSize: 9,
    microbatchSize: 4, // ragged: the last of a batch has fewer
    validation: {
      data: change.data ?? weighted,
      metrics: { accuracy: (p, row) => accuracy(p, row.y) },
    },
    stop: afterEpochs(3),
    ...change,
  });
  const weightSums: number[] = [];
  let metrics: Readonly<Record<string, number>> = {};
  let last: FinishedEvent | undefined;
  for await (const event of train(plan)) {
    if (event.type === "step") weightSums.push((event satisfies StepEvent).weight);
    if (event.type === "evaluated") metrics = event.metrics;
    if (event.type === "finished") last = event;
  }
  return { weightSums, metrics, sha256: last!.parametersSha256 };
}

test("a weight for each class counts as if each sample had it: in every step, and in evaluation", async () => {
  const product = Array.from(y, (label, i) => Math.fround(ofClasses[label]! * ofSamples[i]!));
  const equal = arrays({ ...columns, weight: product }, { weight: "weight" });
  const byClass = await run({});
  const bySample = await run({ data: equal, loss: (p, row) => crossEntropy(p, row.y) });
  assert.deepEqual(byClass.weightSums, bySample.weightSums);
  assert.equal(byClass.sha256, bySample.sha256);
  assert.equal(byClass.metrics["validation.loss"], bySample.metrics["validation.loss"]);
  const unweighted = await run({ loss: (p, row) => crossEntropy(p, row.y) });
  assert.notEqual(byClass.sha256, unweighted.sha256);
});

test("metrics count samples by the weights of the data alone: a class's weight is a matter of the loss", async () => {
  const heavy = await run({ optimizer: sgd({ learningRate: 0 }) });
  const plain = await run({
    optimizer: sgd({ learningRate: 0 }),
    loss: (p, row) => crossEntropy(p, row.y),
  });
  assert.equal(heavy.metrics["validation.accuracy"], plain.metrics["validation.accuracy"]);
  assert.notEqual(heavy.metrics["validation.loss"], plain.metrics["validation.loss"]);
});

test("the division is by the sum of the weights that count: one class with a tenth of the weight is no slower", async () => {
  // All samples of one class: its weight cancels, but for rounding of float32 sums.
  const data = arrays({ x, y: new Int32Array(count), weight: ofSamples }, { weight: "weight" });
  const loss = async (weight: number) => {
    const weights = constant(float32([weight, 1, 1]));
    const { metrics } = await run({
      data,
      loss: (p, row) => ({ loss: crossEntropy(p, row.y), weight: gather(weights, row.y) }),
    });
    return metrics["validation.loss"]!;
  };
  const [one, tenth] = [await loss(1), await loss(0.1)];
  assert.ok(Math.abs(one - tenth) < 1e-5 * one, `${one} and ${tenth}`);
});

test("a loss for each pair of samples, which shapes that stretch to each other give, is refused", async () => {
  const columnOfY = arrays({ x, y: Float32Array.from(y) });
  const body = linear(1);
  const plan = definePlan({
    data: columnOfY,
    model: (row) => body(row.x),
    loss: (predicted, row) => abs(sub(predicted, row.y)),
    optimizer: sgd({ learningRate: 0.3 }),
  });
  await assert.rejects(train(plan).next(), {
    message:
      "plan.loss: expected one number per sample, or several of a fixed number: [batch, …], got [batch, batch], a number for each pair of samples. Fix: give what is compared one shape: [batch] and [batch, 1] together stretch to [batch, batch]; reshape one of them",
  });
});
