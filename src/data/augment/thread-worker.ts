/** The augmenting thread: changes the images of slot after slot where they lie, and sleeps when there are none. */
import { workerData } from "node:worker_threads";
import {
  type AugmentRing,
  asked,
  claimed,
  columnChanges,
  done,
  ended,
  raw,
  slotsOf,
  stateOf,
} from "./ring.ts";

const ring = workerData as AugmentRing; // thread.ts starts it with nothing else
const { control } = ring;
const slots = slotsOf(ring);
const change = columnChanges(ring.columns, ring.seed);

for (let next = 0; Atomics.load(control, ended) === 0; ) {
  if (Atomics.load(control, asked) === (next | 0)) {
    Atomics.wait(control, asked, next | 0);
    continue;
  }
  const slot = next++ % ring.slots;
  // The reader may have been faster: it has then taken the slot, and perhaps filled it anew, which is as good.
  if (Atomics.compareExchange(control, stateOf(slot), raw, claimed) !== raw) continue;
  const { samples, epochs, values, count } = slots[slot]!;
  change(samples, epochs, values, count[0]!);
  Atomics.store(control, stateOf(slot), done);
  Atomics.notify(control, stateOf(slot));
}
