/** Metrics of predicted numbers: predictions and targets [batch] or [batch, k], whose k results are averaged. */
import type { Tensor } from "../graph/tensor.ts";
import type { Metric } from "./metric.ts";
import { type ColumnFold, columnMetric, WeightedMean } from "./metric-fold.ts";

/** √(Σ w·(p − y)² / Σ w), in the target's unit. With k columns the mean of the k roots. NaN without samples. */
export function rmse(predicted: Tensor, target: Tensor): Metric {
  return columnMetric("rmse", "lower", predicted, target, () =>
    meanOf(
      (p, y) => (p - y) ** 2,
      (mean) => Math.sqrt(mean),
    ),
  );
}

/** Σ w·|p − y| / Σ w, in the target's unit. NaN without samples. */
export function mae(predicted: Tensor, target: Tensor): Metric {
  return columnMetric("mae", "lower", predicted, target, () => meanOf((p, y) => Math.abs(p - y)));
}

/**
 * The part of the target's variance that is explained, 1 − Σ w·(p − y)² / Σ w·(y − ȳ)²: 1 is perfect, 0 as good as always
 * answering the mean, negative worse. NaN without samples, and where the target never changes (scikit-learn says 1 or 0).
 */
export function r2(predicted: Tensor, target: Tensor): Metric {
  return columnMetric("r2", "higher", predicted, target, explained);
}

function meanOf(
  error: (p: number, y: number) => number,
  finish: (mean: number) => number = (mean) => mean,
): ColumnFold {
  const mean = new WeightedMean();
  return { add: (p, y, weight) => mean.add(error(p, y), weight), finish: () => finish(mean.finish()) };
}

/** One pass, updating mean and spread together: Σy² − n·ȳ² would cancel where the mean is large. Source: West 1979. */
function explained(): ColumnFold {
  let [weights, mean, spread, residual] = [0, 0, 0, 0];
  return {
    add: (p, y, weight) => {
      if (weight === 0) return;
      weights += weight;
      const before = y - mean;
      mean += (weight / weights) * before;
      spread += weight * before * (y - mean);
      residual += weight * (p - y) ** 2;
    },
    finish: () => (spread === 0 ? Number.NaN : 1 - residual / spread),
  };
}
