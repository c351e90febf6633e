/** What has been hinted, ahead: the reader's side of the memory that it shares with the augmenting thread. */
import type { TypedArray } from "../../array/dtype.ts";
import { elementCount } from "../../array/shape.ts";
import type { Dataset } from "../dataset.ts";
import { readTogether } from "../read-together.ts";
import {
  type AugmentedColumn,
  type AugmentRing,
  asked,
  type ColumnChanges,
  claimed,
  done,
  ended,
  idle,
  raw,
  type Slot,
  slotsOf,
  stateOf,
} from "./ring.ts";
import type { AugmentThread, StartThread } from "./thread.ts";

/** Hinted, and not yet in a slot. */
export interface Hinted {
  readonly samples: Uint32Array;
  readonly epoch: number;
}

/** Fills slots with what was hinted, and copies out of them what has been augmented. One call at a time. */
export class AheadRing {
  readonly #dataset: Dataset;
  readonly #ring: AugmentRing;
  readonly #slots: readonly Slot[];
  readonly #elements: readonly number[];
  readonly #change: ColumnChanges;
  readonly #thread: AugmentThread;
  readonly #waiting: Hinted[] = [];
  /** Slots handed over so far, and the place of the next sample: a slot, and a place in it. */
  #asked = 0;
  #slot = 0;
  #place = 0;
  /** Samples read one after the other that nobody had hinted. */
  #missed = 0;
  /** The slot that is being filled from a dataset that takes its time. */
  #filling: Promise<void> | undefined;
  #isThreadGone = false;

  constructor(dataset: Dataset, ring: AugmentRing, change: ColumnChanges, start: StartThread) {
    this.#dataset = dataset;
    this.#ring = ring;
    this.#slots = slotsOf(ring);
    this.#elements = ring.columns.map(({ spec }) => elementCount(spec.shape));
    this.#change = change;
    this.#thread = start(ring, () => this.#loseThread());
  }

  hint(hinted: Hinted): void {
    this.#waiting.push(hinted);
    this.#fill();
  }

  /**
   * How many samples from `at` on lie next to each other in the slot of the first, which are then ready to be
   * taken; 0 where the first is not coming. A promise where it has to be waited for: then ask again.
   */
  find(samples: Uint32Array, epochs: Uint32Array, at: number): number | Promise<void> {
    const place = this.#search(samples[at]!, epochs[at]!);
    if (place === undefined) return this.#filling ?? 0;
    const waiting = this.#makeReady(place.slot % this.#ring.slots);
    if (waiting !== undefined) return waiting;
    [this.#slot, this.#place] = [place.slot, place.place];
    const slot = this.#slots[place.slot % this.#ring.slots]!;
    const most = Math.min(samples.length - at, slot.count[0]! - place.place);
    const isNext = (index: number) =>
      slot.samples[place.place + index] === samples[at + index] &&
      slot.epochs[place.place + index] === epochs[at + index];
    let count = 1;
    while (count < most && isNext(count)) count++;
    return count;
  }

  /** Copies the `count` samples that were found. */
  take(count: number, into: readonly TypedArray[], at: number): void {
    const { values, count: held } = this.#slots[this.#slot % this.#ring.slots]!;
    for (const [index, elements] of this.#elements.entries()) {
      const taken = values[index]!.subarray(this.#place * elements, (this.#place + count) * elements);
      (into[index] as Uint8Array).set(taken as Uint8Array, at * elements); // both of the column's dtype, whichever it is
    }
    this.#missed = 0;
    this.#place += count;
    if (this.#place === held[0]) [this.#slot, this.#place] = [this.#slot + 1, 0];
    this.#fill();
  }

  has(sample: number, epoch: number): boolean {
    return this.#search(sample, epoch) !== undefined;
  }

  /** So many were read that had not been hinted. Once they are more than what was hinted, nobody will come for that. */
  missed(count: number): void {
    this.#missed += count;
    let outstanding = -this.#place;
    for (const { samples } of this.#waiting) outstanding += samples.length;
    for (let slot = this.#slot; slot < this.#asked; slot++) {
      outstanding += this.#slots[slot % this.#ring.slots]!.count[0]!;
    }
    if (this.#missed > outstanding) this.#forget();
    this.#fill();
  }

  close(): void {
    const { control } = this.#ring;
    this.#waiting.length = 0;
    Atomics.store(control, ended, 1);
    Atomics.notify(control, asked);
  }

  #search(sample: number, epoch: number): { slot: number; place: number } | undefined {
    if (this.#isThreadGone) return undefined; // it may have died over a slot
    for (let slot = this.#slot, place = this.#place; slot < this.#asked; slot++, place = 0) {
      const { samples, epochs, count } = this.#slots[slot % this.#ring.slots]!;
      for (; place < count[0]!; place++) {
        if (samples[place] === sample && epochs[place] === epoch) return { slot, place };
      }
    }
    return undefined;
  }

  /** Augments the slot if nobody has begun; gives what to wait for where the thread is at it. */
  #makeReady(slot: number): Promise<void> | undefined {
    const { control } = this.#ring;
    const state = Atomics.compareExchange(control, stateOf(slot), raw, idle);
    if (state === claimed) return this.#wait(slot);
    if (state === done) return undefined;
    const { samples, epochs, values, count } = this.#slots[slot]!;
    this.#change(samples, epochs, values, count[0]!);
    Atomics.store(control, stateOf(slot), done);
    return undefined;
  }

  /** Only while it is waited for does the thread keep the process alive. */
  async #wait(slot: number): Promise<void> {
    const { control } = this.#ring;
    this.#thread.keepAlive(true);
    try {
      while (Atomics.load(control, stateOf(slot)) === claimed && !this.#isThreadGone) {
        const wait = Atomics.waitAsync(control, stateOf(slot), claimed, 1000);
        if (wait.async) await wait.value;
      }
    } finally {
      this.#thread.keepAlive(false);
    }
  }

  #loseThread(): void {
    this.#isThreadGone = true;
    for (let slot = 0; slot < this.#ring.slots; slot++) Atomics.notify(this.#ring.control, stateOf(slot));
  }

  #forget(): void {
    this.#waiting.length = 0;
    [this.#slot, this.#place] = [this.#asked, 0];
    this.#missed = 0;
  }

  /** Fills the slots that are free with what was hinted. */
  #fill(): void {
    const { slots, control } = this.#ring;
    if (this.#isThreadGone) this.#waiting.length = 0;
    while (this.#waiting.length > 0 && this.#filling === undefined && this.#asked - this.#slot < slots) {
      const index = this.#asked % slots;
      // What was passed over need not be augmented any more; what the thread is at must be left to it.
      if (Atomics.compareExchange(control, stateOf(index), raw, idle) === claimed) return;
      Atomics.store(control, stateOf(index), idle);
      const slot = this.#slots[index]!;
      this.#writeKeys(slot);
      const samples = slot.samples.slice(0, slot.count[0]); // not every dataset reads shared memory
      try {
        const reading = readColumns(this.#dataset, this.#ring.columns, samples, slot.values);
        if (reading === undefined) this.#handOver(index);
        else this.#filling = reading.then(() => this.#handOver(index)).then(...this.#filled);
      } catch {
        this.#forget(); // whoever reads these samples is told what is wrong with them
      }
    }
  }

  /** What follows a slot that took its time, or failed. */
  readonly #filled = [
    () => {
      this.#filling = undefined;
      this.#fill();
    },
    () => {
      this.#filling = undefined;
      this.#forget();
    },
  ] as const;

  #writeKeys({ samples, epochs, count }: Slot): void {
    let filled = 0;
    while (filled < samples.length && this.#waiting.length > 0) {
      const first = this.#waiting[0]!;
      const part = first.samples.subarray(0, samples.length - filled);
      samples.set(part, filled);
      epochs.fill(first.epoch, filled, filled + part.length);
      filled += part.length;
      const rest = first.samples.subarray(part.length);
      if (rest.length > 0) this.#waiting[0] = { samples: rest, epoch: first.epoch };
      else this.#waiting.shift();
    }
    count[0] = filled;
  }

  #handOver(index: number): void {
    const { control } = this.#ring;
    Atomics.store(control, stateOf(index), raw);
    this.#asked++;
    Atomics.store(control, asked, this.#asked);
    Atomics.notify(control, asked);
  }
}

/** Reads columns of samples, an array per column. */
export function readColumns(
  dataset: Dataset,
  columns: readonly AugmentedColumn[],
  samples: Uint32Array,
  values: readonly TypedArray[],
): void | Promise<void> {
  return readTogether(
    columns.map(
      ({ name }, index) =>
        () =>
          dataset.read(name, samples, values[index]!),
    ),
  );
}
