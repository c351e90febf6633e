/** Penguins: one of three species, from measurements some of which are missing. microbatch train examples/penguins/plan.ts */
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
  logLoss,
  matricesOnly,
  mul,
  relu,
  sequence,
  softmax,
  statistics,
  whenStale,
} from "microbatch";
import { table } from "microbatch/node";

const penguins = await table(join(import.meta.dirname, "penguins.csv"), { target: "species" });
// Stratified: every species comes into both parts, however rare it is.
const { training, validation } = penguins.split({ validation: 0.2, stratify: "species" });

// Means, deviations and categories of the training samples only. A missing number becomes the mean, with an extra column
// that says so; a missing sex is a category of its own. All of that is inside the saved model.
const fitted = await statistics(training);
const features = encoder(fitted);

const [species] = fitted.targets;
if (species?.task !== "classification") throw new Error("species should be text");
const classes = species.categories;
const body = sequence(linear(64), relu, linear(64), relu, linear(classes.length));
const logFrequencies = species.counts.map((count) => Math.log(count / training.size));

export default definePlan({
  data: training,
  model: (row) => body(features(row)), // logits [batch, 3]
  loss: (logits, row) => crossEntropy(logits, row.species!), // one number per penguin, never a mean
  optimizer: adamw({ learningRate: 0.003, decays: matricesOnly }),
  validation: {
    data: validation,
    metrics: {
      accuracy: (logits, row) => accuracy(logits, row.species!),
      logLoss: (logits, row) => logLoss(logits, row.species!),
    },
  },
  stop: [whenStale("validation.loss", { patience: 20 }), afterEpochs(200)],
  serve: (logits) => ({
    prediction: categoryNames(argMax(logits), classes),
    probabilities: softmax(logits),
  }),
  // The same logits for every penguin: a table of one row, of which each takes row 0.
  baseline: (row) => gather(constant(float32(logFrequencies, [1, classes.length])), mul(row.species!, 0)),
});
