/** The memory that a prefetching thread and its reader share: a ring of slots, each with samples to read and their records. */

/** How large a ring is. */
export interface RingShape {
  readonly slots: number;
  /** Records that one slot holds. */
  readonly records: number;
  /** Bytes per record. */
  readonly stride: number;
}

/** Places in `control`. Counts only grow (and wrap): slots asked for, slots filled. */
export const asked = 0;
export const filled = 1;
/** 0 while all is well, 1 once the thread shall end, 2 once a read has failed. */
export const state = 2;

/** The ring, as both sides see it. */
export interface Ring {
  readonly shape: RingShape;
  readonly control: Int32Array<SharedArrayBuffer>;
  /** Of each slot: how many samples it holds, then which. */
  readonly samples: Uint32Array<SharedArrayBuffer>;
  readonly records: SharedArrayBuffer;
}

/** A new ring, all zero. */
export function createRing(shape: RingShape): Ring {
  const { slots, records, stride } = shape;
  return {
    shape,
    control: new Int32Array(new SharedArrayBuffer(16)),
    samples: new Uint32Array(new SharedArrayBuffer(4 * slots * (records + 1))),
    records: new SharedArrayBuffer(slots * records * stride),
  };
}

/** The samples of a slot; the first number is how many there are. */
export function samplesOf({ samples, shape }: Ring, slot: number): Uint32Array<SharedArrayBuffer> {
  const length = shape.records + 1;
  const at = (slot % shape.slots) * length;
  return samples.subarray(at, at + length);
}

/** Where a slot's records begin, in records. */
export function firstRecordOf({ shape }: Ring, slot: number): number {
  return (slot % shape.slots) * shape.records;
}
