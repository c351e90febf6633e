/** Σ w·ℓ and Σ w of a microbatch, in float64. What has weight 0 is left out: its loss may be infinite, and 0 · ∞ is NaN. */

/** The sums of one microbatch. */
export interface LossSums {
  readonly loss: number;
  readonly weight: number;
}

/**
 * loss: ℓ, sample after sample. weights: one per number of the loss, or one per sample, which then counts for each of
 * its numbers.
 */
export function sumLoss(loss: ArrayLike<number>, weights: ArrayLike<number>): LossSums {
  const perWeight = loss.length / weights.length;
  let lossSum = 0;
  let weightSum = 0;
  for (let index = 0; index < loss.length; index++) {
    const weight = weights[perWeight === 1 ? index : Math.floor(index / perWeight)]!;
    if (weight === 0) continue;
    lossSum += weight * loss[index]!;
    weightSum += weight;
  }
  return { loss: lossSum, weight: weightSum };
}
