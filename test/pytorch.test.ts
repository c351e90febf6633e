/**
 * Ten whole training steps against PyTorch, through the real thing: dataset, microbatches, lanes, sessions, compiled update.
 * A single step would not do: races and stale memory have hidden behind right first gradients.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { arrays, type ColumnValues } from "../src/data/arrays.ts";
import type { Dataset } from "../src/data/dataset.ts";
import { sequential } from "../src/data/sampler.ts";
import type { Tensor } from "../src/graph/tensor.ts";
import type { StepEvent } from "../src/train/event.ts";
import type { LossResult, Row } from "../src/train/plan.ts";
import { afterSteps } from "../src/train/stop.ts";
import { train } from "../src/train/train.ts";
import {
  bodyOf,
  type GoldenModel,
  goldenModels,
  lossOf,
  type Nested,
  numbersOf,
  optimizerOf,
  shapeOf,
} from "./golden-models.ts";

const shaped = (value: Nested): ColumnValues => ({
  data: Float32Array.from(numbersOf(value)),
  shape: shapeOf(value),
});
const labels = (value: Nested): ColumnValues => ({
  data: Int32Array.from(numbersOf(value)),
  shape: shapeOf(value),
});

const hasWeightPerSample = ({ weights }: GoldenModel) => shapeOf(weights).length === 1;

function datasetOf(model: GoldenModel): Dataset {
  const isClasses = model.loss.kind === "crossEntropy";
  const values = {
    x: shaped(model.inputs),
    y: isClasses ? labels(model.targets) : shaped(model.targets),
    weight: shaped(model.weights),
  };
  return arrays(values, hasWeightPerSample(model) ? { weight: "weight" } : {}) as unknown as Dataset; // its columns are known here
}

/** The loss, with its weights where the model has one per token. */
function weightedLossOf(model: GoldenModel, predicted: Tensor, { y, weight }: Row): LossResult {
  const loss = lossOf(model, predicted, y!);
  return hasWeightPerSample(model) ? loss : { loss, weight: weight! };
}

describe("ten training steps agree with PyTorch", () => {
  for (const model of goldenModels) {
    for (const run of model.training) {
      for (const [microbatchSize, lanes] of [
        [1, 8],
        [3, 2],
        [100, 8],
      ] as const) {
        it(`${model.name}, ${run.optimizer}, microbatches of ${microbatchSize}, ${lanes} lanes`, async () => {
          const body = bodyOf(model);
          const data = datasetOf(model);
          const steps: StepEvent[] = [];
          for await (const event of train({
            data,
            model: ({ x }) => body(x!),
            loss: (predicted, row) => weightedLossOf(model, predicted, row),
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
              numbersOf(expected).forEach((value, index) => {
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
