/** Normalisation by the root mean square: layer normalisation without the mean. */
import { rmsNormalization } from "../ops/rms-normalization.ts";
import { affineOf, requireEpsilon } from "./affine.ts";
import type { Layer } from "./layer.ts";

/** Options of `rmsNorm`. The defaults are PyTorch's. */
export interface RmsNormOptions {
  /** Added to the mean square. Default 2⁻²³ ≈ 1.2e-7, the rounding of float32. */
  readonly epsilon?: number;
  /** Whether a weight (first 1) per feature follows. Default true. */
  readonly affine?: boolean;
  /** What its parameter is called: "rmsNorm" gives "rmsNorm.weight". */
  readonly name?: string;
}

/**
 * x / √(mean of x² + epsilon) · weight along the last axis: [batch, ..., features] → the same shape. Weight [features].
 * The features come from the first tensor it is applied to; applying it again shares its parameter.
 * Throws for a last axis that grows with the microbatch, and for another size later.
 * Source: Zhang and Sennrich 2019; PyTorch RMSNorm over the last axis.
 */
export function rmsNorm(options: RmsNormOptions = {}): Layer {
  const { epsilon = 2 ** -23, affine = true, name = "rmsNorm" } = options;
  requireEpsilon("rmsNorm", epsilon);
  const numbersFor = affineOf("rmsNorm", name, { scale: affine, bias: false });
  return (x) => rmsNormalization(x, { epsilon, ...numbersFor(x, x.shape.slice(-1)) });
}
