/** Churn: who leaves, where three of four stay. microbatch train examples/churn/plan.ts */
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
  constant,
  definePlan,
  encoder,
  f1,
  float32,
  gather,
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

const customers = await table(join(import.meta.dirname, "churn.csv"), { target: "churn" });
const { training, validation } = customers.split({ validation: 0.2, stratify: "churn" });
const fitted = await statistics(training);
const features = encoder(fitted);
const body = sequence(linear(64), relu, linear(64), relu, linear(1));

const [churn] = fitted.targets;
if (churn?.task !== "classification") throw new Error("churn should be text");
const [no = 0, yes = 0] = churn.counts;
const label = (row: Row) => cast(reshape(row.churn!, ["batch", 1]), "float32"); // 0 stays, 1 leaves

// One "Yes" counts as much as 2.8 "No", so that both halves of the loss are equally large. The step divides by Σ weights.
const classWeights = constant(float32([no, yes].map((count) => training.size / (2 * count))));

export default definePlan({
  data: training,
  model: (row) => body(features(row)), // the logit of "Yes", [batch, 1]
  loss: (logit, row) => ({
    loss: reshape(binaryCrossEntropy(logit, label(row)), ["batch"]),
    weight: gather(classWeights, row.churn!),
  }),
  optimizer: adamw({ learningRate: 0.003, decays: matricesOnly }),
  validation: {
    data: validation,
    metrics: {
      auc: (logit, row) => auc(logit, label(row)), // does not depend on the threshold, and so hardly on the weights
      f1: (logit, row) => f1(logit, label(row)), // of "Yes"
      accuracy: (logit, row) => accuracy(logit, label(row)), // falls: the price of finding more of those who leave
    },
  },
  stop: [whenStale("validation.loss", { patience: 20 }), afterEpochs(200)],
  serve: (logit) => ({
    prediction: categoryNames(reshape(cast(greaterOrEqual(logit, 0), "int32"), ["batch"]), churn.categories),
    probabilities: softmax(concat([mul(logit, 0), logit])),
  }),
  baseline: (row) => add(mul(label(row), 0), Math.log(yes / no)),
});
