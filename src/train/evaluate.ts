/** Evaluation: per-sample numbers, folded in float64 in the order of the samples, so no partition can change them. */
import { formatShape } from "../array/shape.ts";
import { bug, fail, kindOf } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Metric } from "../nn/metric.ts";
import type { EvaluatedChunk } from "../parallel/crew.ts";
import { sumLoss } from "../parallel/loss-sums.ts";
import { names } from "./names.ts";

/** A metric of the plan and the outputs of the evaluation program it folds. */
export interface TracedMetric {
  readonly name: string;
  readonly metric: Metric;
  readonly outputs: readonly string[];
}

/** Names the tensors of metrics as outputs of a program. Throws for one that is not float32 or has no batch axis. */
export function metricOutputs(
  where: string,
  metrics: Readonly<Record<string, Metric>>,
): { readonly outputs: Record<string, Tensor>; readonly metrics: TracedMetric[] } {
  const outputs: Record<string, Tensor> = {};
  const traced = Object.entries(metrics).map(([name, metric]): TracedMetric => {
    if (!Array.isArray(metric?.tensors) || typeof metric.start !== "function") {
      fail(`${where}.${name}`, {
        expected: "a metric",
        got: kindOf(metric),
        fix: "for example (predicted, row) => mae(predicted, row.y)",
      });
    }
    const keys = metric.tensors.map((tensor, index) => {
      if (tensor.shape[0] !== "batch" || tensor.dtype !== "float32") {
        fail(`${where}.${name}`, {
          expected: "float32 tensors with one row per sample",
          got: `${tensor.dtype} ${formatShape(tensor.shape)}`,
          fix: "keep the batch axis, since the metric folds over samples itself, and cast to float32",
        });
      }
      const key = names.metric(name, index);
      outputs[key] = tensor;
      return key;
    });
    return { name, metric, outputs: keys };
  });
  return { outputs, metrics: traced };
}

/** The mean loss and the metrics over evaluated samples. NaN where nothing has weight. */
export async function foldMetrics(
  chunks: AsyncIterable<EvaluatedChunk>,
  metrics: readonly TracedMetric[],
): Promise<Record<string, number>> {
  const folds = metrics.map(({ metric }) => metric.start());
  let loss = 0;
  let weight = 0;
  for await (const chunk of chunks) {
    const own = names.lossWeights in chunk.outputs ? floatsOf(chunk, names.lossWeights) : chunk.weights;
    const sums = sumLoss(floatsOf(chunk, names.loss), own);
    loss += sums.loss;
    weight += sums.weight;
    metrics.forEach(({ outputs }, index) => {
      folds[index]!.add({ values: outputs.map((name) => floatsOf(chunk, name)), weights: chunk.weights });
    });
  }
  const result: Record<string, number> = { loss: loss / weight };
  metrics.forEach(({ name }, index) => {
    result[name] = folds[index]!.finish();
  });
  return result;
}

/** The numbers of an output. Every output that is folded was made to be float32: weightedLoss and metricOutputs see to it. */
function floatsOf({ outputs }: EvaluatedChunk, name: string): Float32Array {
  const data = outputs[name]?.data;
  return data instanceof Float32Array ? data : bug(`"${name}" of an evaluation is not float32`);
}
