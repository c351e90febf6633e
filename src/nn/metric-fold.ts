/** Folding evaluated numbers into one, in float64 and in the order of the samples. */
import type { Tensor } from "../graph/tensor.ts";
import { cast } from "../ops/selection.ts";
import { requireAlike } from "./alike.ts";
import type { Metric, MetricFold } from "./metric.ts";

/** The running numbers of one column of predictions. */
export interface ColumnFold {
  add(predicted: number, target: number, weight: number): void;
  finish(): number;
}

/** A metric of predictions and targets [batch] or [batch, k]: each column is folded alone, the k results are averaged. */
export function columnMetric(
  name: string,
  better: Metric["better"],
  predicted: Tensor,
  target: Tensor,
  start: () => ColumnFold,
): Metric {
  requireAlike(name, predicted.shape, target.shape);
  return Object.freeze({
    name,
    better,
    tensors: [cast(predicted, "float32"), cast(target, "float32")],
    start: () => foldColumns(start),
  });
}

function foldColumns(start: () => ColumnFold): MetricFold {
  const columns: ColumnFold[] = [];
  return {
    add: ({ values: [predicted, target], weights }) => {
      const count = weights.length === 0 ? 0 : predicted!.length / weights.length;
      while (columns.length < count) columns.push(start());
      for (let index = 0; index < predicted!.length; index++) {
        const sample = Math.floor(index / count);
        columns[index % count]!.add(predicted![index]!, target![index]!, weights[sample]!);
      }
    },
    finish: () => columns.reduce((total, column) => total + column.finish(), 0) / columns.length,
  };
}

/** Σ w·x / Σ w so far. NaN before anything with weight was added. */
export class WeightedMean {
  #sum = 0;
  #weight = 0;

  add(value: number, weight: number): void {
    if (weight === 0) return; // 0 · infinity would be NaN
    this.#sum += weight * value;
    this.#weight += weight;
  }

  finish(): number {
    return this.#sum / this.#weight;
  }
}
