/**
 * CONTRACT of a sampler: the order in which samples are drawn, as a pure function of (seed, epoch, position). Seeking is
 * instant, so a run resumes at any position; the order is the same on every machine.
 */
import { randomSequence } from "../array/random.ts";
import { requirePosition } from "./draw/bounds.ts";
import { permutation } from "./permutation.ts";

/** One epoch's order. */
export interface EpochOrder {
  /** How many positions the epoch has. */
  readonly length: number;
  /** The sample drawn at `position`. Reading upwards is fast; any other order gives the same. Throws outside of the epoch. */
  at(position: number): number;
}

/** A way to draw. Plain data and a pure function. */
export interface Sampler {
  readonly name: string;
  /** What else makes the order, as plain data: recorded with a run, so that a replay by another order is noticed. Default: {}. */
  readonly options?: Readonly<Record<string, number | string>>;
  /** The order of epoch `epoch` over samples 0 … size − 1. */
  epoch(size: number, seed: number, epoch: number): EpochOrder;
}

/**
 * Every sample once per epoch, each epoch in a new random order: the usual way to draw, and the default of a plan.
 * Without replacement an epoch's sum of gradients is that of all samples, which converges faster than drawing anew.
 * Up to 5 million samples the order is a table of 4 bytes per sample, made when the epoch starts; above, it is computed
 * position by position in no memory.
 */
export function shuffled(): Sampler {
  return { name: "shuffled", epoch: (size, seed, epoch) => permutation(size, seed, epoch) };
}

/**
 * A sample drawn at random at every position, independent of all others; some come twice in an epoch, some not at all
 * (on average 1/e = 37 %). An epoch has as many positions as there are samples.
 */
export function withReplacement(): Sampler {
  return {
    name: "withReplacement",
    epoch(size, seed, epoch) {
      const draw = randomSequence(seed, "withReplacement", epoch);
      return { length: size, at: (position) => Math.floor(draw(inside(position, size)) * size) };
    },
  };
}

/** The samples in the dataset's order, the same in every epoch: for evaluation, and to replay a run by hand. */
export function sequential(): Sampler {
  return {
    name: "sequential",
    epoch: (size) => ({ length: size, at: (position) => inside(position, size) }),
  };
}

function inside(position: number, length: number): number {
  requirePosition(position, length);
  return position;
}
