/**
 * The classic first example: y = 2x + 1 + noise, 100 points, microbatches of 5 drawn with replacement, learning rate 0.01.
 * Run it with `node examples/line/line.ts`.
 */
import { readFileSync } from "node:fs";
import {
  afterSteps,
  arrays,
  fit,
  linear,
  linearRate,
  type Model,
  sgd,
  squaredError,
  withReplacement,
} from "../../src/index.ts";

/** The points of line.csv: x from 0 to 10, y = 2x + 1 + normal noise of deviation 1, written once. */
export function points(): { readonly x: number[][]; readonly y: number[][] } {
  const text = readFileSync(new URL("line.csv", import.meta.url), "utf8");
  const rows = text
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.split(",").map(Number));
  return { x: rows.map(([x]) => [x!]), y: rows.map(([, y]) => [y!]) };
}

/** The answer to judge by: the least-squares line in closed form. */
export function leastSquares({ x, y }: ReturnType<typeof points>): { slope: number; intercept: number } {
  const mean = (values: number[][]) => values.reduce((sum, [value]) => sum + value!, 0) / values.length;
  const [meanX, meanY] = [mean(x), mean(y)];
  const covariance = x.reduce((sum, [value], i) => sum + (value! - meanX) * (y[i]![0]! - meanY), 0);
  const variance = x.reduce((sum, [value]) => sum + (value! - meanX) ** 2, 0);
  const slope = covariance / variance;
  return { slope, intercept: meanY - slope * meanX };
}

/** θ ← θ − η·∇J, with the gradient's sign, an intercept, and shapes that match. */
export function train(): Promise<Model> {
  const line = linear(1, 1);
  return fit({
    data: arrays(points()),
    model: ({ x }) => line(x), // [batch, 1]
    loss: (predicted, { y }) => squaredError(predicted, y), // one number per sample
    // The rate falls to 0 at the end: with a constant one, draws of 5 points keep shaking the line.
    optimizer: sgd({ learningRate: linearRate(0.01, { steps: 4000 }) }),
    batchSize: 5,
    sampler: withReplacement(),
    stop: afterSteps(4000),
  });
}

if (import.meta.main) {
  const { parameters } = await train();
  const { slope, intercept } = leastSquares(points());
  const [learnedSlope, learnedIntercept] = ["linear.weight", "linear.bias"].map((name) =>
    Number(parameters.get(name)!.data[0]),
  );
  console.log(`learned        y = ${learnedSlope!.toFixed(3)} x + ${learnedIntercept!.toFixed(3)}`);
  console.log(`least squares  y = ${slope.toFixed(3)} x + ${intercept.toFixed(3)}`);
}
