/**
 * Fashion-MNIST: ten kinds of clothing from 28 × 28 pixels. microbatch train examples/fashion-mnist/plan.ts
 * The images come from Debian's package dataset-fashion-mnist, or lie where FASHION_MNIST says; FASHION_MNIST_SAMPLES takes the
 * first so many of them, for a quick look.
 */
import { join } from "node:path";
import {
  accuracy,
  adamw,
  afterEpochs,
  argMax,
  batchNorm,
  cast,
  categoryNames,
  conv2d,
  crop,
  crossEntropy,
  type Dataset,
  definePlan,
  div,
  dropout,
  flatten,
  flip,
  linear,
  matricesOnly,
  maxPool,
  oneCycleRate,
  relu,
  reshape,
  sequence,
  softmax,
  split,
  subset,
} from "microbatch";
import { idx } from "microbatch/node";

const folder = process.env.FASHION_MNIST ?? "/usr/share/datasets/fashion-mnist";
const limit = Number(process.env.FASHION_MNIST_SAMPLES ?? Number.POSITIVE_INFINITY);
const clothes = [
  "T-shirt",
  "trousers",
  "pullover",
  "dress",
  "coat",
  "sandal",
  "shirt",
  "sneaker",
  "bag",
  "boot",
];

const read = (part: string) =>
  idx({
    image: join(folder, `${part}-images-idx3-ubyte.gz`),
    label: join(folder, `${part}-labels-idx1-ubyte.gz`),
  });
const first = (data: Dataset) =>
  subset(
    data,
    Uint32Array.from({ length: Math.min(data.size, limit) }, (_, sample) => sample),
  );

const { training, validation } = split(first(await read("train")), { validation: 1 / 12, stratify: "label" });
/** Images that nothing was decided by. */
export const test = first(await read("t10k"));

const block = (channels: number) =>
  sequence(conv2d(channels, 3, { padding: "same", bias: false }), batchNorm(), relu, maxPool(2));
const body = sequence(block(32), block(64), flatten, linear(128), relu, dropout(0.3), linear(10));

const epochs = 10;
const batchSize = 128;

export default definePlan({
  data: training,
  augment: { image: [flip(), crop({ padding: 1, border: "edge" })] }, // a shoe may point to either side
  model: (row) => body(div(reshape(cast(row.image!, "float32"), ["batch", 1, 28, 28]), 255)), // logits [batch, 10]
  loss: (logits, row) => crossEntropy(logits, row.label!),
  optimizer: adamw({
    learningRate: oneCycleRate(0.004, { steps: epochs * Math.ceil(training.size / batchSize) }),
    weightDecay: 0.02,
    decays: matricesOnly,
  }),
  batchSize,
  microbatchSize: 32,
  validation: { data: validation, metrics: { accuracy: (logits, row) => accuracy(logits, row.label!) } },
  stop: afterEpochs(epochs),
  serve: (logits) => ({ prediction: categoryNames(argMax(logits), clothes), probabilities: softmax(logits) }),
});
