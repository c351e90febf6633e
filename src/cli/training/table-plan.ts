/** The model of the main job: a table's statistics → a linear model or small network with its encoder inside. */
import { float32, int32 } from "../../array/array.ts";
import { outputNames, type TableStatistics } from "../../array/schema.ts";
import { fail } from "../../errors.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";
import {
  dropout,
  type EncoderOptions,
  embedding,
  encoder,
  type Layer,
  linear,
  type Metric,
  relu,
  sequence,
} from "../../nn/index.ts";
import {
  add,
  cast,
  concat,
  div,
  equal,
  expand,
  gather,
  matmul,
  maximum,
  not,
  reshape,
  sum,
} from "../../ops/index.ts";
import type { LossResult, Row } from "../../train/plan.ts";
import { type Head, headOf } from "./heads.ts";
import type { TextStatistics } from "./table-texts.ts";

/** What the network of a table is made of. */
export interface TableModelOptions {
  /** What becomes of the columns. */
  readonly encoding: EncoderOptions;
  /** Columns of free text. Default: none. */
  readonly texts?: readonly TextStatistics[];
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
  const { hidden, isBalanced, texts = [] } = options;
  const heads = statistics.targets.map((target) => headOf(target, isBalanced));
  // A table of texts alone has nothing to encode.
  const layers = [
    ...(statistics.features.length > 0 || texts.length === 0 ? [encoder(statistics, options.encoding)] : []),
    ...texts.map(bagOfWords),
  ];
  const features = (row: Row) => concat(layers.map((layer) => layer(row)));
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

/** The size of a word's vector. */
const wordSize = 32;

/**
 * The mean of the vectors of a text's words, whatever their order: row → [batch, 32]. Words that the training rows do not know share one
 * vector; a text without words is zeros. Source: Joulin et al. 2016, arXiv:1607.01759 (fastText).
 */
function bagOfWords({ name, length, known, vectors }: TextStatistics): (row: Row) => Tensor {
  const table = embedding(known + 1, wordSize, { name: `words of ${name}` });
  return (row) => {
    const codes = row[name]!; // [batch, length]
    const found = table(gather(constant(int32(vectors)), codes)); // [batch, length, 32]
    const mask = cast(not(equal(codes, vectors.length - 1)), "float32"); // the last code lies behind the end
    const total = matmul(reshape(mask, ["batch", 1, length]), found); // [batch, 1, 32]
    const count = maximum(sum(mask, { axes: [1], keepDims: true }), 1);
    return div(reshape(total, ["batch", wordSize]), count);
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
