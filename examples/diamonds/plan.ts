/** Diamonds: the price of 53 940 of them, with ordered categories. microbatch train examples/diamonds/plan.ts */
import { join } from "node:path";
import {
  adamw,
  add,
  afterEpochs,
  cosineRate,
  definePlan,
  div,
  encoder,
  linear,
  mae,
  matricesOnly,
  maximum,
  minimum,
  mul,
  type Row,
  r2,
  relu,
  rmse,
  sequence,
  squaredError,
  statistics,
  sub,
  type Tensor,
} from "microbatch";
import { table } from "microbatch/node";

const diamonds = await table(join(import.meta.dirname, "diamonds.csv.gz"), {
  target: "price",
  // From least to most: each becomes one number, its rank, and not a column per grade.
  types: {
    cut: ["Fair", "Good", "Very Good", "Premium", "Ideal"],
    color: ["J", "I", "H", "G", "F", "E", "D"],
    clarity: ["I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"],
  },
});
const { training, validation } = diamonds.split({ validation: 0.2 });
const fitted = await statistics(training);
const encode = encoder(fitted);
// Hardly a diamond lies beyond 4 deviations, but slips of the pen do (a width of 58.9 mm): left as they are, one of them
// outweighs ten thousand others.
const features = (row: Row) => maximum(minimum(encode(row), 4), -4);
const body = sequence(linear(64), relu, linear(64), relu, linear(1));

const [price] = fitted.targets;
if (price?.task !== "regression") throw new Error("price should be a number");
const { mean, deviation } = price;
// In dollars the loss would begin at 3932² + 3989², and the weights would have to grow a thousandfold to get there.
const standardized = (dollars: Tensor) => div(sub(dollars, mean), deviation);

const [batchSize, epochs] = [256, 40];
const steps = epochs * Math.ceil(training.size / batchSize);

export default definePlan({
  data: training,
  model: (row) => add(mul(body(features(row)), deviation), mean), // dollars, [batch, 1]
  loss: (predicted, row) => squaredError(standardized(predicted), standardized(row.price!)),
  // The rate falls to 0 over a length known beforehand: the last epochs settle, and no patience is needed.
  optimizer: adamw({ learningRate: cosineRate(0.003, { steps }), decays: matricesOnly }),
  batchSize,
  validation: {
    data: validation,
    metrics: {
      rmse: (predicted, row) => rmse(predicted, row.price!),
      mae: (predicted, row) => mae(predicted, row.price!),
      r2: (predicted, row) => r2(predicted, row.price!),
    },
  },
  stop: afterEpochs(epochs),
  serve: (predicted) => ({ prediction: predicted }),
  baseline: (row) => add(mul(row.price!, 0), mean),
});
