/** Heads: what a network for tables predicts of one target, and how that is judged, served and compared. */

import { float32 } from "../../array/array.ts";
import type { ClassificationStatistics, RegressionStatistics, TargetStatistics } from "../../array/schema.ts";
import { fail } from "../../errors.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";
import {
  accuracy,
  auc,
  binaryCrossEntropy,
  crossEntropy,
  f1,
  logLoss,
  type Metric,
  mae,
  r2,
  rmse,
  squaredError,
} from "../../nn/index.ts";
import {
  add,
  argMax,
  cast,
  categoryNames,
  concat,
  div,
  gather,
  greaterOrEqual,
  mul,
  reshape,
  softmax,
  sub,
} from "../../ops/index.ts";
import { digits } from "../../report/console.ts";
import type { Row } from "../../train/plan.ts";

/** What is predicted of one target. */
export interface Head {
  readonly target: string;
  readonly task: "regression" | "binary" | "multi-class";
  /** How many numbers the network gives it. */
  readonly outputs: number;
  /** The metric people are shown first. */
  readonly headline: string;
  /** What the trivial model answers, in words: "always Adelie, the commonest class". */
  readonly baselineWords: string;
  /** The network's numbers [batch, outputs] in the target's own units, or as logits. */
  prediction(raw: Tensor): Tensor;
  /** One number per sample, [batch]. */
  loss(predicted: Tensor, row: Row): Tensor;
  /** What each sample's class counts, [batch], where classes are weighted. */
  weight?(row: Row): Tensor;
  readonly metrics: Readonly<Record<string, (predicted: Tensor, row: Row) => Metric>>;
  serve(predicted: Tensor): { readonly prediction: Tensor; readonly probabilities?: Tensor };
  /** The trivial model's answer to every sample, one number per output: the training mean, or the class frequencies. */
  readonly trivial: readonly number[];
}

/** The head for a target. Balanced: every class counts as much as any other, however rare it is. */
export function headOf(target: TargetStatistics, isBalanced: boolean): Head {
  if (target.task === "regression") {
    if (isBalanced) refuseWeights(target);
    return regression(target);
  }
  const { categories, counts } = target;
  const weights = balancedWeights(counts);
  const weight = (row: Row) => gather(constant(float32(weights)), row[target.name]!); // [batch]
  const head = categories.length === 2 ? binary(target) : multiClass(target);
  // Balanced classes are not meant to win by being right for the commonest, which accuracy rewards.
  return isBalanced ? { ...head, weight, headline: "auc" } : head;
}

/** n / (k · count), as scikit-learn's class_weight="balanced": the mean weight of a sample is 1. */
function balancedWeights(counts: readonly number[]): number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.map((count) => (count === 0 ? 0 : total / (counts.length * count)));
}

function refuseWeights({ name }: RegressionStatistics): never {
  return fail("--class-weights", {
    expected: "a target of classes",
    got: `${name}, a number`,
    fix: "leave --class-weights out, or weigh samples with --weight <column>",
  });
}

function regression(target: RegressionStatistics): Head {
  const { name, mean } = target;
  const deviation = target.deviation || 1; // a constant target has none, and is its mean
  const actual = (row: Row) => row[name]!;
  const standardized = (value: Tensor) => div(sub(value, mean), deviation);
  return {
    target: name,
    task: "regression",
    outputs: 1,
    headline: "rmse",
    baselineWords: `always the mean, ${digits(mean)}`,
    // The network works in units of the target's deviation and answers in the target's own.
    prediction: (raw) => add(mul(raw, deviation), mean),
    loss: (predicted, row) =>
      reshape(squaredError(standardized(predicted), standardized(actual(row))), ["batch"]),
    metrics: {
      rmse: (predicted, row) => rmse(predicted, actual(row)),
      mae: (predicted, row) => mae(predicted, actual(row)),
      r2: (predicted, row) => r2(predicted, actual(row)),
    },
    serve: (predicted) => ({ prediction: predicted }),
    trivial: [mean],
  };
}

function binary(target: ClassificationStatistics): Head {
  const label = (row: Row) => cast(reshape(row[target.name]!, ["batch", 1]), "float32");
  const [no = 0, yes = 0] = frequencies(target);
  return {
    target: target.name,
    task: "binary",
    outputs: 1,
    headline: "accuracy",
    baselineWords: commonest(target),
    prediction: (raw) => raw,
    loss: (predicted, row) => reshape(binaryCrossEntropy(predicted, label(row)), ["batch"]),
    metrics: metricsOfClasses(label),
    serve: (predicted) => ({
      prediction: categoryNames(
        reshape(cast(greaterOrEqual(predicted, 0), "int32"), ["batch"]),
        target.categories,
      ),
      // Two exponentials keep small probabilities exact, where 1 − sigmoid would lose them.
      probabilities: softmax(concat([mul(predicted, 0), predicted])),
    }),
    trivial: [Math.log(yes / no)],
  };
}

function multiClass(target: ClassificationStatistics): Head {
  const label = (row: Row) => row[target.name]!;
  const found = frequencies(target);
  const total = found.reduce((sum, frequency) => sum + frequency, 0);
  return {
    target: target.name,
    task: "multi-class",
    outputs: target.categories.length,
    headline: "accuracy",
    baselineWords: commonest(target),
    prediction: (raw) => raw,
    loss: (predicted, row) => crossEntropy(predicted, label(row)),
    metrics: metricsOfClasses(label),
    serve: (predicted) => ({
      prediction: categoryNames(argMax(predicted), target.categories),
      probabilities: softmax(predicted),
    }),
    trivial: found.map((frequency) => Math.log(frequency / total)),
  };
}

function metricsOfClasses(label: (row: Row) => Tensor): Head["metrics"] {
  return {
    accuracy: (predicted, row) => accuracy(predicted, label(row)),
    logLoss: (predicted, row) => logLoss(predicted, label(row)),
    auc: (predicted, row) => auc(predicted, label(row)),
    f1: (predicted, row) => f1(predicted, label(row)),
  };
}

function commonest(target: ClassificationStatistics): string {
  const found = frequencies(target);
  return `always ${target.categories[found.indexOf(Math.max(...found))]}, the commonest class`;
}

/** How much each class counts in the judgement: its samples, or their weights. */
const frequencies = ({ counts, weights }: ClassificationStatistics) => weights ?? counts;
