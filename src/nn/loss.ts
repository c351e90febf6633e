/**
 * Losses: one number per sample, per token or per predicted number, never a mean. The trainer divides by the sum of the
 * weights once per step, so ragged microbatches, masks and weights are exact.
 */
import { isFloat } from "../array/dtype.ts";
import { fail } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import { softplus } from "../ops/activation.ts";
import { abs, minimum, mul, square, sub } from "../ops/arithmetic.ts";
import { type CrossEntropyOptions, crossEntropyOf } from "../ops/classes.ts";
import { cast } from "../ops/selection.ts";
import { requireSame } from "./alike.ts";

/**
 * (predicted − target)², element by element: [batch, …] → the same shape. With several columns the trainer averages over
 * all elements. Targets of whole numbers are cast. Throws when the shapes differ.
 * Differs from PyTorch's MSELoss: never averages.
 */
export function squaredError(predicted: Tensor, target: Tensor): Tensor {
  return square(difference("squaredError", predicted, target));
}

/** |predicted − target|, element by element. Its gradient at 0 is 0. Throws when the shapes differ. */
export function absoluteError(predicted: Tensor, target: Tensor): Tensor {
  return abs(difference("absoluteError", predicted, target));
}

/** Options of `huber`. */
export interface HuberOptions {
  /** Where the parabola becomes a straight line. Default 1, as PyTorch. */
  readonly delta?: number;
}

/**
 * d² / 2 where |d| ≤ delta, else delta · (|d| − delta / 2), with d = predicted − target: like squaredError near the target,
 * like absoluteError for outliers. Throws when the shapes differ, and unless delta > 0.
 * Source: Huber 1964; PyTorch HuberLoss without its mean.
 */
export function huber(predicted: Tensor, target: Tensor, options: HuberOptions = {}): Tensor {
  const { delta = 1 } = options;
  if (!(Number.isFinite(delta) && delta > 0)) {
    fail("huber", { expected: "delta to be a number above 0", got: String(delta), fix: "for example 1" });
  }
  const distance = abs(difference("huber", predicted, target));
  const bent = minimum(distance, delta);
  return mul(bent, sub(distance, mul(bent, 0.5))); // no square of a large distance, which could overflow
}

/**
 * Cross entropy of integer labels, one number per position (natural logarithm, nats).
 * logits [batch, …, classes], labels [batch, …] (int32, int64 or uint8, 0 … classes − 1) → [batch, …].
 * Finite for every finite logit. Throws when a label's shape is not the logits' shape without the last axis.
 * labelSmoothing: the part of every label that is spread evenly over all classes, default 0.
 * Differs from PyTorch's CrossEntropyLoss: never averages. Weights of classes are weights of samples, so that the division
 * by their sum is exact:
 *
 *   const weights = constant(float32([0.5, 2]));
 *   loss: (p, row) => ({ loss: crossEntropy(p, row.y), weight: gather(weights, row.y) })
 */
export function crossEntropy(logits: Tensor, labels: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const codes = labels.dtype === "uint8" ? cast(labels, "int32") : labels;
  if (codes.dtype !== "int32" && codes.dtype !== "int64") {
    fail("crossEntropy", {
      expected: "labels of whole numbers, int32 or int64",
      got: labels.dtype,
      fix: `cast(labels, "int32"), or binaryCrossEntropy for probabilities`,
    });
  }
  requireSame("crossEntropy", "labels", logits.shape.slice(0, -1), codes.shape);
  return crossEntropyOf(logits, codes, options);
}

/**
 * Cross entropy of 0/1 targets (or probabilities) with logits, element by element: log(1 + eᶻ) − z · t, written so that it
 * does not overflow: max(z, 0) − z·t + log(1 + exp(−|z|)). Its gradient is sigmoid(z) − t. Targets of whole numbers are
 * cast. Throws when the shapes differ. Source: PyTorch BCEWithLogitsLoss without its mean.
 */
export function binaryCrossEntropy(logits: Tensor, target: Tensor): Tensor {
  const t = targetFor("binaryCrossEntropy", logits, target);
  return sub(softplus(logits), mul(logits, t));
}

function difference(where: string, predicted: Tensor, target: Tensor): Tensor {
  return sub(predicted, targetFor(where, predicted, target));
}

/** The target as floats of the predictions' shape. */
function targetFor(where: string, predicted: Tensor, target: Tensor): Tensor {
  if (!isFloat(predicted.dtype)) {
    fail(where, {
      expected: "predictions of float32",
      got: predicted.dtype,
      fix: "pass the prediction first, the target second",
    });
  }
  requireSame(where, "target", predicted.shape, target.shape);
  return cast(target, predicted.dtype);
}
