/**
 * Ten whole training steps against PyTorch, through the real thing: dataset, microbatches, lanes, sessions, compiled update.
 * A single step would not do: races and stale memory have hidden behind right first gradients.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { arrays, type ColumnValues } from "../src/data/arrays.ts";
import type { Dataset } from "../src/data/dataset.ts";
import { sequential } from "../src/data/sampler.ts";
import type { Initializer, Tensor } from "../src/graph/tensor.ts";
import {
  binaryCrossEntropy,
  crossEntropy,
  gelu,
  huber,
  type Layer,
  leakyRelu,
  linear,
  relu,
  sequence,
  silu,
  squaredError,
  tanh,
} from "../src/nn/index.ts";
import { adamw, type Optimizer, sgd } from "../src/optim/index.ts";
import type { StepEvent } from "../src/train/event.ts";
import type { LossResult, Row } from "../src/train/plan.ts";
import { afterSteps } from "../src/train/stop.ts";
import { train } from "../src/train/train.ts";

type Nested = number | readonly Nested[];
interface GoldenModel {
  readonly name: string;
  readonly layers: readonly {
    readonly kind: string;
    readonly in: number;
    readonly out: number;
    readonly slope: number;
  }[];
  readonly loss: { readonly kind: string; readonly labelSmoothing: number; readonly delta: number };
  readonly inputs: readonly Nested[];
  readonly targets: readonly Nested[];
  readonly weights: readonly Nested[];
  readonly parameters: Readonly<Record<string, Nested>>;
  readonly expected: {
    readonly lossSum: number;
    readonly weightSum: number;
    readonly gradients: Readonly<Record<string, Nested>>;
  };
  readonly training: readonly {
    readonly optimizer: "sgd" | "adamw";
    readonly options: Readonly<Record<string, number>>;
    readonly losses: readonly number[];
    readonly parametersAfter: Readonly<Record<string, Nested>>;
  }[];
}

const golden: { readonly models: readonly GoldenModel[] } = JSON.parse(
  readFileSync(new URL("golden/models.json", import.meta.url), "utf8"),
);

const flat = (value: Nested): number[] => (typeof value === "number" ? [value] : value.flatMap(flat));
const shapeOf = (value: Nested): number[] =>
  typeof value === "number" ? [] : [value.length, ...shapeOf(value[0]!)];
const shaped = (value: Nested): ColumnValues => ({
  data: Float32Array.from(flat(value)),
  shape: shapeOf(value),
});
const labels = (value: Nested): ColumnValues => ({
  data: Int32Array.from(flat(value)),
  shape: shapeOf(value),
});

/** Starts a parameter from recorded values. */
const recorded = (values: Nested): Initializer => ({
  name: "recorded",
  fill: (into) => into.set(flat(values)),
});

function layersOf(model: GoldenModel): Layer {
  const layers = model.layers.map(({ kind, in: inputs, out, slope }, index): Layer => {
    if (kind === "relu") return relu;
    if (kind === "gelu") return gelu;
    if (kind === "tanh") return tanh;
    if (kind === "silu") return silu;
    if (kind === "leakyRelu") return leakyRelu(slope);
    assert.equal(kind, "linear");
    return linear(inputs, out, {
      name: String(index),
      initializer: recorded(model.parameters[`${index}.weight`]!),
      biasInitializer: recorded(model.parameters[`${index}.bias`]!),
    });
  });
  return sequence(...layers);
}

function datasetOf(model: GoldenModel): Dataset {
  const isClasses = model.loss.kind === "crossEntropy";
  const values = {
    x: shaped(model.inputs),
    y: isClasses ? labels(model.targets) : shaped(model.targets),
    weight: shaped(model.weights),
  };
  const isPerSample = shapeOf(model.weights).length === 1;
  return arrays(values, isPerSample ? { weight: "weight" } : {}) as unknown as Dataset; // its columns are known here
}

function lossOf(model: GoldenModel, predicted: Tensor, { y, weight }: Row): LossResult {
  const { kind, labelSmoothing, delta } = model.loss;
  const losses: Record<string, () => Tensor> = {
    squaredError: () => squaredError(predicted, y!),
    crossEntropy: () => crossEntropy(predicted, y!, { labelSmoothing }),
    binaryCrossEntropy: () => binaryCrossEntropy(predicted, y!),
    huber: () => huber(predicted, y!, { delta }),
  };
  const loss = losses[kind]!();
  return shapeOf(model.weights).length === 1 ? loss : { loss, weight: weight! };
}

function optimizerOf(run: GoldenModel["training"][number]): Optimizer {
  const { learningRate, ...options } = run.options as { learningRate: number };
  return run.optimizer === "sgd" ? sgd({ learningRate, ...options }) : adamw({ learningRate, ...options });
}

describe("ten training steps agree with PyTorch", () => {
  for (const model of golden.models) {
    for (const run of model.training) {
      for (const [microbatchSize, lanes] of [
        [1, 8],
        [3, 2],
        [100, 8],
      ] as const) {
        it(`${model.name}, ${run.optimizer}, microbatches of ${microbatchSize}, ${lanes} lanes`, async () => {
          const body = layersOf(model);
          const data = datasetOf(model);
          const steps: StepEvent[] = [];
          for await (const event of train({
            data,
            model: ({ x }) => body(x!),
            loss: (predicted, row) => lossOf(model, predicted, row),
            optimizer: optimizerOf(run),
            batchSize: data.size,
            microbatchSize: Math.min(microbatchSize, data.size),
            lanes,
            sampler: sequential(),
            stop: afterSteps(10),
          })) {
            if (event.type === "step") steps.push(event);
            if (event.type !== "finished") continue;
            for (const [name, expected] of Object.entries(run.parametersAfter)) {
              const got = event.model.parameters.get(name)!.data;
              flat(expected).forEach((value, index) => {
                // PyTorch's own float32 run ends up to 6e-7 from its float64 run; sums in another order may double that.
                assert.ok(
                  Math.abs(Number(got[index]) - value) < 2e-6,
                  `${name}[${index}]: ${got[index]}, PyTorch ${value}`,
                );
              });
            }
          }
          run.losses.forEach((loss, index) => {
            assert.ok(
              Math.abs(steps[index]!.loss - loss) < 2e-6 * Math.max(1, loss),
              `loss of step ${index}`,
            );
          });
        });
      }
    }
  }
});
