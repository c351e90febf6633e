/** The first example of every course: a line through 100 points. microbatch train examples/line/plan.ts */
import { join } from "node:path";
import { afterSteps, definePlan, linear, linearRate, sgd, squaredError, withReplacement } from "microbatch";
import { table } from "microbatch/node";

/** x from 0 to 9.9, y = 2x + 1 + normal noise of deviation 1, written once. */
const points = await table(join(import.meta.dirname, "line.csv"), { target: "y" });
const line = linear(1, 1); // a slope and an intercept

export default definePlan({
  data: points,
  model: (row) => line(row.x!), // [batch, 1]
  loss: (predicted, row) => squaredError(predicted, row.y!), // [batch, 1] both: one number per sample
  // θ ← θ − η·∇J. The rate falls to 0: with a constant one, draws of 5 points would keep shaking the line.
  optimizer: sgd({ learningRate: linearRate(0.01, { steps: 4000 }) }),
  batchSize: 5,
  sampler: withReplacement(),
  stop: afterSteps(4000),
});
