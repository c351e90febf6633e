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
  conv2d,
  crossEntropy,
  dropout,
  ema,
  embedding,
  flatten,
  type Layer,
  layerNorm,
  linear,
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

const samples = 230;

/** Ragged microbatches, more of them than lanes and no multiple, samples without weight, best weights, an average. */
export function endurancePlan(name: ModelName, size: Size, steps: number, data: Dataset): Plan {
  const body: Layer = models[name].body(size);
  return {
    data,
    model: (row) => body(row.x!),
    loss: (predicted, row) => crossEntropy(predicted, row.y!),
    optimizer: adamw({ learningRate: 1e-3 }),
    batchSize: 64,
    microbatchSize: 5,
    lastBatch: "carry",
    ema: ema({ decay: 0.95 }),
    validation: { data, every: 4 },
    stop: [afterSteps(steps), whenStale("validation.loss", { patience: 100 })],
  } as Plan; // of the columns that it makes itself
}

/** The samples of a model on disk, in a cache that is written little by little where it is missing. */
export function enduranceData(name: ModelName, folder: string): Promise<Dataset> {
  const { name: called, columns, weight, ...data } = madeUp(name);
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

function madeUp(name: ModelName): Dataset {
  const model = models[name];
  const random = randomSequence(5, "endurance", name);
  let drawn = 0;
  const numbers = samples * model.shape.reduce((product: number, dim) => product * dim, 1);
  const shape = [samples, ...model.shape];
  const weight = Float32Array.from({ length: samples }, (_, sample) =>
    sample % 9 === 4 ? 0 : 0.5 + random(drawn++),
  );
  const isText = "tokens" in model;
  const codes = () => Int32Array.from({ length: numbers }, () => Math.floor(50 * random(drawn++)));
  const x = isText ? codes() : Float32Array.from({ length: numbers }, () => 2 * random(drawn++) - 1);
  const y = isText
    ? { data: (x as Int32Array).map((code) => (7 * code + 3) % 50), shape }
    : Int32Array.from({ length: samples }, () => Math.floor(10 * random(drawn++)));
  return arrays({ x: { data: x, shape }, y, weight }, { weight: "weight" });
}
