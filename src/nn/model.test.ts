/** Whole models against PyTorch: losses, gradients, and ten steps of training, all in float64; gradients in float32 too. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bodyOf,
  type GoldenModel,
  goldenModels,
  lossOf,
  type Nested,
  numbersOf,
  optimizerOf,
  shapeOf,
} from "../../test/golden-models.ts";
import { evaluate, type Feed } from "../../test/reference/evaluate.ts";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { parametersOf } from "../graph/walk.ts";
import { gradient } from "../ops/gradient.ts";
import type { Optimizer } from "../optim/index.ts";

const feedOf = (value: Nested): { shape: number[]; data: number[] } => ({
  shape: shapeOf(value),
  data: numbersOf(value),
});

/** The model as tensors, and the numbers for its leaves. */
function traced(model: GoldenModel, dtype: "float32" | "float64") {
  const leaf = (name: string, { shape }: Feed, own = dtype as Tensor["dtype"]) =>
    input(name, ["batch", ...shape.slice(1)], own);
  const [inputs, targets] = [feedOf(model.inputs), feedOf(model.targets)];
  const x = leaf("x", inputs);
  const target = leaf("target", targets, model.loss.kind === "crossEntropy" ? "int32" : dtype);
  const output = bodyOf(model)(x);
  const loss = lossOf(model, output, target);
  // The file's loss of a sample is the mean over its elements, so each element gets its share of the weight.
  const shape = [inputs.shape[0]!, ...(loss.shape.slice(1) as number[])]; // the batch comes first
  const weights = numbersOf(model.weights);
  const share = shape.reduce((a, b) => a * b, 1) / weights.length;
  const data = weights.flatMap((weight) => Array<number>(share).fill(weight / share));
  const seed = leaf("weights", { shape, data });
  const parameters = new Map(parametersOf([loss]).map((tensor) => [nameOf(tensor), tensor]));
  const gradients = gradient(loss, [...parameters.values()], seed);
  const feeds = new Map<Tensor, Feed>([
    [x, inputs],
    [target, targets],
    [seed, { shape, data }],
  ]);
  for (const [name, tensor] of parameters) feeds.set(tensor, feedOf(model.parameters[name]!));
  return { output, loss, parameters, gradients, feeds, weights: data };
}

const nameOf = ({ leaf }: Tensor) => (leaf?.kind === "parameter" ? leaf.label : "");
const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, value, index) => sum + value * b[index]!, 0);

/** Largest difference relative to the largest number. */
function assertClose(
  what: string,
  actual: ArrayLike<number>,
  expected: readonly number[],
  tolerance: number,
): void {
  assert.equal(actual.length, expected.length, what);
  const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  const apart = expected.reduce((a, b, index) => Math.max(a, Math.abs(actual[index]! - b)), 0);
  assert.ok(apart <= tolerance * largest, `${what}: off by ${apart}, the largest number is ${largest}`);
}

for (const model of goldenModels) {
  const { expected } = model;

  test(`${model.name}: outputs, losses and gradients are PyTorch's in float64`, () => {
    const { output, loss, parameters, gradients, feeds, weights } = traced(model, "float64");
    const [y, losses, ...sums] = evaluate([output, loss, ...gradients], feeds);
    // Sums of some dozen terms in another order: 1e-15 each.
    assertClose("output", y!.data, numbersOf(expected.output), 1e-13);
    assertClose("loss", losses!.data, numbersOf(expected.lossPerElement ?? expected.lossPerSample), 1e-13);
    assertClose("lossSum", [dot(losses!.data, weights)], [expected.lossSum], 1e-13);
    assert.deepEqual([...parameters.keys()].sort(), Object.keys(expected.gradients).sort());
    [...parameters.keys()].forEach((name, index) => {
      assertClose(`gradient of ${name}`, sums[index]!.data, numbersOf(expected.gradients[name]!), 1e-12);
    });
  });

  test(`${model.name}: losses and gradients are PyTorch's in ONNX Runtime's float32`, async () => {
    const { loss, parameters, gradients, feeds } = traced(model, "float32");
    const names = [...parameters.keys()];
    const outputs: Record<string, Tensor> = { loss };
    gradients.forEach((tensor, index) => {
      outputs[`d ${names[index]}`] = tensor;
    });
    const results = await runTensors(outputs, feeds);
    // Float32 rounds at 6e-8; a few layers and sums over samples take that a few dozen times.
    assertClose(
      "loss",
      results.loss!.data,
      numbersOf(expected.lossPerElement ?? expected.lossPerSample),
      1e-5,
    );
    for (const name of names) {
      assertClose(name, results[`d ${name}`]!.data, numbersOf(expected.gradients[name]!), 1e-5);
    }
  });

  for (const training of model.training) {
    test(`${model.name}: ten steps of ${training.optimizer} are PyTorch's in float64`, () => {
      const { loss, parameters, gradients, feeds, weights } = traced(model, "float64");
      const optimizer = optimizerOf(training);
      const weightSum = weights.reduce((a, b) => a + b, 0);
      const updates = [...parameters.values()].map((parameter) => updating(optimizer, parameter));
      const losses: number[] = [];
      const meanLoss = (values: Feed) => dot(values.data as Float64Array, weights) / weightSum; // evaluate gives Float64Array
      for (let step = 0; step < training.steps; step++) {
        const [values, ...sums] = evaluate([loss, ...gradients], feeds);
        losses.push(meanLoss(values!));
        updates.forEach(({ parameter, next }, index) => {
          const mean = sums[index]!.data.map((sum) => sum / weightSum);
          feeds.set(parameter, next(feeds.get(parameter)!, mean, step));
        });
      }
      // Ten steps amplify roundings of 1e-15; AdamW divides gradients near 0 by themselves.
      assertClose("losses", losses, training.losses, 1e-10);
      assertClose("last loss", [meanLoss(evaluate([loss], feeds)[0]!)], [training.lossAfter], 1e-10);
      for (const [name, tensor] of parameters) {
        assertClose(
          name,
          feeds.get(tensor)!.data as Float64Array,
          numbersOf(training.parametersAfter[name]!),
          1e-10,
        ); // as above
      }
    });
  }
}

/** The update of one parameter, keeping its slots. */
function updating(optimizer: Optimizer, parameter: Tensor) {
  const shape = parameter.shape as readonly number[]; // a parameter's shape is fixed
  const array = (name: string) => input(name, shape, "float64");
  const scalar = (name: string) => input(name, [], "float64");
  const names = Object.keys(optimizer.slots);
  const slots = Object.fromEntries(names.map((name) => [name, array(name)]));
  const context = {
    parameter: array("parameter"),
    gradient: array("gradient"),
    slots,
    learningRate: scalar("learningRate"),
    step: scalar("step"),
    weightDecay: scalar("weightDecay"),
  };
  const updated = optimizer.update(context);
  const count = shape.reduce((a, b) => a * b, 1);
  let state = names.map((name): Feed => ({ shape, data: Array(count).fill(optimizer.slots[name]) }));
  const next = (before: Feed, mean: Float64Array, step: number): Feed => {
    const number = (value: number): Feed => ({ shape: [], data: [value] });
    const feeds = new Map<Tensor, Feed>([
      [context.parameter, before],
      [context.gradient, { shape, data: mean }],
      [context.learningRate, number(optimizer.learningRate(step))],
      [context.step, number(step + 1)],
      [context.weightDecay, number(optimizer.weightDecay)],
      ...names.map((name, index) => [slots[name]!, state[index]!] as const),
    ]);
    const [after, ...rest] = evaluate(
      [updated.parameter, ...names.map((name) => updated.slots[name]!)],
      feeds,
    );
    state = rest;
    return after!;
  };
  return { parameter, next };
}
