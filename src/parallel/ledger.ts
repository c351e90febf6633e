/**
 * The ledger of a crew of threads: which lanes are open, whose they are, where their sums lie and which of them can be added.
 * It lies in shared memory, so that nobody has to be asked: a thread that is free takes the next task, one at a time.
 *
 * A batch goes through two phases, an update is a third. First lanes are summed, in order, and finished neighbours in the
 * fixed tree are added by whoever comes first. The last addition, which also measures the total, is divided into parts,
 * and so is the update. Nothing here depends on who does what, or when, in which numbers come out.
 */
import { type LaneNode, laneTree } from "./lanes.ts";

/** What there is to do for a thread. */
export type Task =
  | { readonly kind: "lane"; readonly lane: number; readonly slot: number }
  | {
      readonly kind: "merge";
      readonly node: number;
      readonly into: number;
      readonly from: number;
    }
  | { readonly kind: "total"; readonly part: number; readonly slots: readonly number[] }
  | { readonly kind: "update"; readonly part: number };

/** What happens to the tasks of a thread that is gone. */
export type Loss = "done again" | "torn";

/** What a ledger has room for. Plain data. */
export interface LedgerSize {
  /** Threads, with the one that leads them, which is number 0. */
  readonly members: number;
  /** The most lanes that a batch can have. */
  readonly lanes: number;
  /** Regions for sums; at least 1 + log₂ of the lanes. */
  readonly slots: number;
  /** The most parts of a total and of an update. */
  readonly parts: number;
}

const words = { lock: 0, bell: 1, phase: 2, lanes: 3, parts: 4, torn: 5, header: 6 } as const;
const phases = { rest: 0, sum: 1, total: 2, summed: 3, update: 4, updated: 5, failed: 6, ended: 7 } as const;
type Phase = keyof typeof phases;

/** Milliseconds before a thread that has nothing to do goes to sleep: to be woken takes about as long. */
const awakeMs = 0.1;

/** States of a node. Anything from `taken` on is `taken` + the member that has it. */
const [open, done, taken] = [0, 1, 2];

/** Memory for a ledger, to be shared. */
export function createLedgerMemory({ lanes, slots, parts }: LedgerSize): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * (words.header + 5 * lanes + slots + parts));
}

/** One thread's view of the ledger. Every change is made under its lock; whoever waits is woken by its bell. */
export class Ledger {
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

  constructor(memory: SharedArrayBuffer, { lanes, slots, parts }: LedgerSize, member: number) {
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
  }

  get phase(): Phase {
    return phaseNames[Atomics.load(this.#control, words.phase)]!;
  }

  /** Changes whenever there may be something new to do. Read it before looking, and wait for another value. */
  get bell(): number {
    return Atomics.load(this.#control, words.bell);
  }

  /** Sleeps until the bell differs from what was read, or so many milliseconds. False where nothing happened. */
  wait(bell: number, milliseconds: number): boolean {
    for (const end = performance.now() + awakeMs; performance.now() < end; )
      if (this.bell !== bell) return true;
    return Atomics.wait(this.#control, words.bell, bell, milliseconds) !== "timed-out";
  }

  ring(): void {
    Atomics.add(this.#control, words.bell, 1);
    Atomics.notify(this.#control, words.bell);
  }

  /** Opens a batch of so many lanes, whose total is measured in so many parts. */
  openBatch(lanes: number, parts: number): void {
    this.#locked(() => {
      Atomics.store(this.#control, words.lanes, lanes);
      Atomics.store(this.#control, words.parts, parts);
      this.#reopen();
    });
    this.ring();
  }

  /** Opens an update in so many parts. */
  openUpdate(parts: number): void {
    this.#locked(() => this.#openParts("update", parts));
    this.ring();
  }

  /** Nothing more is to be done: with what was begun, or ever. */
  end(phase: "rest" | "failed" | "ended"): void {
    // What has ended stays so: a thread that fails late must not wake the others again.
    if (this.phase !== "ended") Atomics.store(this.#control, words.phase, phases[phase]);
    this.ring();
  }

  /** Something to do, which is the caller's from now on; undefined where there is nothing at the moment. */
  take(): Task | undefined {
    if (!(this.phase in openPhases)) return undefined;
    return this.#locked(() => {
      if (this.phase === "sum") return this.#takeMerge() ?? this.#takeLane();
      return this.phase === "total" || this.phase === "update" ? this.#takePart(this.phase) : undefined;
    });
  }

  /** The caller has done what it took. */
  finish(task: Task): void {
    this.#locked(() => {
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
    this.ring();
  }

  /** Opens again what a member had taken and will not finish. "torn" where that was a part of an update. */
  lose(member: number): Loss {
    // Whoever is gone cannot give the lock back.
    Atomics.compareExchange(this.#control, words.lock, member + 1, 0);
    const loss = this.#locked((): Loss => {
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
    this.ring();
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

  #takeMerge(): Task | undefined {
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
      if (slot < 0) return this.#isStuck() ? this.#beginAgain() : undefined; // until a merge has made one free
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
  #isStuck(): boolean {
    return this.#states.every((state) => state < taken);
  }

  #beginAgain(): Task | undefined {
    this.#reopen();
    return this.#takeLane();
  }

  #takePart(kind: "total" | "update"): Task | undefined {
    const part = this.#partStates.indexOf(open);
    if (part < 0 || part >= Atomics.load(this.#control, words.parts)) return undefined;
    this.#partStates[part] = taken + this.#member;
    return kind === "update"
      ? { kind, part }
      : { kind, part, slots: this.#last().map((node) => this.#slotOf[node]!) };
  }

  /** The nodes that the total is the sum of. */
  #last(): readonly number[] {
    this.#laneCount(); // whoever comes late has taken no lane of this batch
    const root = this.#nodes.at(-1);
    return root === undefined ? [0] : [root.left, root.right];
  }

  #closeSum(): void {
    if (this.phase !== "sum" || this.#last().some((node) => this.#states[node] !== done)) return;
    this.#openParts("total", Atomics.load(this.#control, words.parts));
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

  #locked<Result>(change: () => Result): Result {
    const own = this.#member + 1;
    for (;;) {
      const holder = Atomics.compareExchange(this.#control, words.lock, 0, own);
      if (holder === 0) break;
      Atomics.wait(this.#control, words.lock, holder, 10);
    }
    try {
      return change();
    } finally {
      Atomics.store(this.#control, words.lock, 0);
      Atomics.notify(this.#control, words.lock, 1);
    }
  }
}

const phaseNames = Object.keys(phases) as Phase[]; // in the order of their numbers
const openPhases: Partial<Record<Phase, true>> = { sum: true, total: true, update: true };
