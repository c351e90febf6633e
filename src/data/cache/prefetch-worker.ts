/** The prefetching thread: reads the records of asked slots, one after the other, and sleeps when there are none. */
import { workerData } from "node:worker_threads";
import type { ColumnSpecs } from "../dataset.ts";
import { BlockReader } from "./block-reader.ts";
import { asked, filled, firstRecordOf, type Ring, samplesOf, state } from "./prefetch-ring.ts";
import { RecordFile } from "./record-file.ts";

/** What the thread is started with. */
export interface PrefetchWork {
  readonly ring: Ring;
  readonly path: string;
  readonly columns: ColumnSpecs;
  readonly samples: number;
  readonly dataOffset: number;
  /** Of the file that is open already, and stays so. */
  readonly descriptor: number;
}

const { ring, path, columns, samples, dataOffset, descriptor } = workerData as PrefetchWork; // prefetch.ts starts it with nothing else
const { control, shape } = ring;
const file = new RecordFile(path, columns, { samples, dataOffset }, descriptor);
const reader = new BlockReader(file);
const bytes = new Uint8Array(ring.records);

for (let slot = 0; Atomics.load(control, state) === 0; ) {
  if (Atomics.load(control, asked) === slot) {
    Atomics.wait(control, asked, slot);
    continue;
  }
  const list = samplesOf(ring, slot);
  const first = firstRecordOf(ring, slot) * shape.stride;
  try {
    reader.read(list.subarray(1, 1 + list[0]!), bytes.subarray(first, first + list[0]! * shape.stride));
  } catch {
    Atomics.store(control, state, 2); // the reader reads for itself, and throws what is wrong
  }
  slot++;
  Atomics.store(control, filled, slot);
  Atomics.notify(control, filled);
}
