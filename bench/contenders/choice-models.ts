/** The models of tables/choice.ts: of every kind, and of sizes at which microbatches of other sizes are the fastest. */
import { randomSequence } from "../../src/array/random.ts";
import {
  adamw,
  arrays,
  concat,
  conv2d,
  crossEntropy,
  type Dataset,
  embedding,
  flatten,
  globalAveragePool,
  gru,
  type Layer,
  layerNorm,
  linear,
  maxPool,
  normal,
  type Plan,
  positional,
  relu,
  sequence,
  sgd,
  slice,
  type Tensor,
  transformerBlock,
} from "../../src/index.ts";
import { modelPlan } from "./ours-models.ts";

/** So many different samples, which are read again and again: data is not what is measured. */
const heldSamples = 256;
const classes = 10;

/** What is learnt and on what, by model. The caller adds the sizes. */
export const choiceModels = {
  mlp: () => modelPlan({ model: "mlp", batch: heldSamples / 8 }),
  "narrow mlp": () => classified([32], sequence(linear(64), relu, linear(64), relu, linear(classes))),
  "wide mlp": () => classified([784], sequence(linear(2048), relu, linear(2048), relu, linear(classes))),
  "embedding table": tabular,
  lenet: () => modelPlan({ model: "lenet", batch: heldSamples / 8 }),
  "deep cnn": () => classified([3, 32, 32], convolutions()),
  gpt: () => modelPlan({ model: "gpt", batch: heldSamples / 8 }),
  "wide transformer": transformer,
  lstm: () => modelPlan({ model: "lstm", batch: heldSamples / 8 }),
  gru: () => classified([32, 16], sequence(gru(64), lastState, linear(classes))),
} as const satisfies Readonly<Record<string, () => Plan>>;

/** As many samples as are asked for, of the few that the data has. */
export function repeated(held: Dataset, size: number): Dataset {
  return {
    name: "repeated",
    size,
    columns: held.columns,
    read: (column, samples, into) =>
      held.read(
        column,
        samples.map((one) => one % held.size),
        into,
      ),
    fingerprint: () => held.fingerprint(),
  };
}

function convolutions(): Layer {
  const block = (channels: number) => [
    ...[conv2d(channels, 3, { padding: 1 }), relu, conv2d(channels, 3, { padding: 1 }), relu],
    maxPool(2),
  ];
  return sequence(...[32, 64, 128].flatMap(block), globalAveragePool, flatten, linear(classes));
}

/** Six categories of a thousand each beside sixteen numbers. */
function tabular(): Plan {
  const [fields, codes, width] = [6, 1000, 16];
  const draw = randomSequence(2, "bench", 0);
  const data = Int32Array.from({ length: heldSamples * fields }, (_, at) => Math.floor(codes * draw(at)));
  const tables = embedding(codes, width);
  const body = sequence(linear(256), relu, linear(128), relu, linear(classes));
  const { x, y } = made([16]);
  return {
    data: arrays({ x, y, codes: { data, shape: [heldSamples, fields] } }) as Dataset,
    model: (row) => body(concat([row.x!, flatten(tables(row.codes!))])),
    loss: (predicted, row) => crossEntropy(predicted, row.y!),
    optimizer: adamw({ learningRate: 1e-3 }),
  };
}

function transformer(): Plan {
  const [codes, length, width] = [512, 64, 256];
  const blocks = Array.from({ length: 2 }, () => transformerBlock({ heads: 8, causal: true }));
  const body = sequence(
    embedding(codes, width, { initializer: normal(0.02) }),
    ...[positional("learned"), ...blocks, layerNorm(), linear(codes)],
  );
  const draw = randomSequence(3, "bench", 0);
  const x = Int32Array.from({ length: heldSamples * length }, (_, at) => Math.floor(codes * draw(at)));
  const y = Int32Array.from(x, (_, at) => x[at + 1] ?? 0);
  const shape = [heldSamples, length];
  return {
    data: arrays({ x: { data: x, shape }, y: { data: y, shape } }) as Dataset,
    model: (row) => body(row.x!),
    loss: (predicted, row) => crossEntropy(predicted, row.y!),
    optimizer: adamw({ learningRate: 1e-3 }),
  };
}

function lastState(states: Tensor): Tensor {
  return flatten(slice(states, { start: -1 }, 1));
}

function classified(shape: readonly number[], body: Layer): Plan {
  return {
    data: arrays(made(shape)) as Dataset,
    model: (row) => body(row.x!),
    loss: (predicted, row) => crossEntropy(predicted, row.y!),
    optimizer: sgd({ learningRate: 0.01, momentum: 0.9 }),
  };
}

function made(shape: readonly number[]) {
  const draw = randomSequence(1, "bench", 0);
  const length = shape.reduce((product, dim) => product * dim, heldSamples);
  const data = Float32Array.from({ length }, (_, at) => 3.4 * (draw(at) - 0.5));
  const y = Int32Array.from({ length: heldSamples }, (_, at) => Math.floor(classes * draw(length + at)));
  return { x: { data, shape: [heldSamples, ...shape] }, y };
}
