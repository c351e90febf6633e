/** Models with batch normalisation against PyTorch: one step in float64, ten steps through the real thing. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { arrays, type ColumnValues } from "../src/data/arrays.ts";
import type { Dataset } from "../src/data/dataset.ts";
import { sequential } from "../src/data/sampler.ts";
import { type Initializer, input, type Tensor } from "../src/graph/tensor.ts";
import { parametersOf } from "../src/graph/walk.ts";
import { batchNorm, type Layer, linear, sequence, squaredError, tanh, tracing } from "../src/nn/index.ts";
import { flatten, gradient, mul, sum } from "../src/ops/index.ts";
import { sgd } from "../src/optim/index.ts";
import type { FinishedEvent, StepEvent } from "../src/train/event.ts";
import { afterSteps } from "../src/train/stop.ts";
import { train } from "../src/train/train.ts";
import { type Nested, numbersOf, shapeOf } from "./golden-models.ts";
import { evaluate, type Feed } from "./reference/evaluate.ts";

interface LayerSpec {
  readonly kind: "batchNorm" | "linear" | "flatten" | "tanh";
  readonly affine: boolean;
  readonly in: number;
  readonly out: number;
  readonly bias: boolean;
}

interface GoldenRun {
  readonly microbatchSize: number;
  readonly outputs: Nested;
  readonly lossSum: number;
  readonly gradients: Readonly<Record<string, Nested>>;
  readonly losses: readonly number[];
  readonly parametersAfter: Readonly<Record<string, Nested>>;
  readonly evaluated: Nested;
}

interface Golden {
  readonly training: { readonly learningRate: number; readonly momentum: number };
  readonly models: readonly {
    readonly name: string;
    readonly layers: readonly LayerSpec[];
    readonly inputs: Nested;
    readonly targets: Nested;
    readonly weights: Nested;
    readonly parameters: Readonly<Record<string, Nested>>;
    readonly runs: readonly GoldenRun[];
  }[];
}
type GoldenModel = Golden["models"][number];

const golden: Golden = JSON.parse(readFileSync(new URL("golden/batch_norm.json", import.meta.url), "utf8"));

/** The layers one after another, called by their places and starting from the recorded parameters. */
function bodyOf({ layers, parameters }: GoldenModel): Layer {
  const made = layers.map((spec, index): Layer => {
    const recorded = (name: string): Initializer => ({
      name: "recorded",
      fill: (values) => values.set(numbersOf(parameters[`${index}.${name}`]!)),
    });
    const own = {
      name: String(index),
      initializer: recorded("weight"),
      biasInitializer: recorded("bias"),
    };
    if (spec.kind === "flatten") return (x) => flatten(x);
    if (spec.kind === "tanh") return tanh;
    if (spec.kind === "batchNorm") return batchNorm({ ...own, affine: spec.affine });
    return linear(spec.in, spec.out, { ...own, bias: spec.bias });
  });
  return sequence(...made);
}

const feedOf = (value: Nested) => ({ shape: shapeOf(value), data: numbersOf(value) });
const nameOf = ({ leaf }: Tensor) => (leaf?.kind === "parameter" ? leaf.label : "");

/** Throws unless all numbers are within `most` of the recorded ones. */
function assertClose(what: string, got: ArrayLike<number | bigint>, value: Nested, most: number): void {
  const expected = numbersOf(value);
  assert.equal(got.length, expected.length, what);
  expected.forEach((number, index) => {
    const gap = Math.abs(Number(got[index]) - number);
    assert.ok(gap <= most, `${what}[${index}]: ${got[index]}, PyTorch ${number}`);
  });
}

/** Part of the samples, and what comes out of a model for them. */
function microbatch(model: GoldenModel, start: number, end: number) {
  const cut = (value: Nested) => feedOf((value as readonly Nested[]).slice(start, end)); // one entry per sample
  const [inputs, targets, weights] = [cut(model.inputs), cut(model.targets), cut(model.weights)];
  const [x, target] = [input("x", ["batch", 3, 5], "float64"), input("target", ["batch", 1], "float64")];
  const weight = input("weight", ["batch", 1], "float64");
  const { result: output } = tracing({ training: true }, () => bodyOf(model)(x));
  const loss = sum(mul(squaredError(output, target), weight));
  const parameters = parametersOf([loss]);
  const gradients = gradient(loss, parameters);
  const feeds = new Map<Tensor, Feed>([
    [x, inputs],
    [target, targets],
    [weight, { ...weights, shape: targets.shape }],
  ]);
  for (const leaf of parameters) feeds.set(leaf, feedOf(model.parameters[nameOf(leaf)]!));
  const [outputs, ...values] = evaluate([output, ...gradients], feeds);
  return { outputs: outputs!.data, gradients: values.map(({ data }) => data), names: parameters.map(nameOf) };
}

for (const model of golden.models) {
  const samples = shapeOf(model.inputs)[0]!;
  for (const run of model.runs) {
    const size = run.microbatchSize;
    describe(`${model.name}, microbatches of ${size}`, () => {
      it("gives PyTorch's predictions and gradients in float64", () => {
        const outputs: number[] = [];
        const totals = new Map<string, number[]>();
        for (let start = 0; start < samples; start += size) {
          const part = microbatch(model, start, Math.min(samples, start + size));
          outputs.push(...part.outputs);
          part.names.forEach((name, index) => {
            const before = totals.get(name) ?? Array(part.gradients[index]!.length).fill(0);
            totals.set(
              name,
              before.map((value, at) => value + part.gradients[index]![at]!),
            );
          });
        }
        // epsilon is a float32 constant in rules of gradients: 1e-5 to 2⁻²⁴ of it, beside variances of 0.06 and more.
        assertClose("outputs", outputs, run.outputs, 1e-11);
        assert.deepEqual([...totals.keys()].sort(), Object.keys(run.gradients).sort());
        for (const [name, expected] of Object.entries(run.gradients))
          assertClose(name, totals.get(name)!, expected, 1e-9);
      });

      for (const lanes of [1, 8]) {
        it(`trains ten steps as PyTorch does and keeps its running statistics, ${lanes} lanes`, async () => {
          const { steps, model: trained, data } = await trainedBy(model, size, lanes);
          for (const [index, loss] of run.losses.entries())
            assert.ok(Math.abs(steps[index]!.loss - loss) < 2e-6, `loss of step ${index}`);
          assert.deepEqual([...trained.parameters.keys()].sort(), Object.keys(run.parametersAfter).sort());
          for (const [name, expected] of Object.entries(run.parametersAfter)) {
            // PyTorch's own float32 run ends up to 6e-7 from its float64 run; sums in another order may double that.
            assertClose(name, trained.parameters.get(name)!.data as Float32Array, expected, 2e-6);
          }
          const { prediction } = await trained.predict(data);
          assertClose("evaluated", prediction!.data as Float32Array, run.evaluated, 5e-6); // parameters above, 21 products
        });
      }
    });
  }
}

async function trainedBy(model: GoldenModel, microbatchSize: number, lanes: number) {
  const shaped = (value: Nested): ColumnValues => ({
    data: Float32Array.from(numbersOf(value)),
    shape: shapeOf(value),
  });
  const values = { x: shaped(model.inputs), y: shaped(model.targets), weight: shaped(model.weights) };
  const data = arrays(values, { weight: "weight" }) as unknown as Dataset; // its columns are known here
  const body = bodyOf(model);
  const steps: StepEvent[] = [];
  let finished: FinishedEvent | undefined;
  for await (const event of train({
    data,
    model: ({ x }) => body(x!),
    loss: (predicted, { y }) => squaredError(predicted, y!),
    optimizer: sgd(golden.training),
    batchSize: data.size,
    microbatchSize,
    lanes,
    sampler: sequential(),
    stop: afterSteps(10),
  })) {
    if (event.type === "step") steps.push(event);
    if (event.type === "finished") finished = event;
  }
  return { steps, model: finished!.model, data };
}
