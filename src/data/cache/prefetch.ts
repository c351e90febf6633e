/**
 * Reading ahead: a thread brings the records that will be drawn next into shared memory, so that computing
 * never waits.
 */
import { Worker } from "node:worker_threads";
import type { ColumnSpecs } from "../dataset.ts";
import { moduleBeside } from "../module-beside.ts";
import { asked, createRing, filled, firstRecordOf, type Ring, samplesOf, state } from "./prefetch-ring.ts";
import type { PrefetchWork } from "./prefetch-worker.ts";
import type { RecordFile } from "./record-file.ts";

/** Bytes of a ring: some batches of usual size, and little beside a model. */
const ringBytes = 2 ** 24;
const slots = 8;
/** More would make the first batch wait for a whole slot. */
const mostRecords = 1024;

/** The reader's side of a ring. */
export class Prefetcher {
  readonly #ring: Ring;
  readonly #bytes: Uint8Array;
  readonly #worker: Worker;
  /** Hinted, and not yet in a slot. */
  readonly #waiting: Uint32Array[] = [];
  #asked = 0;
  /** Where the next sample is looked for: a slot, and a place in it. */
  #slot = 0;
  #place = 0;
  /** Slots before this one were copied from, or passed over: they may be filled again. */
  #released = 0;
  /** Samples taken one after the other that nobody had hinted. */
  #missed = 0;

  constructor(file: RecordFile, columns: ColumnSpecs) {
    const { stride } = file.layout;
    const records = Math.max(1, Math.min(mostRecords, Math.floor(ringBytes / slots / stride)));
    this.#ring = createRing({ slots, records, stride });
    this.#bytes = new Uint8Array(this.#ring.records);
    const { path, samples, dataOffset, descriptor } = file;
    const workerData: PrefetchWork = { ring: this.#ring, path, columns, samples, dataOffset, descriptor };
    this.#worker = new Worker(moduleBeside(import.meta.url, "./prefetch-worker"), { workerData });
    this.#worker.on("error", () => Atomics.store(this.#ring.control, state, failed)); // the reader reads for itself
    this.#worker.unref(); // a process that is done need not wait for it
  }

  /** These samples will be read next, in this order. */
  hint(samples: Uint32Array): void {
    if (samples.length > 0) this.#waiting.push(samples.slice());
    this.#fillSlots();
  }

  /**
   * Copies the samples' records to the front of `into` and says so, where they are the next of those hinted;
   * some of these may be passed over, as samples of weight 0 are. False where they are others, such as those
   * of an evaluation in between; once these are more than what was hinted, that is forgotten. One call at a
   * time.
   */
  take(samples: Uint32Array, into: Uint8Array): boolean | Promise<boolean> {
    const places = this.#find(samples);
    if (places === undefined) {
      this.#missed += samples.length;
      if (this.#missed > this.#outstanding()) this.#forget();
      return false;
    }
    this.#missed = 0;
    const finish = () => {
      if (Atomics.load(this.#ring.control, state) !== 0) return false;
      this.#copy(places, into);
      this.#released = this.#slot;
      this.#fillSlots();
      return true;
    };
    const last = this.#place === 0 ? this.#slot - 1 : this.#slot;
    return this.#isFilled(last) ? finish() : this.#wait(last).then(finish);
  }

  /** Ends the thread after the read in progress. */
  close(): void {
    Atomics.compareExchange(this.#ring.control, state, 0, ended);
    Atomics.notify(this.#ring.control, asked);
  }

  /**
   * The places of the samples' records in the ring, and the cursor behind the last; undefined where they do
   * not come.
   */
  #find(samples: Uint32Array): Uint32Array | undefined {
    const places = new Uint32Array(samples.length);
    let [slot, place] = [this.#slot, this.#place];
    for (let at = 0; at < samples.length; ) {
      if (slot >= this.#asked) return undefined;
      const [list, first] = [samplesOf(this.#ring, slot), firstRecordOf(this.#ring, slot)];
      const count = list[0]!;
      for (; place < count && at < samples.length; place++) {
        if (list[1 + place] === samples[at]) places[at++] = first + place;
      }
      if (place === count) [slot, place] = [slot + 1, 0];
    }
    [this.#slot, this.#place] = [slot, place];
    return places;
  }

  /** Neighbours in the ring are copied in one call. */
  #copy(places: Uint32Array, into: Uint8Array): void {
    const { stride } = this.#ring.shape;
    for (let at = 0; at < places.length; ) {
      let count = 1;
      while (at + count < places.length && places[at + count] === places[at]! + count) count++;
      const from = places[at]! * stride;
      into.set(this.#bytes.subarray(from, from + count * stride), at * stride);
      at += count;
    }
  }

  #fillSlots(): void {
    const { control, shape } = this.#ring;
    // A slot is used again once it was copied from, and once the thread is done with it: with what was
    // forgotten it may not be.
    while (
      this.#waiting.length > 0 &&
      this.#asked - slots < this.#released &&
      (this.#asked < slots || this.#isFilled(this.#asked - slots))
    ) {
      const list = samplesOf(this.#ring, this.#asked);
      let count = 0;
      while (count < shape.records && this.#waiting.length > 0) {
        const part = this.#waiting[0]!.subarray(0, shape.records - count);
        list.set(part, 1 + count);
        count += part.length;
        const rest = this.#waiting[0]!.subarray(part.length);
        if (rest.length > 0) this.#waiting[0] = rest;
        else this.#waiting.shift();
      }
      list[0] = count;
      this.#asked++;
      Atomics.store(control, asked, this.#asked);
      Atomics.notify(control, asked);
    }
  }

  /** Samples that were hinted and not read yet. */
  #outstanding(): number {
    let samples = -this.#place;
    for (const waiting of this.#waiting) samples += waiting.length;
    for (let slot = this.#slot; slot < this.#asked; slot++) samples += samplesOf(this.#ring, slot)[0]!;
    return samples;
  }

  #forget(): void {
    this.#missed = 0;
    this.#waiting.length = 0;
    [this.#slot, this.#place] = [this.#asked, 0];
    this.#released = this.#asked;
  }

  #isFilled(slot: number): boolean {
    return Atomics.load(this.#ring.control, filled) > slot || Atomics.load(this.#ring.control, state) !== 0;
  }

  /** Only while something waits does the thread keep the process alive. */
  async #wait(slot: number): Promise<void> {
    const { control } = this.#ring;
    this.#worker.ref();
    try {
      while (!this.#isFilled(slot)) {
        const wait = Atomics.waitAsync(control, filled, Atomics.load(control, filled), 1000);
        if (wait.async) await wait.value;
      }
    } finally {
      this.#worker.unref();
    }
  }
}

/** Values of `state`. */
const ended = 1;
const failed = 2;
