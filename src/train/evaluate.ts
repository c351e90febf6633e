/** Evaluation: per-sample numbers, folded in float64 in the order of the samples, so no partition can change them. */
import { formatShape } from "../array/shape.ts";
import { fail, kindOf } from "../errors.ts";
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

/** Names the tensors of metrics as outputs of a program. Throws for a tensor without a batch axis. */
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
      if (tensor.shape[0] !== "batch") {
        fail(`${where}.${name}`, {
          expected: "tensors with one row per sample",
          got: formatShape(tensor.shape),
          fix: "keep the batch axis: the metric folds over samples itself",
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
    const own = chunk.outputs[names.lossWeights]?.data as Float32Array | undefined; // float32, as all losses
    const sums = sumLoss(chunk.outputs[names.loss]!.data as Float32Array, own ?? chunk.weights);
    loss += sums.loss;
    weight += sums.weight;
    metrics.forEach(({ outputs }, index) => {
      const values = outputs.map((output) => Float32Array.from(chunk.outputs[output]!.data as Float32Array)); // float32 by contract
      folds[index]!.add({ values, weights: chunk.weights });
    });
  }
  const result: Record<string, number> = { loss: loss / weight };
  metrics.forEach(({ name }, index) => {
    result[name] = folds[index]!.finish();
  });
  return result;
}
