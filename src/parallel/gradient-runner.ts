/** Runs the gradient programs on this thread, one microbatch after another, into sums that lie in the arena. */
import { elementCount } from "../array/shape.ts";
import type { AugmentedReader } from "../data/augment/reader.ts";
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
  readonly #bindings = new Map<string, Binding>();
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
    this.statistics = new LaneStatistics(job.gradient.statistics);
  }

  /** Makes the samples of a microbatch ready. Returns a promise only where they have to be waited for. */
  fill(request: MicrobatchRequest): void | Promise<void> {
    return this.#feeds.fill(request);
  }

  /** Runs the microbatch that was filled last; `isFirst` writes the sum in that lane region, otherwise it is added to. */
  async run(samples: number, slot: number, isFirst: boolean): Promise<LossSums> {
    const key = `${samples} ${slot} ${isFirst}`;
    let binding = this.#bindings.get(key);
    if (binding === undefined) {
      binding = await this.#bind(samples, slot, isFirst);
      this.#bindings.set(key, binding);
    }
    await binding.run();
    this.statistics.take(samples, slot, isFirst);
    const { shape, weights } = this.#job.gradient.loss;
    const loss = this.#loss.subarray(0, elementCount([samples, ...shape]));
    return sumLoss(
      loss,
      weights === undefined ? this.#feeds.weights(samples) : this.#lossWeights.subarray(0, loss.length),
    );
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
