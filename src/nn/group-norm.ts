/** Group normalisation: the channels of every sample, a group at a time. */
import { groupNormalization } from "../ops/group-normalization.ts";
import { affineOf, requireCount, requireEpsilon } from "./affine.ts";
import type { Layer } from "./layer.ts";

/** Options of `groupNorm`. The defaults are PyTorch's. */
export interface GroupNormOptions {
  /** Added to the variance, so that equal numbers are not divided by 0. Default 1e-5. */
  readonly epsilon?: number;
  /** Whether a weight (first 1) and a bias (first 0) per channel follow. Default true. */
  readonly affine?: boolean;
  /** What its parameters are called: "groupNorm" gives "groupNorm.weight" and "groupNorm.bias". */
  readonly name?: string;
}

/**
 * The channels cut into `groups`, each normalised by mean and variance of its own in every sample, then · weight + bias per
 * channel: [batch, channels, …] → the same shape. Weight and bias [channels]. What batch normalisation does, for
 * microbatches of any size. The channels come from the first tensor it is applied to; applying it again shares its parameters.
 * Throws for channels that the groups do not share evenly, and for other channels later.
 * Source: Wu and He 2018; PyTorch GroupNorm.
 */
export function groupNorm(groups: number, options: GroupNormOptions = {}): Layer {
  const { epsilon = 1e-5, affine = true, name = "groupNorm" } = options;
  const where = `groupNorm(${groups})`;
  requireEpsilon(where, epsilon);
  requireCount(where, "groups", groups);
  const numbersFor = affineOf(where, name, { scale: affine, bias: affine });
  return (x) => groupNormalization(x, groups, { epsilon, ...numbersFor(x, x.shape.slice(1, 2)) });
}
