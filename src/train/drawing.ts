/** Drawing: which samples the next batch has, a pure function of (seed, epoch, position), across the borders of epochs. */
import type { Dataset } from "../data/dataset.ts";
import type { EpochOrder, Sampler } from "../data/sampler.ts";
import { fail } from "../errors.ts";
import { type ComingBatch, type Hint, Lookahead } from "./lookahead.ts";
import { type Part, samplesIn } from "./parts.ts";

/** What becomes of an epoch's last samples where they do not fill a batch; see `Plan.lastBatch`. */
export type LastBatch = "keep" | "drop" | "carry";

/** Where a run is: `position` samples behind the first of its epoch, which is in the next one where a batch was filled up. */
export interface Place {
  readonly epoch: number;
  readonly position: number;
}

/** What decides the order. */
export interface DrawingOptions {
  readonly data: Dataset;
  readonly sampler: Sampler;
  readonly seed: number;
  readonly batchSize: number;
  readonly lastBatch: LastBatch;
  /** Who is told which samples come next. */
  readonly hint?: Hint | undefined;
}

/** The batches of a run. It keeps the orders of the epochs it is in, and nothing depends on that. */
export class Drawing {
  readonly #options: DrawingOptions;
  readonly #lookahead: Lookahead;
  readonly #orders = new Map<number, EpochOrder>();

  constructor(options: DrawingOptions) {
    this.#options = options;
    this.#lookahead = new Lookahead(options.hint, options.batchSize, (place) => this.#coming(place));
  }

  /** How many positions an epoch has. Throws where it cannot be drawn. */
  length(epoch: number): number {
    return this.#order(epoch).length;
  }

  /** The samples of the batch at a place, by epoch. */
  batch(place: Place): readonly Part[] {
    for (const known of this.#orders.keys()) if (known < place.epoch) this.#orders.delete(known);
    const coming = this.#coming(place);
    this.#lookahead.at(place, coming);
    return coming.parts;
  }

  #coming({ epoch, position }: Place): ComingBatch {
    const { batchSize, lastBatch } = this.#options;
    const own = this.#part(epoch, position, batchSize);
    const missing = batchSize - own.samples.length;
    const parts = missing > 0 && lastBatch === "carry" ? [own, this.#part(epoch + 1, 0, missing)] : [own];
    const behind = { epoch, position: position + samplesIn(parts) };
    return { parts, next: this.isOver(behind) ? this.next(behind) : behind };
  }

  /** At most so many samples of an epoch. */
  #part(epoch: number, position: number, most: number): Part {
    const order = this.#order(epoch);
    const samples = new Uint32Array(Math.min(most, order.length - position));
    for (let index = 0; index < samples.length; index++) samples[index] = order.at(position + index);
    return { epoch, samples };
  }

  /** True where no batch of the epoch is left. */
  isOver({ epoch, position }: Place): boolean {
    const { batchSize, lastBatch } = this.#options;
    const left = this.length(epoch) - position;
    return lastBatch === "drop" ? left < batchSize : left <= 0;
  }

  /** Where the next epoch starts: behind the samples that filled up the last batch. */
  next({ epoch, position }: Place): Place {
    return { epoch: epoch + 1, position: Math.max(position - this.length(epoch), 0) };
  }

  #order(epoch: number): EpochOrder {
    const { data, sampler, seed } = this.#options;
    const known = this.#orders.get(epoch);
    if (known !== undefined) return known;
    const order = sampler.epoch(data.size, seed, epoch);
    this.#requireBatch(order.length);
    this.#orders.set(epoch, order);
    return order;
  }

  #requireBatch(length: number): void {
    const { batchSize, lastBatch, sampler } = this.#options;
    if (length < 1) {
      fail(`plan.sampler, ${sampler.name}`, {
        expected: "at least one position in an epoch",
        got: String(length),
        fix: "correct what its epoch() gives",
      });
    }
    if (lastBatch === "keep" || length >= batchSize) return;
    fail("plan.lastBatch", {
      expected: `at least one whole batch of ${batchSize} in an epoch to ${lastBatch} the rest of`,
      got: `${length} samples`,
      fix: `lower batchSize to ${length} or less, or keep the last batch`,
    });
  }
}
