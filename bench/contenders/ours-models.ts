/** The models of tables/models.ts, written as users of this package would. */

import { randomSequence } from "../../src/array/random.ts";
import {
  adamw,
  afterEpochs,
  arrays,
  batchNorm,
  conv2d,
  crossEntropy,
  type Dataset,
  embedding,
  flatten,
  globalAveragePool,
  type Layer,
  layerNorm,
  linear,
  lstm,
  maxPool,
  normal,
  type Plan,
  positional,
  relu,
  residual,
  sequence,
  sgd,
  slice,
  type Tensor,
  train,
  transformerBlock,
} from "../../src/index.ts";
import { threads } from "../../src/node.ts";
import { trainingSteps } from "./ours-steps.ts";
import type { Prepared } from "./protocol.ts";

/** A model and its batch. */
export interface ModelCase {
  readonly model: keyof typeof models;
  readonly batch: number;
  /** Default: the batch. */
  readonly microbatch?: number;
  /** Default 1. */
  readonly threads?: number;
}

/** Steps of a model on eight batches, again and again. */
export function modelTraining(request: ModelCase): Prepared {
  return trainingSteps(train(modelPlan(request)));
}

/** A model with its data and its update rule. */
export function modelPlan({ model, batch, microbatch = batch, threads: workers = 1 }: ModelCase): Plan {
  const { body, data } = models[model];
  const layer = body();
  return {
    data: data(8 * batch),
    model: (row) => layer(row.x!),
    loss: (predicted, row) => crossEntropy(predicted, row.y!),
    optimizer: model === "gpt" ? adamw({ learningRate: 1e-3 }) : sgd({ learningRate: 0.01, momentum: 0.9 }),
    batchSize: batch,
    microbatchSize: microbatch,
    parallel: threads(workers),
    stop: afterEpochs(1e9),
  };
}

const models = {
  mlp: { body: mlp, data: digits },
  lenet: { body: lenet, data: images },
  resnet: { body: resnet, data: images },
  gpt: { body: gpt, data: tokens },
  lstm: { body: recurrent, data: series },
} as const;

function mlp(): Layer {
  return sequence(linear(512), relu, linear(512), relu, linear(10));
}

function lenet(): Layer {
  return sequence(
    ...[conv2d(6, 5), relu, maxPool(2), conv2d(16, 5), relu, maxPool(2)],
    ...[flatten, linear(120), relu, linear(84), relu, linear(10)],
  );
}

function resnet(): Layer {
  const convolution = (outputs: number, kernel: number, stride = 1) =>
    sequence(conv2d(outputs, kernel, { stride, padding: (kernel - 1) / 2, bias: false }), batchNorm());
  const block = (outputs: number, stride: number) =>
    sequence(
      residual(
        sequence(convolution(outputs, 3, stride), relu, convolution(outputs, 3)),
        stride === 1 ? undefined : convolution(outputs, 1, stride),
      ),
      relu,
    );
  return sequence(
    ...[convolution(16, 3), relu, block(16, 1), block(32, 2), block(64, 2)],
    ...[globalAveragePool, flatten, linear(10)],
  );
}

const [codes, length, width] = [96, 128, 128];

function gpt(): Layer {
  const table = embedding(codes, width, { initializer: normal(0.02) });
  const blocks = Array.from({ length: 4 }, () => transformerBlock({ heads: 4, causal: true }));
  return sequence(table, positional("learned"), ...blocks, layerNorm(), linear(codes));
}

function recurrent(): Layer {
  return sequence(lstm(128), (states: Tensor) => flatten(slice(states, { start: -1 }, 1)), linear(10));
}

function digits(samples: number): Dataset {
  return made(samples, [784], (classes) => classes(samples));
}

function images(samples: number): Dataset {
  return made(samples, [3, 32, 32], (classes) => classes(samples));
}

function series(samples: number): Dataset {
  return made(samples, [64, 32], (classes) => classes(samples));
}

function made(
  samples: number,
  shape: readonly number[],
  labels: (draw: (count: number) => Int32Array) => Int32Array,
): Dataset {
  const random = randomSequence(1, "bench", 0);
  let drawn = 0;
  const size = shape.reduce((product, dim) => product * dim, samples);
  const x = Float32Array.from({ length: size }, () => 3.4 * (random(drawn++) - 0.5));
  const y = labels((count) => Int32Array.from({ length: count }, () => Math.floor(10 * random(drawn++))));
  return arrays({ x: { data: x, shape: [samples, ...shape] }, y });
}

function tokens(samples: number): Dataset {
  const random = randomSequence(1, "bench", 0);
  const x = Int32Array.from({ length: samples * length }, (_, at) => Math.floor(codes * random(at)));
  const y = Int32Array.from(x, (_, at) => x[at + 1] ?? 0);
  return arrays({ x: { data: x, shape: [samples, length] }, y: { data: y, shape: [samples, length] } });
}
