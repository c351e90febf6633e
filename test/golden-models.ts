/** The recorded models of test/golden/models.json: what PyTorch made of each, in float64. */
import { readFileSync } from "node:fs";
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

/** An array as JSON writes it. */
export type Nested = number | readonly Nested[];

interface LayerSpec {
  readonly kind: "linear" | "relu" | "gelu" | "tanh" | "silu" | "leakyRelu";
  readonly in: number;
  readonly out: number;
  readonly slope: number;
}

interface LossSpec {
  readonly kind: "squaredError" | "huber" | "binaryCrossEntropy" | "crossEntropy";
  readonly delta: number;
  readonly labelSmoothing: number;
}

/** Steps of one optimizer on all samples at once. */
export interface GoldenTraining {
  readonly optimizer: "sgd" | "adamw";
  readonly options: { readonly learningRate: number };
  readonly steps: number;
  readonly losses: readonly number[];
  readonly lossAfter: number;
  readonly parametersAfter: Readonly<Record<string, Nested>>;
}

/** A model, its samples and what came out. */
export interface GoldenModel {
  readonly name: string;
  readonly layers: readonly LayerSpec[];
  readonly loss: LossSpec;
  readonly inputs: Nested;
  readonly targets: Nested;
  readonly weights: Nested;
  readonly parameters: Readonly<Record<string, Nested>>;
  readonly expected: {
    readonly output: Nested;
    readonly lossPerElement?: Nested;
    readonly lossPerSample: Nested;
    readonly lossSum: number;
    readonly weightSum: number;
    readonly gradients: Readonly<Record<string, Nested>>;
  };
  readonly training: readonly GoldenTraining[];
}

const golden: { readonly models: readonly GoldenModel[] } = JSON.parse(
  readFileSync(new URL("golden/models.json", import.meta.url), "utf8"),
);
export const goldenModels = golden.models;

export const shapeOf = (value: Nested): number[] =>
  typeof value === "number" ? [] : [value.length, ...shapeOf(value[0]!)];
export const numbersOf = (value: Nested): number[] =>
  typeof value === "number" ? [value] : value.flatMap(numbersOf);

/** The layers one after another, starting from the recorded parameters, which keep their recorded names. */
export function bodyOf({ layers, parameters }: GoldenModel): Layer {
  const recorded = (name: string): Initializer => ({
    name: "recorded",
    fill: (values) => values.set(numbersOf(parameters[name]!)),
  });
  const activations = { relu, gelu, tanh, silu };
  const made = layers.map((spec, index): Layer => {
    if (spec.kind === "leakyRelu") return leakyRelu(spec.slope);
    if (spec.kind !== "linear") return activations[spec.kind];
    return linear(spec.in, spec.out, {
      name: String(index),
      initializer: recorded(`${index}.weight`),
      biasInitializer: recorded(`${index}.bias`),
    });
  });
  return sequence(...made);
}

/** The model's loss, one number per predicted number or position. */
export function lossOf({ loss }: GoldenModel, output: Tensor, target: Tensor): Tensor {
  const { kind, delta, labelSmoothing } = loss;
  if (kind === "crossEntropy") return crossEntropy(output, target, { labelSmoothing });
  if (kind === "huber") return huber(output, target, { delta });
  return kind === "squaredError" ? squaredError(output, target) : binaryCrossEntropy(output, target);
}

export function optimizerOf({ optimizer, options }: GoldenTraining): Optimizer {
  return optimizer === "sgd" ? sgd(options) : adamw(options);
}
