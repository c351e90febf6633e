/** Drawing: which samples the next batch has, a pure function of (seed, epoch, position), across the borders of epochs. */
import type { Dataset } from "../data/dataset.ts";
import type { EpochOrder, Sampler } from "../data/sampler.ts";
import { fail } from "../errors.ts";
import { Lookahead } from "./lookahead.ts";

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
}

/** The batches of a run. It keeps the orders of the epochs it is in, and nothing depends on that. */
export class Drawing {
  readonly #options: DrawingOptions;
  readonly #lookahead: Lookahead;
  readonly #orders = new Map<number, EpochOrder>();

  constructor(options: DrawingOptions) {
    this.#options = options;
    this.#lookahead = new Lookahead(options.data, options.batchSize);
  }

  /** How many positions an epoch has. Throws where it cannot be drawn. */
  length(epoch: number): number {
    return this.#order(epoch).length;
  }

  /** The samples of the batch at a place. */
  batch({ epoch, position }: Place): Uint32Array {
    for (const known of this.#orders.keys()) if (known < epoch) this.#orders.delete(known);
    const order = this.#order(epoch);
    this.#lookahead.at(order, position);
    const { batchSize, lastBatch } = this.#options;
    const left = order.length - position;
    const next = left < batchSize && lastBatch === "carry" ? this.#order(epoch + 1) : undefined;
    const samples = new Uint32Array(next === undefined ? Math.min(batchSize, left) : batchSize);
    for (let index = 0; index < samples.length; index++) {
      samples[index] = index < left ? order.at(position + index) : next!.at(index - left);
    }
    return samples;
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
