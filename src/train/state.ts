/** The state of a run beside its numbers in the arena: plain data, the rest of the whole truth. */
import { sha256OfParts } from "../array/sha256.ts";
import type { Arena } from "../runtime/arena.ts";
import type { DivergenceState } from "./divergence-policy.ts";
import type { PlainData } from "./stop.ts";

/** Where a run is. One value with one writer. */
export interface TrainingState {
  /** Steps done, those that were skipped and those of batches without weight too. */
  step: number;
  epoch: number;
  /** Samples drawn since the first one of this epoch; a batch that was filled up ends in the next one. */
  position: number;
  /** Samples drawn in the whole run. */
  samples: number;
  /** Samples, Σ w·ℓ and Σ w of the epoch's steps so far. */
  epochSamples: number;
  epochLoss: number;
  epochWeight: number;
  /** The best monitored value so far; its weights lie in the arena's region "best". */
  best: { readonly value: number; readonly step: number } | null;
  /** Step of the last evaluation, −1 before the first. */
  evaluatedAt: number;
  /** One entry per stop rule. */
  stops: PlainData[];
  /** What the plan's policy for divergence knows, where it has one. */
  divergence?: DivergenceState;
}

/** Steps that were computed, those that were undone since included: unlike the step it never falls. */
export const stepsComputed = ({ step, divergence }: TrainingState) => step + (divergence?.stepsUndone ?? 0);

/** The state before the first step. */
export function initialState(stops: readonly PlainData[]): TrainingState {
  return {
    step: 0,
    epoch: 0,
    position: 0,
    samples: 0,
    epochSamples: 0,
    epochLoss: 0,
    epochWeight: 0,
    best: null,
    evaluatedAt: -1,
    stops: [...stops],
  };
}

/** SHA-256 over `header` and names, shapes and bytes of the tensors of the given regions, in order. Nothing is held twice. */
export function hashRegions(arena: Arena, regionNames: readonly string[], header = ""): Promise<string> {
  const tensors = regionNames.flatMap((region) =>
    [...arena.region(region).tensors].flatMap(([name, { shape, data }]) => [
      `${region} ${name} [${shape}]`,
      data,
    ]),
  );
  return sha256OfParts([header, ...tensors]);
}
