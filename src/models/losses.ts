/** ONNX operators that are losses of labels. Classes lie along axis 1. */
import { isBatchDim } from "../array/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import * as ops from "../ops/index.ts";
import type { NodeReader, Operators } from "./operator.ts";

/**
 * −log p[label] · weight[label], reduced. A label that is ignored has weight 0; the mean is over the weights. Sums and means
 * over a batch that grows are refused: training takes one number per sample.
 */
function negativeLogLikelihood(
  node: NodeReader,
  logs: Tensor,
  labels: Tensor,
  weights: Tensor | undefined,
): Tensor {
  const wide = ops.cast(labels, "int64");
  const ignored = node.node.attributes.has("ignore_index") ? node.int("ignore_index", 0) : undefined;
  const isIgnored = ignored === undefined ? undefined : ops.equal(wide, ignored);
  const safe = isIgnored === undefined ? wide : ops.where(isIgnored, 0, wide);
  const classesLast = ops.transpose(logs, [0, ...[...logs.shape.keys()].slice(2), 1]);
  const picked = ops.neg(ops.pick(classesLast, safe)); // [n, d1, …]
  let weight = weights === undefined ? undefined : ops.gather(weights, safe);
  if (isIgnored !== undefined) weight = ops.where(isIgnored, 0, weight ?? ops.add(ops.mul(picked, 0), 1));
  const weighed = weight === undefined ? picked : ops.mul(picked, weight);
  const reduction = node.text("reduction", "mean");
  if (reduction === "none") return weighed;
  if (picked.shape.some(isBatchDim)) {
    node.refuse(
      'one loss per sample, reduction "none"',
      `"${reduction}" over the batch`,
      "load the model without its loss",
    );
  }
  const total = ops.sum(weighed);
  if (reduction === "sum") return total;
  return weight === undefined ? ops.mean(picked) : ops.div(total, ops.sum(weight));
}

function crossEntropy(node: NodeReader): readonly Tensor[] {
  const logs = ops.logSoftmax(node.input(0), 1);
  return [negativeLogLikelihood(node, logs, node.input(1), node.optional(2)), logs];
}

export const losses: Operators = {
  NegativeLogLikelihoodLoss: (node) =>
    negativeLogLikelihood(node, node.input(0), node.input(1), node.optional(2)),
  SoftmaxCrossEntropyLoss: crossEntropy,
};
