/** Digits: ten of them, from 8 × 8 pixels. microbatch train examples/digits/plan.ts */
import { join } from "node:path";
import {
  accuracy,
  adamw,
  afterEpochs,
  argMax,
  categoryNames,
  concat,
  constant,
  crossEntropy,
  definePlan,
  div,
  float32,
  gather,
  linear,
  matricesOnly,
  mul,
  relu,
  sequence,
  softmax,
  statistics,
  whenStale,
} from "microbatch";
import { table } from "microbatch/node";

const digits = await table(join(import.meta.dirname, "digits.csv.gz"), { target: "digit" });
const { training, validation } = digits.split({ validation: 0.2, stratify: "digit" });

const [digit] = (await statistics(training)).targets;
if (digit?.task !== "classification") throw new Error("ten different whole numbers should be classes");
const logFrequencies = digit.counts.map((count) => Math.log(count / training.size));

// All pixels have one unit, ink from 0 to 16, so one division does for all of them. Standardising each by its own
// deviation would make a speck at the border, where hardly anyone writes, louder than the digit itself.
const pixels = training.schema.features.map(({ name }) => name);
const body = sequence(linear(64), relu, linear(64), relu, linear(10));

export default definePlan({
  data: training,
  model: (row) => body(div(concat(pixels.map((name) => row[name]!)), 16)), // [batch, pixels] → logits [batch, 10]
  loss: (logits, row) => crossEntropy(logits, row.digit!),
  optimizer: adamw({ learningRate: 0.003, decays: matricesOnly }),
  validation: {
    data: validation,
    metrics: { accuracy: (logits, row) => accuracy(logits, row.digit!) },
  },
  stop: [whenStale("validation.loss", { patience: 20 }), afterEpochs(200)],
  serve: (logits) => ({
    prediction: categoryNames(argMax(logits), digit.categories),
    probabilities: softmax(logits),
  }),
  baseline: (row) => gather(constant(float32(logFrequencies, [1, 10])), mul(row.digit!, 0)),
});
