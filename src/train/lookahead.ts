/** Tells a dataset that reads from a disk which samples come next, so that it can read ahead. */
import type { Dataset } from "../data/dataset.ts";
import type { EpochOrder } from "../data/sampler.ts";

/** At least so many samples ahead, however small the batches are: a hint costs a message to another thread. */
const fewest = 1024;

/** Hints the samples of an epoch, each once, some batches before they are drawn. Without a dataset that listens it does nothing. */
export class Lookahead {
  readonly #data: Pick<Dataset, "prefetch">;
  readonly #distance: number;
  #order: EpochOrder | undefined;
  #hinted = 0;

  constructor(data: Pick<Dataset, "prefetch">, batchSize: number) {
    this.#data = data;
    this.#distance = Math.max(4 * batchSize, fewest);
  }

  /** The batch at `position` is about to be drawn. */
  at(order: EpochOrder, position: number): void {
    if (this.#data.prefetch === undefined) return;
    const isElsewhere = order !== this.#order || position > this.#hinted;
    if (isElsewhere) [this.#order, this.#hinted] = [order, position];
    const end = Math.min(order.length, position + this.#distance);
    // Half of the distance at a time: few messages, and never nothing ahead.
    if (this.#hinted > position + this.#distance / 2 || end === this.#hinted) return;
    const from = this.#hinted;
    this.#data.prefetch(Uint32Array.from({ length: end - from }, (_, index) => order.at(from + index)));
    this.#hinted = end;
  }
}
