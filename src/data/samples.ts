/** Which samples of a dataset: all of them, or those that count. */
import type { Dataset } from "./dataset.ts";

/** 0, 1, … size − 1. */
export function allSamples({ size }: Pick<Dataset, "size">): Uint32Array {
  return Uint32Array.from({ length: size }, (_, sample) => sample);
}

/**
 * The given samples without those of weight 0, in order: one of weight 0 is never read, so whatever is wrong with it does
 * no harm (0 · ∞ is NaN). A dataset without weights gives all of them.
 */
export function withWeight(
  dataset: Pick<Dataset, "weight" | "read">,
  samples: Uint32Array,
): Uint32Array | Promise<Uint32Array> {
  if (dataset.weight === undefined) return samples;
  const weights = new Float32Array(samples.length);
  // NaN and negative weights stay, to be refused where they are fed.
  const chosen = () => samples.filter((_, index) => weights[index] !== 0);
  const reading = dataset.read(dataset.weight, samples, weights);
  return reading === undefined ? chosen() : reading.then(chosen);
}
