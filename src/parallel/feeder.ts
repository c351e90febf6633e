/** Fills the ring of a crew: reads the samples of a batch's microbatches in the order in which they are likely to be needed. */
import type { AugmentedReader } from "../data/augment/reader.ts";
import type { Dataset } from "../data/dataset.ts";
import type { MicrobatchRequest } from "./feeds.ts";
import type { MicrobatchRing, RingPlan } from "./microbatch-ring.ts";

export class Feeder {
  readonly #dataset: Dataset;
  readonly #augmented: AugmentedReader | undefined;
  readonly #ring: MicrobatchRing;
  readonly #columns: readonly string[];
  /** The columns that the augmented reader reads; the weights, if they are no column of the model, come from the dataset. */
  readonly #augmentedColumns: number;
  #requests: readonly MicrobatchRequest[] = [];
  #wanted: number[] = [];

  constructor(
    { dataset, augmented }: { readonly dataset: Dataset; readonly augmented?: AugmentedReader | undefined },
    ring: MicrobatchRing,
    plan: RingPlan,
    programColumns: number,
  ) {
    this.#dataset = dataset;
    this.#augmented = augmented;
    this.#ring = ring;
    this.#columns = plan.columns.map(({ name }) => name);
    this.#augmentedColumns = augmented === undefined ? 0 : programColumns;
  }

  /** Begins a batch, or begins again with what is still wanted of one. */
  open(requests: readonly MicrobatchRequest[], order: readonly number[]): void {
    this.#requests = requests;
    this.#wanted = [...order];
  }

  /** Whether a microbatch has not been read yet. */
  wants(microbatch: number): boolean {
    return this.#wanted.includes(microbatch);
  }

  /** Reads this one next. */
  prefer(microbatch: number): void {
    this.#wanted = [microbatch, ...this.#wanted.filter((one) => one !== microbatch)];
  }

  /** Fills slots while there are free ones and microbatches to come. A promise only where the data has to be waited for. */
  fill(): void | Promise<void> {
    for (;;) {
      const slot = this.#wanted.length === 0 ? undefined : this.#ring.findFree();
      if (slot === undefined) return;
      const microbatch = this.#wanted.shift()!;
      const reading = this.#read(slot, this.#requests[microbatch]!);
      const publish = () => this.#ring.publish(slot, microbatch, this.#requests[microbatch]!.samples.length);
      if (reading !== undefined) return reading.then(publish).then(() => this.fill());
      publish();
    }
  }

  #read(slot: number, { samples, epochs }: MicrobatchRequest): void | Promise<void> {
    const { samples: keys, values } = this.#ring.slot(slot);
    keys.set(samples);
    const pending: Promise<void>[] = [];
    const wait = (reading: void | Promise<void>) => {
      if (reading !== undefined) pending.push(reading);
    };
    const augmented = this.#augmentedColumns;
    if (augmented > 0) wait(this.#augmented?.read(samples, epochs!, values.slice(0, augmented)));
    this.#columns.forEach((column, index) => {
      if (index >= augmented) wait(this.#dataset.read(column, samples, values[index]!));
    });
    if (pending.length > 0) return Promise.all(pending).then(() => {});
  }
}

/**
 * The microbatches of lanes in the order in which so many members come to them: as many lanes side by side as there are
 * members, then the next ones. Whatever fills the ring in this order never blocks it: the microbatches in it that come
 * first belong to lanes that somebody is at.
 */
export function feedingOrder(
  lanes: readonly { readonly start: number; readonly end: number }[],
  members: number,
): number[] {
  const order: number[] = [];
  for (let first = 0; first < lanes.length; first += members) {
    const group = lanes.slice(first, first + members);
    const longest = Math.max(...group.map(({ start, end }) => end - start));
    for (let turn = 0; turn < longest; turn++) {
      for (const { start, end } of group) if (start + turn < end) order.push(start + turn);
    }
  }
  return order;
}
