/** CONTRACT of a metric: per-sample numbers made by the program, and how to fold them into one number. */
import type { Tensor } from "../graph/tensor.ts";

/** What one evaluated microbatch gives: for each of the metric's tensors its numbers, and the samples' weights. */
export interface MetricChunk {
  readonly values: readonly Float32Array[];
  readonly weights: Float32Array;
}

/** One metric over an evaluation. Chunks arrive in the order of the samples, whatever computed them. */
export interface Metric {
  readonly name: string;
  /** Per-sample tensors [batch] or [batch, k] (float32) that the evaluation program computes. */
  readonly tensors: readonly Tensor[];
  /** Whether larger is better; early stopping reads it. */
  readonly better: "higher" | "lower";
  /** A fold in float64 over the chunks. */
  start(): MetricFold;
}

/** A running evaluation. */
export interface MetricFold {
  add(chunk: MetricChunk): void;
  /** NaN where the metric is not defined (no samples, one class only). */
  finish(): number;
}
