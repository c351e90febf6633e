/** The memory that a reader and its augmenting thread share: a ring of slots, each with some samples' columns. */
import { bytesPerElement, type TypedArray, viewOf } from "../../array/dtype.ts";
import { elementCount } from "../../array/shape.ts";
import type { ColumnSpec } from "../dataset.ts";
import type { Augmentation } from "./augmentation.ts";
import { openChanges, type SampleChange } from "./changes.ts";

/** A column as it is read, with what is done to it; nothing for most. */
export interface AugmentedColumn {
  readonly name: string;
  readonly spec: ColumnSpec;
  readonly list: readonly Augmentation[];
}

/** Everything a thread needs, as it crosses to it. */
export interface AugmentRing {
  readonly columns: readonly AugmentedColumn[];
  readonly seed: number;
  readonly slots: number;
  /** Samples that one slot holds. */
  readonly samples: number;
  /**
   * At `asked` how many slots have been given to the thread so far, at `ended` 1 once it shall end; then a
   * state per slot.
   */
  readonly control: Int32Array<SharedArrayBuffer>;
  /** Of each slot: how many samples it holds, then which, then in which epoch each. */
  readonly keys: SharedArrayBuffer;
  readonly bytes: SharedArrayBuffer;
}

export const asked = 0;
export const ended = 1;
/** Where a slot's state lies in `control`. */
export const stateOf = (slot: number) => 2 + slot;

/** The reader's own: nothing in it is to be augmented. Must be 0, as new memory is. */
export const idle = 0;
/** To be augmented, by whoever comes first: the thread, or the reader who needs it now. */
export const raw = 1;
/** The thread is at it. */
export const claimed = 2;
export const done = 3;

/** Small enough that a reader who cannot wait for the thread is done with one soon. */
const [mostSlotBytes, mostSamples] = [2 ** 18, 64];
/** Enough for some batches; more would be out of the processor's cache for nothing. */
const [mostBytes, mostSlots, fewestSlots] = [2 ** 24, 64, 4];

/** A new ring. */
export function createRing(columns: readonly AugmentedColumn[], seed: number): AugmentRing {
  const sampleBytes = columns.reduce((sum, { spec }) => sum + bytesOf(spec), 0);
  const samples = Math.max(1, Math.min(mostSamples, Math.floor(mostSlotBytes / sampleBytes)));
  const slotBytes = bytesOfSlot(columns, samples);
  const slots = Math.max(fewestSlots, Math.min(mostSlots, Math.floor(mostBytes / slotBytes)));
  return {
    columns,
    seed,
    slots,
    samples,
    control: new Int32Array(new SharedArrayBuffer(4 * stateOf(slots))),
    keys: new SharedArrayBuffer(4 * slots * (1 + 2 * samples)),
    bytes: new SharedArrayBuffer(slots * slotBytes),
  };
}

/** One slot, as both sides see it. */
export interface Slot {
  /** One number: how many samples are in it. */
  readonly count: Uint32Array;
  readonly samples: Uint32Array;
  readonly epochs: Uint32Array;
  /** Each column's values, sample after sample. */
  readonly values: readonly TypedArray[];
}

/** The slots of a ring. */
export function slotsOf({ columns, slots, samples, keys, bytes }: AugmentRing): Slot[] {
  const slotBytes = bytesOfSlot(columns, samples);
  return Array.from({ length: slots }, (_, slot) => {
    const first = 4 * slot * (1 + 2 * samples);
    let offset = slot * slotBytes;
    const values = columns.map(({ spec }) => {
      const view = viewOf(spec.dtype, bytes, offset, samples * elementCount(spec.shape));
      offset += aligned(view.byteLength);
      return view;
    });
    return {
      count: new Uint32Array(keys, first, 1),
      samples: new Uint32Array(keys, first + 4, samples),
      epochs: new Uint32Array(keys, first + 4 + 4 * samples, samples),
      values,
    };
  });
}

const bytesOf = ({ dtype, shape }: ColumnSpec) => bytesPerElement(dtype) * elementCount(shape);
const aligned = (bytes: number) => Math.ceil(bytes / 8) * 8;
const bytesOfSlot = (columns: readonly AugmentedColumn[], samples: number) =>
  columns.reduce((sum, { spec }) => sum + aligned(bytesOf(spec) * samples), 0);

/** Augments samples where they lie, one value after the other in each column. */
export type ColumnChanges = (
  samples: Uint32Array,
  epochs: Uint32Array,
  values: readonly TypedArray[],
  count: number,
) => void;

/** What is done to the columns, as the reader and the thread both do it. */
export function columnChanges(columns: readonly AugmentedColumn[], seed: number): ColumnChanges {
  const changed = columns.flatMap(({ name, spec, list }, index) =>
    list.length === 0
      ? []
      : [{ index, elements: elementCount(spec.shape), change: openChanges(name, list, spec, seed) }],
  );
  return (samples, epochs, values, count) => {
    for (const { index, elements, change } of changed) {
      changeColumn(change, values[index] as Uint8Array, elements, samples, epochs, count); // openChanges takes no other
    }
  };
}

function changeColumn(
  change: SampleChange,
  values: Uint8Array,
  elements: number,
  samples: Uint32Array,
  epochs: Uint32Array,
  count: number,
): void {
  for (let at = 0; at < count; at++) {
    change(values.subarray(at * elements, (at + 1) * elements), epochs[at]!, samples[at]!);
  }
}
