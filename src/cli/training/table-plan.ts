/** The model of the main job: a table's statistics → a linear model or small network with its encoder inside. */
import { float32 } from "../../array/array.ts";
import { outputNames, type TableStatistics } from "../../array/schema.ts";
import { fail } from "../../errors.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";
import {
  dropout,
  type EncoderOptions,
  encoder,
  type Layer,
  linear,
  type Metric,
  relu,
  sequence,
} from "../../nn/index.ts";
import { add, expand } from "../../ops/index.ts";
import type { LossResult, Row } from "../../train/plan.ts";
import { type Head, headOf } from "./heads.ts";

/** What the network of a table is made of. */
export interface TableModelOptions {
  /** What becomes of the columns. */
  readonly encoding: EncoderOptions;
  /** Sizes of the hidden layers; none make a linear model. */
  readonly hidden: readonly number[];
  /** The part of each hidden layer that a step leaves out. */
  readonly dropout: number;
  /** Whether every class counts as much as any other. */
  readonly isBalanced: boolean;
}

/** What a table's network predicts: a tensor for each target, by its name. */
export type Predictions = Readonly<Record<string, Tensor>>;

/** The parts of a plan that follow from a table. */
export interface TableModel {
  readonly heads: readonly Head[];
  model(row: Row): Predictions;
  loss(predicted: Predictions, row: Row): LossResult;
  readonly metrics: Readonly<Record<string, (predicted: Predictions, row: Row) => Metric>>;
  serve(predicted: Predictions): Predictions;
  baseline(): Predictions;
}

/** A linear model (no hidden sizes) or a network of relu layers, shared by the table's targets. */
export function tableModel(statistics: TableStatistics, options: TableModelOptions): TableModel {
  const { hidden, isBalanced } = options;
  const heads = statistics.targets.map((target) => headOf(target, isBalanced));
  const features = encoder(statistics, options.encoding);
  const body = hidden.length === 0 ? (x: Tensor) => x : sequence(...hiddenLayers(options));
  const outputs = heads.map(({ outputs, target }) =>
    linear(outputs, { name: heads.length === 1 ? "output" : `output of ${target}` }),
  );
  return {
    heads,
    model: (row) => {
      const hiddenRow = body(features(row));
      return byTarget(heads, (head, index) => head.prediction(outputs[index]!(hiddenRow)));
    },
    loss: (predicted, row) => totalLoss(heads, predicted, row),
    metrics: Object.fromEntries(heads.flatMap((head) => metricsOf(head, heads.length === 1))),
    serve: (predicted) => {
      const served: Record<string, Tensor> = {};
      for (const head of heads) {
        const { prediction, probabilities } = head.serve(predicted[head.target]!);
        const names = outputNames(statistics, head.target);
        served[names.prediction] = prediction;
        if (probabilities !== undefined) served[names.probabilities] = probabilities;
      }
      return served;
    },
    baseline: () => byTarget(heads, (head) => everywhere(head.trivial)),
  };
}

function hiddenLayers({ hidden, dropout: rate }: TableModelOptions): Layer[] {
  return hidden.flatMap((size) => [linear(size), relu, ...(rate > 0 ? [dropout(rate)] : [])]);
}

function byTarget(heads: readonly Head[], make: (head: Head, index: number) => Tensor): Predictions {
  return Object.fromEntries(heads.map((head, index) => [head.target, make(head, index)]));
}

/** The same numbers for every sample: [batch, values.length]. */
function everywhere(values: readonly number[]): Tensor {
  return expand(constant(float32(values, [1, values.length])), ["batch", values.length]);
}

/** Several targets count alike: regression is in units of its deviation, classes in nats. */
function totalLoss(heads: readonly Head[], predicted: Predictions, row: Row): LossResult {
  const losses = heads.map((head) => head.loss(predicted[head.target]!, row));
  const loss = losses.reduce((sum, one) => add(sum, one));
  const weight = heads[0]!.weight?.(row);
  return weight === undefined ? loss : { loss, weight };
}

/** "rmse", or "price.rmse" where there are several targets. */
export function metricName(head: Head, name: string, isOnly: boolean): string {
  return isOnly ? name : `${head.target}.${name}`;
}

function metricsOf(head: Head, isOnly: boolean): [string, TableModel["metrics"][string]][] {
  return Object.entries(head.metrics).map(([name, make]) => [
    metricName(head, name, isOnly),
    (predicted, row) => make(predicted[head.target]!, row),
  ]);
}

/** Class weights weigh samples, and a sample has one class per target. */
export function requireOneTarget(targets: readonly string[]): void {
  if (targets.length === 1) return;
  fail("--class-weights", {
    expected: "one target",
    got: targets.join(", "),
    fix: "train a model for each target, or leave --class-weights out",
  });
}
