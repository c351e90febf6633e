/** Trouble on purpose, for tests: threads that are thrown out and threads that are late, at moments drawn from a seed. */
import { randomSequence } from "../array/random.ts";

/** How threads are disturbed. */
export interface Disturb {
  readonly seed: number;
  /** Share of microbatches before which the thread throws; it is replaced. The thread that leads never does. */
  readonly thrown?: number;
  /** Share of microbatches before which the thread sleeps, and for how long at most. */
  readonly delayed?: number;
  readonly milliseconds?: number;
}

/** The trouble of one thread. */
export class Disturbance {
  readonly #disturb: Disturb;
  readonly #random: (index: number) => number;
  #drawn = 0;

  constructor(disturb: Disturb, member: number) {
    this.#disturb = member === 0 ? { ...disturb, thrown: 0 } : disturb;
    this.#random = randomSequence(disturb.seed, "disturbance", member + 1009 * (disturb.seed % 1000));
  }

  /** Called before a microbatch is run. */
  strike(step: number, microbatch: number): void {
    const { thrown = 0, delayed = 0, milliseconds = 10 } = this.#disturb;
    const [fate, length] = [this.#random(this.#drawn++), this.#random(this.#drawn++)];
    if (fate < thrown) throw new Error(`thrown out on purpose in step ${step}, microbatch ${microbatch}`);
    if (fate > 1 - delayed) {
      const nothing = new Int32Array(new SharedArrayBuffer(4));
      Atomics.wait(nothing, 0, 0, length * milliseconds);
    }
  }
}
