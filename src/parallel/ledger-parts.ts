/** The parts of a total or of an update in the ledger: each is taken once, by whoever comes first. */
import { states } from "./ledger-sums.ts";

const { open, done, taken } = states;

/** Words of memory for so many parts. */
export const partWords = (parts: number) => 1 + parts;

/** A member's view of them. Changes are made under the ledger's lock. */
export class LedgerParts {
  readonly #count: Int32Array;
  readonly #all: Int32Array;
  readonly #member: number;

  constructor(words: Int32Array, member: number) {
    this.#count = words.subarray(0, 1);
    this.#all = words.subarray(1);
    this.#member = member;
  }

  open(parts: number): void {
    this.#all.fill(open, 0, parts);
    Atomics.store(this.#count, 0, parts);
  }

  take(): number | undefined {
    const part = this.#parts().indexOf(open);
    if (part < 0) return undefined;
    this.#all[part] = taken + this.#member;
    return part;
  }

  finish(part: number): void {
    this.#all[part] = done;
  }

  areDone(): boolean {
    return this.#parts().every((state) => state === done);
  }

  /** Whether a member has one that it has not finished. */
  hasTaken(member: number): boolean {
    return this.#parts().includes(taken + member);
  }

  /** Nobody takes what is open, and what a member had counts as done: all of it will be done again. */
  giveUp(member: number): void {
    const parts = this.#parts();
    parts.forEach((state, part) => {
      if (state === open || state === taken + member) parts[part] = done;
    });
  }

  #parts(): Int32Array {
    return this.#all.subarray(0, Atomics.load(this.#count, 0));
  }
}
