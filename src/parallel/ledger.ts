/**
 * The ledger of a crew of threads: what there is to do, and who does it. It lies in shared memory, so that nobody has to be
 * asked: a thread that is free takes the next task, one at a time.
 *
 * A batch goes through two phases, an update is a third. First lanes are summed, in order, and finished neighbours in the
 * fixed tree are added by whoever comes first. Once all lanes are summed, what is left to add is divided into parts, which
 * also measure the total, and so is the update. Nothing here depends on who does what, or when, in which numbers come out.
 */
import { Bell, Lock } from "./bell.ts";
import type { Merge } from "./lanes.ts";
import { LedgerParts, partWords } from "./ledger-parts.ts";
import { type LaneTask, LedgerSums, type MergeTask, sumWords } from "./ledger-sums.ts";

/** What there is to do for a thread. */
export type Task =
  | LaneTask
  | MergeTask
  /** The additions that are left, in this order; the total comes to lie in slot 0. */
  | { readonly kind: "total"; readonly part: number; readonly additions: readonly Merge[] }
  | { readonly kind: "update"; readonly part: number };

/** What happens to the tasks of a thread that is gone. */
export type Loss = "done again" | "torn";

/** What a ledger has room for. Plain data. */
export interface LedgerSize {
  /** The most lanes that a batch can have. */
  readonly lanes: number;
  /** Regions for sums; at least 1 + log₂ of the lanes. */
  readonly slots: number;
  /** The most parts of a total and of an update. */
  readonly parts: number;
  /** Whether there are more threads than cores. */
  readonly isCrowded: boolean;
}

const words = { lock: 0, bell: 1, phase: 2, partsOfTotal: 3, torn: 4, header: 5 } as const;
const phases = { rest: 0, sum: 1, total: 2, summed: 3, update: 4, updated: 5, failed: 6, ended: 7 } as const;
type Phase = keyof typeof phases;

/** Memory for a ledger, to be shared. */
export function createLedgerMemory({ lanes, slots, parts }: LedgerSize): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * (words.header + sumWords(lanes, slots) + partWords(parts)));
}

/** One thread's view of the ledger. Every change is made under its lock; whoever waits is woken by its bell. */
export class Ledger {
  readonly bell: Bell;
  /** What can be asked without the lock: how far lanes are. */
  readonly sums: LedgerSums;
  readonly #lock: Lock;
  readonly #control: Int32Array;
  readonly #parts: LedgerParts;

  constructor(memory: SharedArrayBuffer, size: LedgerSize, member: number) {
    const all = new Int32Array(memory);
    const partsAt = words.header + sumWords(size.lanes, size.slots);
    this.#control = all.subarray(0, words.header);
    this.sums = new LedgerSums(all.subarray(words.header, partsAt), size, member);
    this.#parts = new LedgerParts(all.subarray(partsAt), member);
    this.bell = new Bell(all.subarray(words.bell), size.isCrowded);
    this.#lock = new Lock(all.subarray(words.lock), member);
  }

  get phase(): Phase {
    return phaseNames[Atomics.load(this.#control, words.phase)]!;
  }

  /** Opens a batch of so many lanes, whose total is measured in so many parts. */
  openBatch(lanes: number, parts: number): void {
    this.#lock.during(() => {
      Atomics.store(this.#control, words.partsOfTotal, parts);
      Atomics.store(this.#control, words.torn, 0);
      this.sums.open(lanes);
      this.#begin("sum");
    });
    this.bell.ring();
  }

  /** Opens an update in so many parts. */
  openUpdate(parts: number): void {
    this.#lock.during(() => this.#openParts("update", parts));
    this.bell.ring();
  }

  /** Nothing more is to be done: with what was begun, or ever. */
  end(phase: "rest" | "failed" | "ended"): void {
    this.#lock.during(() => {
      // What has ended stays so: a thread that fails late must not wake the others again.
      if (this.phase !== "ended") this.#begin(phase);
    });
    this.bell.ring();
  }

  /** Something to do, which is the caller's from now on; undefined where there is nothing at the moment. */
  take(): Task | undefined {
    if (!(this.phase in openPhases)) return undefined;
    return this.#lock.during(() => {
      const { phase, sums } = this;
      // Lanes come first, so that all threads are done with theirs at about the same time.
      if (phase === "sum") return sums.takeLane() ?? sums.takeMerge() ?? this.#beginAgainIfStuck();
      const part = phase === "total" || phase === "update" ? this.#parts.take() : undefined;
      if (part === undefined) return undefined;
      return phase === "total"
        ? { kind: phase, part, additions: sums.additions() }
        : { kind: "update", part };
    });
  }

  /** The caller has done what it took. */
  finish(task: Task): void {
    this.#lock.during(() => {
      if (task.kind === "lane" || task.kind === "merge") {
        this.sums.finish(task);
        this.#closeSum();
      } else {
        this.#parts.finish(task.part);
        this.#closeParts();
      }
    });
    this.bell.ring();
  }

  /** Opens again what a member had taken and will not finish. "torn" where that was a part of an update. */
  lose(member: number): Loss {
    this.#lock.free(member);
    const loss = this.#lock.during((): Loss => {
      if (this.phase === "update") return this.#parts.hasTaken(member) ? "torn" : "done again";
      if (this.phase === "total" && this.#parts.hasTaken(member)) {
        // What they added may lie there or not. Once the others are done with theirs, all lanes are summed again.
        this.#parts.giveUp(member);
        Atomics.store(this.#control, words.torn, 1);
        this.#closeParts();
      }
      if (this.phase === "sum") this.sums.lose(member);
      return "done again";
    });
    this.bell.ring();
    return loss;
  }

  /**
   * Sums fill all slots, no two of them can be added, and nobody is at anything. Only when a thread was lost over an addition:
   * its lanes are open again, in fewer slots than they need, since the others had run ahead meanwhile.
   */
  #beginAgainIfStuck(): Task | undefined {
    if (this.sums.areLanesDone() || this.sums.isAnybodyBusy()) return undefined;
    this.sums.reopen();
    return this.sums.takeLane();
  }

  #closeSum(): void {
    if (this.phase !== "sum" || !this.sums.areLanesDone() || this.sums.isAnybodyBusy()) return;
    this.#openParts("total", Atomics.load(this.#control, words.partsOfTotal));
  }

  #openParts(phase: "total" | "update", parts: number): void {
    this.#parts.open(parts);
    this.#begin(phase);
  }

  #closeParts(): void {
    const { phase } = this;
    if ((phase !== "total" && phase !== "update") || !this.#parts.areDone()) return;
    if (Atomics.exchange(this.#control, words.torn, 0) === 1) {
      this.sums.reopen();
      this.#begin("sum");
    } else this.#begin(phase === "total" ? "summed" : "updated");
  }

  #begin(phase: Phase): void {
    Atomics.store(this.#control, words.phase, phases[phase]);
  }
}

const phaseNames = Object.keys(phases) as Phase[]; // in the order of their numbers
const openPhases: Partial<Record<Phase, true>> = { sum: true, total: true, update: true };
