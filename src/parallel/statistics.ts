/**
 * Statistics of layers that look at a whole microbatch: what each microbatch tells, merged in float64 microbatch by microbatch
 * inside a lane and then lane by lane in the fixed tree of the gradient sums, so that they depend on neither threads nor order.
 */
import type { NdArray } from "../array/array.ts";
import { fail } from "../errors.ts";
import type { Moments, StatisticsOutputs } from "./crew.ts";
import { laneTree, type Merge } from "./lanes.ts";

/** Where the programs put the statistics of one microbatch, and one set of merged ones per slot of the lane sums. */
export class LaneStatistics {
  readonly #outputs: readonly StatisticsOutputs[];
  readonly #fetched = new Map<string, Float32Array>();
  readonly #slots: (readonly Moments[])[] = [];

  constructor(outputs: readonly StatisticsOutputs[]) {
    this.#outputs = outputs;
    for (const { channels, observed } of outputs) {
      for (const { mean, variance } of observed) {
        for (const name of [mean, variance]) this.#fetched.set(name, new Float32Array(channels));
      }
    }
  }

  /** The arrays to bind, by output name. */
  fetches(): Record<string, NdArray> {
    return Object.fromEntries(
      [...this.#fetched].map(([name, data]) => [name, { dtype: "float32", shape: [data.length], data }]),
    );
  }

  /** Adds what the last microbatch put out to a slot; the first one of a lane starts it anew. */
  take(samples: number, slot: number, isFirst: boolean): void {
    const told = this.#outputs.map(({ observed }) =>
      observed
        .map(({ mean, variance, valuesPerSample }): Moments => {
          const count = samples * valuesPerSample;
          const squares = Float64Array.from(this.#fetched.get(variance)!, (value) => value * count);
          return { count, mean: Float64Array.from(this.#fetched.get(mean)!), squares };
        })
        .reduce(merged),
    );
    this.#slots[slot] = isFirst ? told : mergedAll(this.#slots[slot]!, told);
  }

  /** Merges two slots, as their sums are added. */
  merge({ into, from }: Merge): void {
    this.#slots[into] = mergedAll(this.#slots[into]!, this.#slots[from]!);
  }

  /** What has been merged in a slot, in the order of the programs' statistics. */
  at(slot: number): readonly Moments[] {
    return this.#slots[slot] ?? [];
  }
}

/** The moments of a batch from those of its lanes, merged in the fixed tree. */
export function mergedLanes(lanes: readonly (readonly Moments[])[]): readonly Moments[] {
  const merged = [...lanes];
  for (const node of laneTree(lanes.length)) {
    if (node !== undefined) merged.push(mergedAll(merged[node.left]!, merged[node.right]!));
  }
  return merged.at(-1) ?? [];
}

/** Whether every statistic is a finite number. */
export function areFinite(all: readonly Moments[]): boolean {
  return all.every(({ mean, squares }) => mean.every(Number.isFinite) && squares.every(Number.isFinite));
}

/** Throws for a microbatch in which a layer would see one value per channel: normalised, that is nothing. */
export function requireSeveralValues(outputs: readonly StatisticsOutputs[], samples: number): void {
  for (const { layer, observed } of outputs) {
    if (observed.every(({ valuesPerSample }) => samples * valuesPerSample > 1)) continue;
    fail(`${layer}, in training`, {
      expected: "more than one value per channel in every microbatch",
      got: "a microbatch of 1 sample, with one value per channel",
      fix: 'choose plan.batchSize and plan.microbatchSize so that no sample is left alone, or plan.lastBatch "drop" or "carry"',
    });
  }
}

const mergedAll = (a: readonly Moments[], b: readonly Moments[]) =>
  a.map((moments, index) => merged(moments, b[index]!));

/**
 * The moments of all values behind both. Sums of x and x² would cancel where the mean is large beside the deviation; these
 * do not, and are right to a few roundings of float64. Source: Chan, Golub and LeVeque 1983.
 */
function merged(a: Moments, b: Moments): Moments {
  const count = a.count + b.count;
  const mean = new Float64Array(a.mean.length);
  const squares = new Float64Array(a.mean.length);
  for (let channel = 0; channel < mean.length; channel++) {
    const gap = b.mean[channel]! - a.mean[channel]!;
    mean[channel] = a.mean[channel]! + (gap * b.count) / count;
    squares[channel] = a.squares[channel]! + b.squares[channel]! + gap * gap * ((a.count * b.count) / count);
  }
  return { count, mean, squares };
}
