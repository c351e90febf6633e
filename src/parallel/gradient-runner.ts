/** Runs the gradient programs on this thread, one microbatch after another, into sums that lie in the arena. */
import { elementCount } from "../array/shape.ts";
import type { AugmentedReader } from "../data/augment/reader.ts";
import { bug } from "../errors.ts";
import type { Arena } from "../runtime/arena.ts";
import type { Binding, Runtime } from "../runtime/runtime.ts";
import type { GradientPrograms } from "./crew.ts";
import { type FedData, Feeds, type MicrobatchRequest, rowsOf } from "./feeds.ts";
import { type LossSums, sumLoss } from "./loss-sums.ts";
import type { Sessions } from "./sessions.ts";
import { LaneStatistics } from "./statistics.ts";

/** What gradients are computed from. */
export interface GradientJob {
  readonly runtime: Runtime;
  readonly dataset: FedData;
  readonly augmented?: AugmentedReader;
  readonly arena: Arena;
  readonly gradient: GradientPrograms;
  readonly microbatchSize: number;
  readonly seed: number;
  readonly parameterRegion: string;
  readonly laneRegions: readonly string[];
}

/** The gradient programs with their sessions and the arrays they are fed from. */
export class GradientRunner {
  readonly statistics: LaneStatistics;
  readonly #job: GradientJob;
  readonly #feeds: Feeds;
  readonly #sessions: Sessions;
  /** Of full microbatches, by slot and program. */
  readonly #full = new Map<string, Binding>();
  /** Of all other sizes: where samples of weight 0 are left out, every batch may end in another one. */
  readonly #others = new Map<string, Binding>();
  readonly #mostOthers: number;
  /** Where the programs put ℓ, and w where the loss has weights of its own. */
  readonly #loss: Float32Array;
  readonly #lossWeights: Float32Array;

  constructor(job: GradientJob, sessions: Sessions) {
    this.#job = job;
    this.#sessions = sessions;
    this.#feeds = new Feeds(job.dataset, job.gradient.first, job.microbatchSize, job.seed, job.augmented);
    const numbers = elementCount([rowsOf(job.microbatchSize), ...job.gradient.loss.shape]);
    this.#loss = new Float32Array(numbers);
    this.#lossWeights = new Float32Array(job.gradient.loss.weights === undefined ? 0 : numbers);
    this.#mostOthers = mostOthers(job.gradient);
    this.statistics = new LaneStatistics(job.gradient.statistics);
  }

  /** Makes the samples of a microbatch ready. Returns a promise only where they have to be waited for. */
  fill(request: MicrobatchRequest): void | Promise<void> {
    return this.#feeds.fill(request);
  }

  /** Runs the microbatch that was filled last; `isFirst` writes the sum in that lane region, otherwise it is added to. */
  async run(samples: number, slot: number, isFirst: boolean): Promise<LossSums> {
    await (await this.#binding(samples, slot, isFirst)).run();
    this.statistics.take(samples, slot, isFirst);
    const { shape, weights } = this.#job.gradient.loss;
    const loss = this.#loss.subarray(0, elementCount([samples, ...shape]));
    return sumLoss(
      loss,
      weights === undefined ? this.#feeds.weights(samples) : this.#lossWeights.subarray(0, loss.length),
    );
  }

  async #binding(samples: number, slot: number, isFirst: boolean): Promise<Binding> {
    const bindings = samples === this.#job.microbatchSize ? this.#full : this.#others;
    const key = `${samples} ${slot} ${isFirst}`;
    const known = bindings.get(key);
    bindings.delete(key);
    const binding = known ?? (await this.#bind(samples, slot, isFirst));
    bindings.set(key, binding); // the last one is the one that was used last
    if (this.#others.size > this.#mostOthers) this.#forgetOldest();
    return binding;
  }

  #forgetOldest(): void {
    const [key, binding] = this.#others.entries().next().value ?? bug("no binding is the oldest");
    this.#others.delete(key);
    binding.release?.();
  }

  async #bind(samples: number, slot: number, isFirst: boolean): Promise<Binding> {
    const { gradient, arena, laneRegions, parameterRegion } = this.#job;
    const program = isFirst ? gradient.first : gradient.add;
    const session = await this.#sessions.inPlace(program);
    const feeds = this.#feeds.arrays(samples);
    const fetches = this.statistics.fetches();
    const shape = [rowsOf(samples), ...gradient.loss.shape];
    const numbers = elementCount(shape);
    fetches[gradient.loss.loss] = { dtype: "float32", shape, data: this.#loss.subarray(0, numbers) };
    if (gradient.loss.weights !== undefined) {
      fetches[gradient.loss.weights] = {
        dtype: "float32",
        shape,
        data: this.#lossWeights.subarray(0, numbers),
      };
    }
    const parameters = arena.region(parameterRegion).tensors;
    for (const [input, name] of Object.entries(program.parameters)) feeds[input] = parameters.get(name)!;
    const sums = arena.region(laneRegions[slot]!).tensors;
    for (const [output, name] of Object.entries(gradient.sums)) {
      fetches[output] = sums.get(name)!;
      if (!isFirst) feeds[gradient.sumInputs[output]!] = fetches[output]!;
    }
    return session.bind(feeds, fetches);
  }
}

/**
 * How many bindings of other sizes are kept. A tensor that is bound takes 0.6 KB, and to bind it again 3 µs: 10 MB, in which small models
 * have all of their sizes, and for large ones it does not matter how often they are bound.
 */
export function mostOthers({ first, sums }: Pick<GradientPrograms, "first" | "sums">): number {
  const tensors = Object.keys(first.parameters).length + 2 * Object.keys(sums).length;
  return Math.max(8, Math.floor(16384 / Math.max(tensors, 1)));
}
