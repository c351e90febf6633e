/** Layer normalisation: the features of every position, on their own. */
import { layerNormalization } from "../ops/normalization.ts";
import { affineOf, requireCount, requireEpsilon } from "./affine.ts";
import type { Layer } from "./layer.ts";

/** Options of `layerNorm`. The defaults are PyTorch's. */
export interface LayerNormOptions {
  /** How many axes, counted from the last, are normalised together. Default 1: the features. */
  readonly axes?: number;
  /** Added to the variance, so that equal numbers are not divided by 0. Default 1e-5. */
  readonly epsilon?: number;
  /** Whether a weight (first 1) and a bias (first 0) of the normalised sizes follow. Default true. */
  readonly affine?: boolean;
  /** Whether there is a bias where there is a weight. Default true. */
  readonly bias?: boolean;
  /** What its parameters are called: "layerNorm" gives "layerNorm.weight" and "layerNorm.bias". */
  readonly name?: string;
}

/**
 * (x − mean) / √(variance + epsilon) · weight + bias, with mean and variance of the last axes at each position:
 * [batch, ...positions, features] → the same shape. Weight and bias [features] (or the sizes of the last `axes`).
 * The sizes come from the first tensor it is applied to; applying it again shares its parameters.
 * Throws for axes that grow with the microbatch, and for other sizes later. Source: Ba et al. 2016; PyTorch LayerNorm.
 */
export function layerNorm(options: LayerNormOptions = {}): Layer {
  const { axes = 1, epsilon = 1e-5, affine = true, bias = true, name = "layerNorm" } = options;
  requireEpsilon("layerNorm", epsilon);
  requireCount("layerNorm", "axes", axes);
  const numbersFor = affineOf("layerNorm", name, { scale: affine, bias: affine && bias });
  return (x) => {
    const sizes = x.shape.slice(-axes);
    return layerNormalization(x, { axes, epsilon, ...numbersFor(x, sizes.length === axes ? sizes : []) });
  };
}
