/**
 * The samples of microbatches in shared memory: the thread that has the data fills slots, the threads that compute copy them
 * into their feeds and give the slots back. Computing threads so never read, decode or wait for a disk.
 */
import { bytesPerElement, type NumericDType, type TypedArray, viewOf } from "../array/dtype.ts";
import { elementCount } from "../array/shape.ts";
import { bug } from "../errors.ts";
import type { FedData } from "./feeds.ts";
import { HeldReader, type HeldSamples } from "./held-samples.ts";

/** A ring as it is sent to threads. Plain data. */
export interface RingPlan {
  readonly memory: SharedArrayBuffer;
  readonly slots: number;
  /** Samples that a slot has room for. */
  readonly samples: number;
  readonly columns: readonly RingColumn[];
}

/** One column of the samples. */
interface RingColumn {
  readonly name: string;
  readonly dtype: NumericDType;
  /** Of one sample. */
  readonly elements: number;
}

/** One slot. The arrays are views of the shared memory. */
export interface RingSlot {
  readonly samples: Uint32Array<ArrayBufferLike>;
  /** An array per column. */
  readonly values: readonly TypedArray[];
}

/**
 * Beside its samples a slot has two words: its state, and how many samples it holds. The state is 0 where it is free,
 * microbatch + 1 where anybody may claim it, and −(member + 1) where somebody has: one word, or a claim would for a moment
 * seem to be that of whoever had the slot before.
 */
const wordsPerSlot = 2;
const free = 0;
const alignment = 64;

/** At least two slots, at most `most`, and as many as `bytes` hold. */
export function createRing(
  data: FedData,
  columnNames: readonly string[],
  samples: number,
  { most, bytes }: { readonly most: number; readonly bytes: number },
): RingPlan {
  const columns = columnNames.map((name): RingColumn => {
    const { dtype, shape } = data.columns[name] ?? bug(`${data.name} lacks the column "${name}"`);
    return { name, dtype, elements: elementCount(shape) };
  });
  const perSlot = slotBytes({ samples, columns });
  const slots = Math.max(2, Math.min(most, Math.floor(bytes / perSlot)));
  return { memory: new SharedArrayBuffer(headerBytes(slots) + slots * perSlot), slots, samples, columns };
}

/** A thread's view of a ring. */
export class MicrobatchRing {
  readonly #words: Int32Array;
  readonly #slots: readonly RingSlot[];

  constructor(plan: RingPlan) {
    const { memory, slots } = plan;
    this.#words = new Int32Array(memory, 0, wordsPerSlot * slots);
    this.#slots = Array.from({ length: slots }, (_, slot) => openSlot(plan, slot));
  }

  /** A slot that can be filled. Only one thread may ask. */
  findFree(): number | undefined {
    for (let slot = 0; slot < this.#slots.length; slot++) {
      if (Atomics.load(this.#words, wordsPerSlot * slot) === free) return slot;
    }
    return undefined;
  }

  slot(slot: number): RingSlot {
    return this.#slots[slot]!;
  }

  /** From now on a slot holds a microbatch. */
  publish(slot: number, microbatch: number, samples: number): void {
    this.#words[wordsPerSlot * slot + 1] = samples;
    Atomics.store(this.#words, wordsPerSlot * slot, microbatch + 1);
  }

  /** The slot with a microbatch, which is the caller's until it is given back. */
  claim(microbatch: number, member: number): number | undefined {
    const held = microbatch + 1;
    for (let slot = 0; slot < this.#slots.length; slot++) {
      if (Atomics.compareExchange(this.#words, wordsPerSlot * slot, held, -(member + 1)) === held)
        return slot;
    }
    return undefined;
  }

  /** Whether a microbatch lies there for whoever claims it. */
  holds(microbatch: number): boolean {
    for (let slot = 0; slot < this.#slots.length; slot++)
      if (Atomics.load(this.#words, wordsPerSlot * slot) === microbatch + 1) return true;
    return false;
  }

  /** How many samples the microbatch in a slot has. */
  count(slot: number): number {
    return this.#words[wordsPerSlot * slot + 1]!;
  }

  release(slot: number): void {
    Atomics.store(this.#words, wordsPerSlot * slot, free);
  }

  /** Empties the slots that nobody has claimed. */
  empty(): void {
    for (let slot = 0; slot < this.#slots.length; slot++) {
      const held = Atomics.load(this.#words, wordsPerSlot * slot);
      if (held > free) Atomics.compareExchange(this.#words, wordsPerSlot * slot, held, free);
    }
  }

  /** Takes back what a member had claimed that is gone. */
  releaseOf(member: number): void {
    for (let slot = 0; slot < this.#slots.length; slot++)
      if (Atomics.load(this.#words, wordsPerSlot * slot) === -(member + 1)) this.release(slot);
  }
}

/** What a computing thread takes for the dataset: the samples of the slot that it has claimed. */
export class RingData implements FedData {
  readonly name: string;
  readonly columns: FedData["columns"];
  readonly weight?: string;
  readonly #ring: MicrobatchRing;
  readonly #places: ReadonlyMap<string, { readonly index: number; readonly elements: number }>;
  readonly #held: HeldReader | undefined;
  #slot = 0;

  /** held: the samples, where the ring only says which they are. */
  constructor(
    { name, columns, weight }: Omit<FedData, "read">,
    plan: RingPlan,
    ring: MicrobatchRing,
    held?: HeldSamples,
  ) {
    this.#held = held && new HeldReader(held);
    this.name = name;
    this.columns = columns;
    if (weight !== undefined) this.weight = weight;
    this.#ring = ring;
    this.#places = new Map(plan.columns.map(({ name, elements }, index) => [name, { index, elements }]));
  }

  /** Reads from this slot from now on. Gives its samples. */
  open(slot: number): Uint32Array {
    this.#slot = slot;
    return new Uint32Array(this.#ring.slot(slot).samples.subarray(0, this.#ring.count(slot)));
  }

  /** The samples are those of the slot, perhaps with the last one repeated. */
  read(column: string, samples: Uint32Array, into: TypedArray): void {
    if (this.#held !== undefined) {
      this.#held.read(column, samples, into);
      return;
    }
    const { index, elements } = this.#places.get(column) ?? bug(`the column "${column}" is not in the ring`);
    const held = this.#ring.count(this.#slot) * elements;
    const values = this.#ring.slot(this.#slot).values[index]!;
    (into as Float32Array).set(values.subarray(0, held) as Float32Array); // both of the column's dtype, whichever it is
    for (let at = held; at < samples.length * elements; at += elements)
      into.copyWithin(at, held - elements, held);
  }
}

const aligned = (bytes: number) => Math.ceil(bytes / alignment) * alignment;
const headerBytes = (slots: number) => aligned(4 * wordsPerSlot * slots);

const slotBytes = ({ samples, columns }: Pick<RingPlan, "samples" | "columns">) =>
  columns.reduce(
    (sum, { dtype, elements }) => sum + aligned(samples * elements * bytesPerElement(dtype)),
    aligned(4 * samples),
  );

function openSlot({ memory, slots, samples, columns }: RingPlan, slot: number): RingSlot {
  let at = headerBytes(slots) + slot * slotBytes({ samples, columns });
  const keys = new Uint32Array(memory, at, samples);
  at += aligned(4 * samples);
  const values = columns.map(({ dtype, elements }) => {
    const view = viewOf(dtype, memory, at, samples * elements);
    at += aligned(samples * elements * bytesPerElement(dtype));
    return view;
  });
  return { samples: keys, values };
}
