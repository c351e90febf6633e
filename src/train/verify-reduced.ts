/** The reduced plan: the user's model, loss, rule and data, in batches small enough for a short trial. */
import { sha256 } from "../array/sha256.ts";
import type { Dataset } from "../data/dataset.ts";
import { threads } from "../parallel/threads.ts";
import type { CheckpointStore } from "./checkpoint.ts";
import type { Plan } from "./plan.ts";
import { afterSteps } from "./stop.ts";

/** A batch and how it is split: every size leaves a smaller microbatch over. */
export interface Trial {
  readonly samples: number;
  /** Sizes of microbatches, beside the whole batch at once. */
  readonly sizes: readonly number[];
  readonly lanes: number;
}

/** From the largest down; the last is taken where time is short. */
export const trials: readonly Trial[] = [
  { samples: 23, sizes: [1, 2, 8], lanes: 3 },
  { samples: 11, sizes: [1, 2, 4], lanes: 3 },
  { samples: 5, sizes: [1, 2, 3], lanes: 3 },
  { samples: 3, sizes: [1, 2], lanes: 3 },
];
/** The same where no sample may be alone: layers that use statistics of the microbatch. */
export const trialsInCompany: readonly Trial[] = [
  { samples: 23, sizes: [3, 5, 8], lanes: 3 },
  { samples: 11, sizes: [3, 4], lanes: 3 },
  { samples: 7, sizes: [4, 5], lanes: 3 },
];

/** Rows that a batch in microbatches of a size computes: one sample alone is computed twice. */
export function rowsOfSplit(samples: number, size: number): number {
  return size === 1 ? 2 * samples : samples + (samples % size === 1 ? 1 : 0);
}

/** A short run. Plain data: another process makes the same plan from it. */
export interface Reduced {
  readonly batchSize: number;
  readonly microbatchSize: number;
  readonly lanes: number;
  readonly steps: number;
}

/** What is known of a model's speed. */
interface Paced {
  readonly trials: readonly Trial[];
  runSeconds(reduced: Reduced): number;
}

/** Enough for a checkpoint to be whole before a run is killed. */
const steps = 4;

/** The largest run of which three would fit into three quarters of the time that is left. */
export function chooseReduced(probe: Paced, clock: { readonly left: number }): Reduced {
  const choices = probe.trials.map(({ samples, sizes, lanes }) => ({
    batchSize: samples,
    microbatchSize: sizes[1] ?? sizes[0]!,
    lanes,
    steps,
  }));
  return choices.find((one) => 4 * probe.runSeconds(one) < 0.75 * clock.left) ?? choices.at(-1)!;
}

/**
 * The plan in small: what makes a step is the plan's own; sizes, length, validation and who computes are given. Batches that
 * an epoch does not fill are filled from the next one, as a run has the most state then.
 */
export function reducedPlan(
  plan: Plan,
  { batchSize, microbatchSize, lanes, steps }: Reduced,
  { workers, store }: { readonly workers: number; readonly store?: CheckpointStore },
): Plan {
  const { validation, ...own } = withoutRun(plan);
  return {
    ...own,
    batchSize,
    microbatchSize,
    lanes,
    lastBatch: "carry",
    parallel: threads(workers),
    stop: afterSteps(steps),
    ...(validation && { validation: { data: reducedData(validation.data, 16), every: 2 } }),
    ...(store && { checkpoint: { store, everySteps: 1, resume: true } }),
  };
}

/** What the model is, without how long it is trained, where it is saved and what it goes on from. */
export function withoutRun(plan: Plan): Plan {
  const { checkpoint, replay, signal, stop, sampler, divergence, ...own } = plan;
  const isRepeated = plan.data.size < trials[0]!.samples;
  // A sampler may be made for the samples that there are.
  return { ...own, data: reducedData(plan.data), ...(sampler && !isRepeated && { sampler }) };
}

/**
 * The same samples, of which there are at most so many and never too few for a batch: a small dataset is repeated. Its
 * fingerprint is that of its name, since to read all of a large one takes too long.
 */
export function reducedData(data: Dataset, most = Number.POSITIVE_INFINITY): Dataset {
  const { name, columns, weight, schema, samplesPerBlock } = data;
  const size = Math.min(most, Math.max(data.size, trials[0]!.samples));
  const own = (samples: Uint32Array) =>
    size <= data.size ? samples : samples.map((sample) => sample % data.size);
  return {
    name,
    columns,
    size,
    ...(weight !== undefined && { weight }),
    ...(schema !== undefined && { schema }),
    ...(samplesPerBlock !== undefined && { samplesPerBlock }),
    read: (column, samples, into) => data.read(column, own(samples), into),
    ...(data.prefetch && { prefetch: (samples: Uint32Array) => data.prefetch?.(own(samples)) }),
    fingerprint: () => sha256(new TextEncoder().encode(`${name} ${data.size}`)),
  };
}
