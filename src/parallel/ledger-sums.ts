/** The sums of a batch in the ledger: which lanes are open, whose they are, where their sums lie, which of them can be added. */
import { type LaneNode, laneTree, type Merge } from "./lanes.ts";

/** A lane to sum, into a slot. */
export interface LaneTask {
  readonly kind: "lane";
  readonly lane: number;
  readonly slot: number;
}

/** Two finished sums to add. */
export interface MergeTask extends Merge {
  readonly kind: "merge";
  readonly node: number;
}

/** States of what can be taken. Anything from `taken` on is `taken` + the member that has it. */
export const states = { open: 0, done: 1, taken: 2 } as const;
const { open, done, taken } = states;

/** Words of memory for so many lanes and slots. */
export const sumWords = (lanes: number, slots: number) => 1 + 5 * lanes + slots;

/** A member's view of it. Changes are made under the ledger's lock. */
export class LedgerSums {
  /** How many lanes the batch has. */
  readonly #count: Int32Array;
  /** Of each node of the tree. */
  readonly #states: Int32Array;
  readonly #slotOf: Int32Array;
  /** How many of its microbatches the member that has a lane has begun. */
  readonly #begun: Int32Array;
  /** For each slot the node whose sum it holds, plus 1. Slot 0 is the first lane's, and in the end the total's. */
  readonly #holders: Int32Array;
  readonly #member: number;
  #tree: readonly (LaneNode | undefined)[] = [];
  #lanes = 0;

  constructor(words: Int32Array, { lanes, slots }: { lanes: number; slots: number }, member: number) {
    let at = 0;
    const part = (length: number) => {
      at += length;
      return words.subarray(at - length, at);
    };
    this.#count = part(1);
    this.#states = part(2 * lanes);
    this.#slotOf = part(2 * lanes);
    this.#begun = part(lanes);
    this.#holders = part(slots);
    this.#member = member;
  }

  open(lanes: number): void {
    Atomics.store(this.#count, 0, lanes);
    this.reopen();
  }

  /** All lanes are summed again. */
  reopen(): void {
    this.#states.fill(open);
    this.#holders.fill(0);
  }

  /** The next open lane, as long as there is a slot for it. */
  takeLane(): LaneTask | undefined {
    const lanes = this.#laneCount();
    const lane = this.#states.subarray(0, lanes).indexOf(open);
    const slot = lane === 0 ? 0 : this.#holders.indexOf(0, 1);
    if (lane < 0 || slot < 0) return undefined; // until an addition has made one free
    this.#begun[lane] = 0;
    this.#states[lane] = taken + this.#member;
    this.#slotOf[lane] = slot;
    this.#holders[slot] = lane + 1;
    return { kind: "lane", lane, slot };
  }

  /** While others are still at lanes. Then no more: the threads that have no lane left divide what is left to add. */
  takeMerge(): MergeTask | undefined {
    if (this.areLanesDone()) return undefined;
    for (let node = this.#laneCount(); node < this.#tree.length - 1; node++) {
      if (this.#states[node] !== open) continue;
      const { left, right } = this.#tree[node]!;
      if (this.#states[left] !== done || this.#states[right] !== done) continue;
      this.#states[node] = taken + this.#member;
      return { kind: "merge", node, into: this.#slotOf[left]!, from: this.#slotOf[right]! };
    }
    return undefined;
  }

  finish(task: LaneTask | MergeTask): void {
    if (task.kind === "merge") {
      this.#slotOf[task.node] = task.into;
      this.#holders[task.into] = task.node + 1;
      this.#holders[task.from] = 0;
    }
    this.#states[task.kind === "lane" ? task.lane : task.node] = done;
  }

  /** Opens again what a member has and will not finish. */
  lose(member: number): void {
    this.#laneCount();
    for (let node = 0; node < this.#tree.length; node++)
      if (this.#states[node] === taken + member) this.#undo(node);
  }

  /** What is left to add when all lanes are summed, in order; the total comes to lie in slot 0. */
  additions(): readonly Merge[] {
    this.#laneCount(); // whoever comes late has taken no lane of this batch
    const additions: Merge[] = [];
    /** Gives the slot with the sum of a node. */
    const add = (node: number): number => {
      if (this.#states[node] === done) return this.#slotOf[node]!;
      const { left, right } = this.#tree[node]!; // lanes are done
      const [into, from] = [add(left), add(right)];
      additions.push({ into, from });
      return into;
    };
    add(this.#tree.length - 1);
    return additions;
  }

  areLanesDone(): boolean {
    return this.#states.subarray(0, this.#laneCount()).every((state) => state === done);
  }

  isAnybodyBusy(): boolean {
    return this.#states.some((state) => state >= taken);
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

  /** What was added in place cannot be taken apart, so the lanes behind a node are summed again. */
  #undo(node: number): void {
    const slot = this.#slotOf[node]!;
    if (this.#holders[slot] === node + 1) this.#holders[slot] = 0; // else it has been merged, and its slot given on
    const { left, right } = this.#tree[node] ?? {};
    if (left !== undefined) this.#undo(left);
    if (right !== undefined) this.#undo(right);
    this.#states[node] = open;
  }

  /** The batch's lanes; the tree is made anew where their number has changed. */
  #laneCount(): number {
    const lanes = Atomics.load(this.#count, 0);
    if (lanes !== this.#lanes) {
      this.#tree = laneTree(lanes);
      this.#lanes = lanes;
    }
    return lanes;
  }
}
