/**
 * The ledger of a crew of threads: which lanes are open, whose they are, where their sums lie and which of them can be added.
 * It lies in shared memory, so that nobody has to be asked: a thread that is free takes the next task, one at a time.
 *
 * A batch goes through two phases, an update is a third. First lanes are summed, in order, and finished neighbours in the
 * fixed tree are added by whoever comes first. Once all lanes are summed, what is left to add is divided into parts, which
 * also measure the total, and so is the update. Nothing here depends on who does what, or when, in which numbers come out.
 */
import { Bell, Lock } from "./bell.ts";
import { type LaneNode, laneTree } from "./lanes.ts";

/** Adds the sum in one slot to that in another. */
export interface Addition {
  readonly into: number;
  readonly from: number;
}

/** What there is to do for a thread. */
export type Task =
  | { readonly kind: "lane"; readonly lane: number; readonly slot: number }
  | ({ readonly kind: "merge"; readonly node: number } & Addition)
  /** The additions that are left, in this order; the total comes to lie in slot 0. */
  | { readonly kind: "total"; readonly part: number; readonly additions: readonly Addition[] }
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

const words = { lock: 0, bell: 1, phase: 2, lanes: 3, parts: 4, torn: 5, header: 6 } as const;
const phases = { rest: 0, sum: 1, total: 2, summed: 3, update: 4, updated: 5, failed: 6, ended: 7 } as const;
type Phase = keyof typeof phases;

/** States of a node. Anything from `taken` on is `taken` + the member that has it. */
const [open, done, taken] = [0, 1, 2];

/** Memory for a ledger, to be shared. */
export function createLedgerMemory({ lanes, slots, parts }: LedgerSize): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * (words.header + 5 * lanes + slots + parts));
}

/** One thread's view of the ledger. Every change is made under its lock; whoever waits is woken by its bell. */
export class Ledger {
  readonly bell: Bell;
  readonly #lock: Lock;
  readonly #control: Int32Array;
  readonly #states: Int32Array;
  readonly #slotOf: Int32Array;
  /** How many of its microbatches the member that has a lane has begun. */
  readonly #begun: Int32Array;
  /** For each slot the node whose sum it holds, plus 1. Slot 0 is the first lane's, and in the end the total's. */
  readonly #holders: Int32Array;
  /** State of each part. */
  readonly #partStates: Int32Array;
  readonly #member: number;
  #nodes: readonly (LaneNode | undefined)[] = [];
  #lanes = 0;

  constructor(memory: SharedArrayBuffer, { lanes, slots, parts, isCrowded }: LedgerSize, member: number) {
    let at = 0;
    const view = (length: number) => {
      const words = new Int32Array(memory, 4 * at, length);
      at += length;
      return words;
    };
    this.#control = view(words.header);
    this.#states = view(2 * lanes);
    this.#slotOf = view(2 * lanes);
    this.#begun = view(lanes);
    this.#holders = view(slots);
    this.#partStates = view(parts);
    this.#member = member;
    this.bell = new Bell(this.#control.subarray(words.bell), isCrowded);
    this.#lock = new Lock(this.#control.subarray(words.lock), member);
  }

  get phase(): Phase {
    return phaseNames[Atomics.load(this.#control, words.phase)]!;
  }

  /** Opens a batch of so many lanes, whose total is measured in so many parts. */
  openBatch(lanes: number, parts: number): void {
    this.#lock.during(() => {
      Atomics.store(this.#control, words.lanes, lanes);
      Atomics.store(this.#control, words.parts, parts);
      this.#reopen();
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
    // What has ended stays so: a thread that fails late must not wake the others again.
    if (this.phase !== "ended") Atomics.store(this.#control, words.phase, phases[phase]);
    this.bell.ring();
  }

  /** Something to do, which is the caller's from now on; undefined where there is nothing at the moment. */
  take(): Task | undefined {
    if (!(this.phase in openPhases)) return undefined;
    return this.#lock.during(() => {
      // Lanes come first, so that all threads are done with theirs at about the same time.
      if (this.phase === "sum") return this.#takeLane() ?? this.#takeMerge() ?? this.#beginAgainIfStuck();
      return this.phase === "total" || this.phase === "update" ? this.#takePart(this.phase) : undefined;
    });
  }

  /** The caller has done what it took. */
  finish(task: Task): void {
    this.#lock.during(() => {
      if (task.kind === "total" || task.kind === "update") {
        this.#partStates[task.part] = done;
        this.#closeParts();
        return;
      }
      const node = task.kind === "lane" ? task.lane : task.node;
      if (task.kind === "merge") {
        this.#slotOf[node] = task.into;
        this.#holders[task.into] = node + 1;
        this.#holders[task.from] = 0;
      }
      this.#states[node] = done;
      this.#closeSum();
    });
    this.bell.ring();
  }

  /** Opens again what a member had taken and will not finish. "torn" where that was a part of an update. */
  lose(member: number): Loss {
    this.#lock.free(member);
    const loss = this.#lock.during((): Loss => {
      const isTheirs = (state: number) => state === taken + member;
      if (this.phase === "update") return this.#partStates.some(isTheirs) ? "torn" : "done again";
      if (this.phase === "total" && this.#partStates.some(isTheirs)) {
        // What they added may lie there or not. Once the others are done with theirs, all lanes are summed again.
        this.#partStates.forEach((state, part) => {
          if (state === open || isTheirs(state)) this.#partStates[part] = done;
        });
        Atomics.store(this.#control, words.torn, 1);
        this.#closeParts();
      }
      if (this.phase === "sum") {
        this.#laneCount();
        for (let node = 0; node < this.#nodes.length; node++)
          if (isTheirs(this.#states[node]!)) this.#undo(node);
      }
      return "done again";
    });
    this.bell.ring();
    return loss;
  }

  /** The member that has a lane has got its next microbatch. */
  begin(lane: number): void {
    Atomics.add(this.#begun, lane, 1);
  }

  /** How many microbatches of a lane have been begun; infinitely many of one that is finished. */
  begun(lane: number): number {
    const state = Atomics.load(this.#states, lane);
    if (state === done) return Number.POSITIVE_INFINITY;
    return state === open ? 0 : Atomics.load(this.#begun, lane);
  }

  /** Whether somebody is at a lane. */
  isTaken(lane: number): boolean {
    return Atomics.load(this.#states, lane) >= taken;
  }

  /** While others are still at lanes. Then no more: the threads that have no lane left divide what is left to add. */
  #takeMerge(): Task | undefined {
    if (this.#areLanesDone()) return undefined;
    for (let node = this.#laneCount(); node < this.#nodes.length - 1; node++) {
      if (this.#states[node] !== open) continue;
      const { left, right } = this.#nodes[node]!;
      if (this.#states[left] !== done || this.#states[right] !== done) continue;
      this.#states[node] = taken + this.#member;
      return { kind: "merge", node, into: this.#slotOf[left]!, from: this.#slotOf[right]! };
    }
    return undefined;
  }

  #takeLane(): Task | undefined {
    const lanes = this.#laneCount();
    for (let lane = 0; lane < lanes; lane++) {
      if (this.#states[lane] !== open) continue;
      const slot = lane === 0 ? 0 : this.#holders.indexOf(0, 1);
      if (slot < 0) return undefined; // until a merge has made one free
      this.#begun[lane] = 0;
      this.#states[lane] = taken + this.#member;
      this.#slotOf[lane] = slot;
      this.#holders[slot] = lane + 1;
      return { kind: "lane", lane, slot };
    }
    return undefined;
  }

  /**
   * Sums fill all slots, no two of them can be added, and nobody is at anything. Only when a thread was lost over an addition:
   * its lanes are open again, in fewer slots than they need, since the others had run ahead meanwhile.
   */
  #beginAgainIfStuck(): Task | undefined {
    if (this.#areLanesDone() || this.#isAnybodyBusy()) return undefined;
    this.#reopen();
    return this.#takeLane();
  }

  #takePart(kind: "total" | "update"): Task | undefined {
    const part = this.#partStates.indexOf(open);
    if (part < 0 || part >= Atomics.load(this.#control, words.parts)) return undefined;
    this.#partStates[part] = taken + this.#member;
    return kind === "update" ? { kind, part } : { kind, part, additions: this.#additions() };
  }

  /** What is left to add when all lanes are summed. */
  #additions(): readonly Addition[] {
    this.#laneCount(); // whoever comes late has taken no lane of this batch
    const additions: Addition[] = [];
    /** Gives the slot with the sum of a node. */
    const add = (node: number): number => {
      if (this.#states[node] === done) return this.#slotOf[node]!;
      const { left, right } = this.#nodes[node]!; // lanes are done
      const [into, from] = [add(left), add(right)];
      additions.push({ into, from });
      return into;
    };
    add(this.#nodes.length - 1);
    return additions;
  }

  #closeSum(): void {
    if (this.phase !== "sum" || !this.#areLanesDone() || this.#isAnybodyBusy()) return;
    this.#openParts("total", Atomics.load(this.#control, words.parts));
  }

  #isAnybodyBusy(): boolean {
    return this.#states.some((state) => state >= taken);
  }

  #areLanesDone(): boolean {
    const lanes = this.#laneCount();
    for (let lane = 0; lane < lanes; lane++) if (this.#states[lane] !== done) return false;
    return true;
  }

  #openParts(phase: "total" | "update", parts: number): void {
    this.#partStates.fill(open, 0, parts);
    Atomics.store(this.#control, words.parts, parts);
    Atomics.store(this.#control, words.phase, phases[phase]);
  }

  #closeParts(): void {
    const parts = Atomics.load(this.#control, words.parts);
    if (this.phase !== "total" && this.phase !== "update") return;
    if (this.#partStates.subarray(0, parts).some((state) => state !== done)) return;
    if (Atomics.load(this.#control, words.torn) === 1) {
      this.#reopen();
      return;
    }
    const next = this.phase === "total" ? phases.summed : phases.updated;
    Atomics.store(this.#control, words.phase, next);
  }

  #reopen(): void {
    this.#states.fill(open);
    this.#holders.fill(0);
    Atomics.store(this.#control, words.torn, 0);
    this.#laneCount();
    Atomics.store(this.#control, words.phase, phases.sum);
  }

  /** What was added in place cannot be taken apart, so the lanes behind a node are summed again. */
  #undo(node: number): void {
    const slot = this.#slotOf[node]!;
    if (this.#holders[slot] === node + 1) this.#holders[slot] = 0; // else it has been merged, and its slot given on
    const { left, right } = this.#nodes[node] ?? {};
    if (left !== undefined) this.#undo(left);
    if (right !== undefined) this.#undo(right);
    this.#states[node] = open;
  }

  /** The batch's lanes; the tree is made anew where their number has changed. */
  #laneCount(): number {
    const lanes = Atomics.load(this.#control, words.lanes);
    if (lanes !== this.#lanes) {
      this.#nodes = laneTree(lanes);
      this.#lanes = lanes;
    }
    return lanes;
  }
}

const phaseNames = Object.keys(phases) as Phase[]; // in the order of their numbers
const openPhases: Partial<Record<Phase, true>> = { sum: true, total: true, update: true };
