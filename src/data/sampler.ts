/**
 * CONTRACT of a sampler: the order in which samples are drawn, as a pure function of (seed, epoch, position). Seeking is
 * instant, so a run resumes at any position.
 */

/** One epoch's order. */
export interface EpochOrder {
  /** How many positions the epoch has. */
  readonly length: number;
  /** The sample drawn at `position`. */
  at(position: number): number;
}

/** A way to draw. Plain data and a pure function. */
export interface Sampler {
  readonly name: string;
  /** The order of epoch `epoch` over samples 0 … size − 1. */
  epoch(size: number, seed: number, epoch: number): EpochOrder;
}
