/** Evaluation: per-sample numbers, folded in float64 in the order of the samples, so no partition can change them. */
import type { EvaluatedChunk } from "../parallel/crew.ts";
import { sumLoss } from "../parallel/loss-sums.ts";
import { names, type TracedMetric } from "./trace.ts";

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

/** 0, 1, … size − 1. */
export function allSamples(size: number): Uint32Array {
  return Uint32Array.from({ length: size }, (_, index) => index);
}
