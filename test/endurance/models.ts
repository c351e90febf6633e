/** The models of the endurance trials, with the data they are trained on: made up, since only the bytes matter. */
import { allocate, type TypedArray } from "../../src/array/dtype.ts";
import { randomSequence } from "../../src/array/random.ts";
import { elementCount } from "../../src/array/shape.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import {
  adamw,
  afterSteps,
  arrays,
  batchNorm,
  cast,
  conv2d,
  crossEntropy,
  div,
  dropout,
  ema,
  embedding,
  flatten,
  flip,
  type Layer,
  layerNorm,
  linear,
  mul,
  type Plan,
  positional,
  relu,
  sequence,
  transformerBlock,
  whenStale,
} from "../../src/index.ts";
import { cached } from "../../src/node.ts";

/** small: for the tests, seconds; whole: at least a million parameters. */
export type Size = "small" | "whole";
export type ModelName = keyof typeof models;

const models = {
  mlp: {
    shape: [64],
    body: (size: Size) => {
      const width = size === "whole" ? 1000 : 40;
      return sequence(linear(width), relu, dropout(0.2), linear(width), relu, linear(10));
    },
  },
  cnn: {
    shape: [3, 16, 16],
    body: (size: Size) =>
      sequence(
        ...[conv2d(16, 3, { padding: 1 }), batchNorm(), relu, conv2d(32, 3, { padding: 1, stride: 2 }), relu],
        ...[flatten, dropout(0.2), linear(size === "whole" ? 512 : 16), relu, linear(10)],
      ),
  },
  transformer: {
    shape: [24],
    tokens: 50,
    body: (size: Size) => {
      const [width, blocks] = size === "whole" ? [160, 4] : [16, 1];
      const block = () => transformerBlock({ heads: 4, causal: true, dropout: 0.1 });
      const inner = Array.from({ length: blocks }, block);
      return sequence(embedding(50, width), positional("learned"), ...inner, layerNorm(), linear(50));
    },
  },
} as const;

export const modelNames = Object.keys(models) as readonly ModelName[];

/**
 * What a run has beside parameters, slots and best weights. average: an average of the weights, and a stop rule with a state.
 * skip: a sample whose loss is none, so that some steps are left out. back: a learning rate with which the second step diverges,
 * and that is as it should be after the run has gone back once. augmented: images that are changed while they are read.
 */
export type Variant = "average" | "skip" | "back" | "augmented";

/** What a trial may be about; only images can be augmented. */
export const subjects: readonly (readonly [ModelName, Variant])[] = [
  ...modelNames.flatMap((name) =>
    (["average", "skip", "back"] as const).map((variant) => [name, variant] as const),
  ),
  ["cnn", "augmented"],
];

const samples = 230;

/** Ragged microbatches, more of them than lanes and no multiple, samples without weight, best weights. */
export function endurancePlan(
  name: ModelName,
  variant: Variant,
  size: Size,
  steps: number,
  data: Dataset,
): Plan {
  const body: Layer = models[name].body(size);
  return {
    data,
    model: (row) => body(data.columns.x!.dtype === "uint8" ? div(cast(row.x!, "float32"), 255) : row.x!),
    loss: (predicted, row) => mul(crossEntropy(predicted, row.y!), row.scale!),
    optimizer: adamw({ learningRate: variant === "back" ? 1e30 : 1e-3 }),
    batchSize: 64,
    microbatchSize: 5,
    lastBatch: "carry",
    validation: { data, every: 4 },
    stop: [
      afterSteps(steps),
      ...(variant === "average" ? [whenStale("validation.loss", { patience: 100 })] : []),
    ],
    ...(variant === "average" && { ema: ema({ decay: 0.95 }) }),
    ...(variant === "skip" && { divergence: { action: "skip" } }),
    ...(variant === "back" && { divergence: { action: "back", learningRateFactor: 1e-33, everySteps: 3 } }),
    ...(variant === "augmented" && { augment: { x: [flip({ vertical: 0.5 })] } }),
  } as Plan; // of the columns that it makes itself
}

/** The samples of a model on disk, in a cache that is written little by little where it is missing. */
export function enduranceData(name: ModelName, variant: Variant, folder: string): Promise<Dataset> {
  const { name: called, columns, weight, ...data } = madeUp(name, variant);
  async function* pieces() {
    for (let from = 0; from < samples; from += perPiece) {
      const some = Uint32Array.from({ length: perPiece }, (_, index) => from + index);
      const values: Record<string, TypedArray> = {};
      for (const [column, { dtype, shape }] of Object.entries(columns)) {
        values[column] = allocate(dtype, perPiece * elementCount(shape));
        await data.read(column, some, values[column]);
      }
      await new Promise((resolve) => setTimeout(resolve, 4)); // long enough to be killed in
      yield { samples: perPiece, columns: values };
    }
  }
  const source = { name: called, columns, fingerprint: () => data.fingerprint(), pieces };
  return cached({ ...source, ...(weight !== undefined && { weight }) }, { folder, bytesInMemory: 0 });
}

/** Samples that the cache is given at once. */
const perPiece = 10;

function madeUp(name: ModelName, variant: Variant): Dataset {
  const model = models[name];
  const random = randomSequence(5, "endurance", name);
  let drawn = 0;
  const shape = [samples, ...model.shape];
  const numbers = elementCount(shape);
  const weight = Float32Array.from({ length: samples }, (_, sample) =>
    sample % 9 === 4 ? 0 : 0.5 + random(drawn++),
  );
  const codes = (below: number) => Array.from({ length: numbers }, () => Math.floor(below * random(drawn++)));
  const isText = "tokens" in model;
  const x = isText
    ? Int32Array.from(codes(50))
    : variant === "augmented"
      ? Uint8Array.from(codes(256))
      : Float32Array.from({ length: numbers }, () => 2 * random(drawn++) - 1);
  const y = isText
    ? { data: (x as Int32Array).map((code) => (7 * code + 3) % 50), shape }
    : Int32Array.from({ length: samples }, () => Math.floor(10 * random(drawn++)));
  const scale = new Float32Array(samples).fill(1);
  if (variant === "skip") scale[100] = Number.NaN;
  return arrays(
    { x: { data: x, shape }, y, scale: isText ? perToken(scale, shape) : scale, weight },
    { weight: "weight" },
  );
}

/** The loss of a text is one number for each of its tokens. */
const perToken = (scale: Float32Array, shape: readonly number[]) => ({
  data: Float32Array.from(
    { length: elementCount(shape) },
    (_, token) => scale[Math.floor(token / shape[1]!)]!,
  ),
  shape,
});
