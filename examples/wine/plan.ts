/** Wine: one of three cultivars, by a linear model: 178 samples do not call for more. microbatch train examples/wine/plan.ts */
import { join } from "node:path";
import {
  accuracy,
  adamw,
  afterEpochs,
  argMax,
  categoryNames,
  constant,
  crossEntropy,
  definePlan,
  encoder,
  float32,
  gather,
  linear,
  mul,
  softmax,
  statistics,
  whenStale,
} from "microbatch";
import { table } from "microbatch/node";

const wine = await table(join(import.meta.dirname, "wine.csv"), { target: "cultivar" });
const { training, validation } = wine.split({ validation: 0.2, stratify: "cultivar" });
const fitted = await statistics(training);
const features = encoder(fitted);

const [cultivar] = fitted.targets;
if (cultivar?.task !== "classification") throw new Error("cultivar should be text");
const classes = cultivar.categories;
// No hidden layer: each of 13 standardised properties votes for a cultivar with a weight that can be read and plotted.
const votes = linear(classes.length);
const logFrequencies = cultivar.counts.map((count) => Math.log(count / training.size));

export default definePlan({
  data: training,
  model: (row) => votes(features(row)), // logits [batch, 3]
  loss: (logits, row) => crossEntropy(logits, row.cultivar!),
  // A linear model may take longer steps than a network: its loss has one valley.
  optimizer: adamw({ learningRate: 0.01 }),
  validation: {
    data: validation,
    metrics: { accuracy: (logits, row) => accuracy(logits, row.cultivar!) },
  },
  stop: [whenStale("validation.loss", { patience: 20 }), afterEpochs(200)],
  serve: (logits) => ({
    prediction: categoryNames(argMax(logits), classes),
    probabilities: softmax(logits),
  }),
  baseline: (row) => gather(constant(float32(logFrequencies, [1, classes.length])), mul(row.cultivar!, 0)),
});
