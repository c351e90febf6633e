/** The plan of the main job: a table's statistics → a model with its encoder inside, loss, metrics and baseline. */
import type { ClassificationStatistics, RegressionStatistics, TableStatistics } from "../array/schema.ts";
import { fail } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import { encoder } from "../nn/encoder.ts";
import {
  accuracy,
  auc,
  binaryCrossEntropy,
  crossEntropy,
  f1,
  type Layer,
  linear,
  logLoss,
  type Metric,
  mae,
  r2,
  relu,
  rmse,
  sequence,
  squaredError,
} from "../nn/index.ts";
import { add, cast, concat, div, mul, reshape, sigmoid, softmax, sub } from "../ops/index.ts";
import type { Row } from "../train/plan.ts";

/** What the command line builds its plan from. */
export interface TableModel {
  readonly task: "regression" | "binary" | "classification";
  /** The metric people are shown first, "rmse" or "accuracy". */
  readonly headline: string;
  model(row: Row): Tensor;
  loss(predicted: Tensor, row: Row): Tensor;
  readonly metrics: Readonly<Record<string, (predicted: Tensor, row: Row) => Metric>>;
  serve(predicted: Tensor): Readonly<Record<string, Tensor>>;
  /** The trivial model: the mean or the class frequencies of the training samples. */
  baseline(row: Row): Tensor;
}

/** A linear model (no hidden sizes) or a small network of relu layers for the table's one target. */
export function tableModel(statistics: TableStatistics, hidden: readonly number[]): TableModel {
  const target = statistics.targets[0];
  if (target === undefined || statistics.targets.length > 1) {
    fail("train", {
      expected: "one target",
      got: statistics.targets.map(({ name }) => name).join(", ") || "none",
      fix: "name one column with --target",
    });
  }
  const features = encoder(statistics);
  const body = (outputs: number): Layer =>
    sequence(...hidden.flatMap((size) => [linear(size), relu]), linear(outputs, { name: "output" }));
  if (target.task === "regression") return regression(target, features, body(1));
  const { categories } = target;
  if (categories.length < 2) {
    fail(`train, target "${target.name}"`, {
      expected: "at least two classes in the training samples",
      got: categories.length === 1 ? `only "${categories[0]}"` : "none",
      fix: "name another target, or add samples of another class",
    });
  }
  return categories.length === 2
    ? binary(target, features, body(1))
    : classification(target, features, body(categories.length));
}

type Encoder = ReturnType<typeof encoder>;

function regression(target: RegressionStatistics, features: Encoder, body: Layer): TableModel {
  const { name, mean } = target;
  const deviation = target.deviation || 1; // a constant target has none, and is its mean
  const actual = (row: Row) => row[name]!;
  return {
    task: "regression",
    headline: "rmse",
    // The network works in units of the target's deviation and answers in the target's own.
    model: (row) => add(mul(body(features(row)), deviation), mean),
    loss: (predicted, row) =>
      squaredError(div(sub(predicted, mean), deviation), div(sub(actual(row), mean), deviation)),
    metrics: {
      rmse: (predicted, row) => rmse(predicted, actual(row)),
      mae: (predicted, row) => mae(predicted, actual(row)),
      r2: (predicted, row) => r2(predicted, actual(row)),
    },
    serve: (predicted) => ({ prediction: predicted }),
    baseline: (row) => add(mul(actual(row), 0), mean),
  };
}

function binary(target: ClassificationStatistics, features: Encoder, body: Layer): TableModel {
  const label = (row: Row) => cast(reshape(row[target.name]!, ["batch", 1]), "float32");
  const [no = 0, yes = 0] = target.counts;
  return {
    task: "binary",
    headline: "accuracy",
    model: (row) => body(features(row)),
    loss: (predicted, row) => binaryCrossEntropy(predicted, label(row)),
    metrics: {
      accuracy: (predicted, row) => accuracy(predicted, label(row)),
      logLoss: (predicted, row) => logLoss(predicted, label(row)),
      auc: (predicted, row) => auc(predicted, label(row)),
      f1: (predicted, row) => f1(predicted, label(row)),
    },
    serve: (predicted) => {
      const probability = sigmoid(predicted);
      return { probabilities: concat([sub(1, probability), probability]) };
    },
    baseline: (row) => add(mul(label(row), 0), Math.log(yes / no)),
  };
}

function classification(target: ClassificationStatistics, features: Encoder, body: Layer): TableModel {
  const label = (row: Row) => row[target.name]!;
  const total = target.counts.reduce((sum, count) => sum + count, 0);
  return {
    task: "classification",
    headline: "accuracy",
    model: (row) => body(features(row)),
    loss: (predicted, row) => crossEntropy(predicted, label(row)),
    metrics: {
      accuracy: (predicted, row) => accuracy(predicted, label(row)),
      logLoss: (predicted, row) => logLoss(predicted, label(row)),
      f1: (predicted, row) => f1(predicted, label(row)),
    },
    serve: (predicted) => ({ probabilities: softmax(predicted) }),
    baseline: (row) => {
      const nothing = mul(cast(reshape(label(row), ["batch", 1]), "float32"), 0);
      return concat(target.counts.map((count) => add(nothing, Math.log(count / total))));
    },
  };
}
