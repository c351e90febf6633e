/** Samples that count: one of weight 0 is never read, so whatever is wrong with it does no harm (0 · ∞ is NaN). */
import type { Dataset } from "./dataset.ts";

/** The given samples without those of weight 0, in order. A dataset without weights gives all of them. */
export function withWeight(dataset: Dataset, samples: Uint32Array): Uint32Array | Promise<Uint32Array> {
  if (dataset.weight === undefined) return samples;
  const weights = new Float32Array(samples.length);
  // NaN and negative weights stay, to be refused where they are fed.
  const chosen = () => samples.filter((_, index) => weights[index] !== 0);
  const reading = dataset.read(dataset.weight, samples, weights);
  return reading === undefined ? chosen() : reading.then(chosen);
}
