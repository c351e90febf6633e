/** Trouble on purpose, for tests: threads that are thrown out and threads that are late, at moments drawn from a seed. */
import { randomSequence } from "../array/random.ts";

export type DisturbedPhase = "start" | "training" | "evaluation";

/** How threads are disturbed. */
export interface Disturb {
  readonly seed: number;
  /** Share of microbatches before which the thread throws; it is replaced. The thread that leads never does. */
  readonly thrown?: number;
  /** Share of microbatches before which the thread sleeps, and for how long at most. */
  readonly delayed?: number;
  readonly milliseconds?: number;
  /** Share of microbatches from which the thread does not come back for an hour. The thread that leads always does. */
  readonly stuck?: number;
  /** Which microbatches are meant, or that a thread starts. Default: those that gradients are summed over. */
  readonly phase?: DisturbedPhase;
}

/** The trouble of one thread. */
export class Disturbance {
  readonly #disturb: Disturb;
  readonly #random: (index: number) => number;
  #drawn = 0;

  constructor(disturb: Disturb, member: number) {
    this.#disturb = member === 0 ? { ...disturb, thrown: 0, stuck: 0 } : disturb;
    this.#random = randomSequence(disturb.seed, "disturbance", member + 1009 * (disturb.seed % 1000));
  }

  /** Called before something is done. */
  strike(phase: DisturbedPhase, where: string): void {
    const { thrown = 0, delayed = 0, milliseconds = 10, stuck = 0 } = this.#disturb;
    if (phase !== (this.#disturb.phase ?? "training")) return;
    const [fate, length] = [this.#random(this.#drawn++), this.#random(this.#drawn++)];
    if (fate < thrown) throw new Error(`thrown out on purpose in ${where}`);
    if (fate < thrown + stuck) sleep(3_600_000);
    if (fate > 1 - delayed) sleep(length * milliseconds);
  }
}

function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
