/** Fills the ring of a crew: reads the samples of a batch's microbatches in the order in which they are likely to be needed. */
import type { AugmentedReader } from "../data/augment/reader.ts";
import type { Dataset } from "../data/dataset.ts";
import { readTogether } from "../data/read-together.ts";
import type { MicrobatchRequest } from "./feeds.ts";
import type { Ledger } from "./ledger.ts";
import type { MicrobatchRing, RingPlan } from "./microbatch-ring.ts";

/** From the first of a lane's microbatches up to, not including, the end. */
type Range = { readonly start: number; readonly end: number };

/** What a feeder reads, and where it puts it. */
export interface FeederParts {
  readonly dataset: Dataset;
  /** Reads so many of the ring's columns, the first ones, where the plan augments. */
  readonly augmented?: { readonly reader: AugmentedReader; readonly columns: number } | undefined;
  readonly ring: MicrobatchRing;
  readonly plan: RingPlan;
  readonly ledger: Ledger;
  /** Threads that take lanes. */
  readonly members: number;
}

export class Feeder {
  readonly #parts: FeederParts;
  readonly #columns: readonly string[];
  #requests: readonly MicrobatchRequest[] = [];
  #lanes: readonly Range[] = [];
  #wanted: number[] = [];
  /** Whether samples that were read before have to be read again, for lanes that are summed again. */
  #isReadAgain = false;

  constructor(parts: FeederParts) {
    this.#parts = parts;
    this.#columns = parts.plan.columns.map(({ name }) => name);
  }

  /** Begins a batch. */
  open(requests: readonly MicrobatchRequest[], lanes: readonly Range[]): void {
    [this.#requests, this.#lanes, this.#isReadAgain] = [requests, lanes, false];
    this.#parts.ring.empty();
    this.#wanted = feedingOrder(lanes, this.#parts.members);
  }

  /** Lanes have been opened again: what of their samples has been used is read anew. */
  readAgain(): void {
    this.#isReadAgain = true;
  }

  /** Nothing has moved for a while: where somebody waits for samples for which nothing makes room, the ring begins anew. */
  unblock(): void {
    const { ring, ledger } = this.#parts;
    const isFull = ring.findFree() === undefined;
    const isBlocked = this.#lanes.some(({ start, end }, lane) => {
      const next = start + ledger.sums.begun(lane);
      if (next >= end || !ledger.sums.isTaken(lane) || ring.holds(next)) return false;
      return isFull || !this.#wanted.includes(next);
    });
    if (isBlocked) this.#isReadAgain = true;
  }

  /** Reads this one next, if it has not been read yet. */
  prefer(microbatch: number): void {
    const at = this.#wanted.indexOf(microbatch);
    if (at > 0) this.#wanted.unshift(...this.#wanted.splice(at, 1));
  }

  /** Fills at most so many free slots. A promise only where the data has to be waited for. */
  fill(most: number): void | Promise<void> {
    if (this.#isReadAgain && this.#parts.ledger.phase === "sum") this.#beginAgain();
    const { ring, ledger } = this.#parts;
    for (let left = most; left > 0; left--) {
      const slot = this.#wanted.length === 0 ? undefined : ring.findFree();
      if (slot === undefined) return;
      const microbatch = this.#wanted.shift()!;
      const reading = this.#read(slot, this.#requests[microbatch]!);
      const publish = () => {
        ring.publish(slot, microbatch, this.#requests[microbatch]!.samples.length);
        ledger.bell.ring(); // a thread may be asleep that waits for it
      };
      if (reading !== undefined) return reading.then(publish).then(() => this.fill(left - 1));
      publish();
    }
  }

  /** Lanes that somebody is at come first, or the ring could be full of samples for threads that are gone. */
  #beginAgain(): void {
    this.#isReadAgain = false;
    const { ring, ledger, members } = this.#parts;
    ring.empty();
    const rest = this.#lanes.map(({ start, end }, lane) => ({
      start: start + ledger.sums.begun(lane),
      end,
      isTaken: ledger.sums.isTaken(lane),
    }));
    const taken = rest.filter(({ start, end, isTaken }) => isTaken && start < end);
    const open = rest.filter(({ start, end, isTaken }) => !isTaken && start < end);
    this.#wanted = [...feedingOrder(taken, taken.length), ...feedingOrder(open, members)];
  }

  #read(slot: number, { samples, epochs }: MicrobatchRequest): void | Promise<void> {
    const { dataset, augmented, ring } = this.#parts;
    const { samples: keys, values } = ring.slot(slot);
    keys.set(samples);
    const own = augmented?.columns ?? 0;
    const plain = this.#columns.slice(own).map((column, index) => {
      return () => dataset.read(column, samples, values[own + index]!);
    });
    if (augmented === undefined) return readTogether(plain);
    const { reader } = augmented;
    return readTogether([() => reader.read(samples, epochs!, values.slice(0, own)), ...plain]);
  }
}

/**
 * The microbatches of lanes in the order in which so many members come to them: as many lanes side by side as there are
 * members, then the next ones. Whatever fills the ring in this order never blocks it: the microbatches in it that come
 * first belong to lanes that somebody is at.
 */
export function feedingOrder(lanes: readonly Range[], members: number): number[] {
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
