/** Breast cancer: malignant or benign, by one logit. microbatch train examples/breast-cancer/plan.ts */
import { join } from "node:path";
import {
  accuracy,
  adamw,
  add,
  afterEpochs,
  auc,
  binaryCrossEntropy,
  cast,
  categoryNames,
  concat,
  definePlan,
  dropout,
  encoder,
  f1,
  greaterOrEqual,
  linear,
  matricesOnly,
  mul,
  type Row,
  relu,
  reshape,
  sequence,
  softmax,
  statistics,
  whenStale,
} from "microbatch";
import { table } from "microbatch/node";

const samples = await table(join(import.meta.dirname, "breast-cancer.csv"), { target: "diagnosis" });
const { training, validation } = samples.split({ validation: 0.2, stratify: "diagnosis" });
const fitted = await statistics(training);
const features = encoder(fitted);
// Dropout: every step trains a random half of the network, so that no unit can lean on a few others. It acts in training only.
const body = sequence(linear(64), relu, dropout(0.5), linear(64), relu, dropout(0.5), linear(1));

const [diagnosis] = fitted.targets;
if (diagnosis?.task !== "classification") throw new Error("diagnosis should be text");
const classes = diagnosis.categories; // in the order of the alphabet: benign is 0, malignant is 1
const [benign = 0, malignant = 0] = diagnosis.counts;
const label = (row: Row) => cast(reshape(row.diagnosis!, ["batch", 1]), "float32"); // 0 or 1, [batch, 1]

export default definePlan({
  data: training,
  model: (row) => body(features(row)), // the logit of "malignant", [batch, 1]
  loss: (logit, row) => binaryCrossEntropy(logit, label(row)),
  optimizer: adamw({ learningRate: 0.003, decays: matricesOnly }),
  validation: {
    data: validation,
    metrics: {
      auc: (logit, row) => auc(logit, label(row)), // how well it orders, whatever the threshold
      f1: (logit, row) => f1(logit, label(row)), // of "malignant", at a probability of one half
      accuracy: (logit, row) => accuracy(logit, label(row)),
    },
  },
  stop: [whenStale("validation.loss", { patience: 20 }), afterEpochs(200)],
  serve: (logit) => ({
    prediction: categoryNames(reshape(cast(greaterOrEqual(logit, 0), "int32"), ["batch"]), classes),
    probabilities: softmax(concat([mul(logit, 0), logit])),
  }),
  baseline: (row) => add(mul(label(row), 0), Math.log(malignant / benign)),
});
