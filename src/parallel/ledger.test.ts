/** The ledger by itself: a crew that is made up takes, finishes and loses tasks in every order that comes of thousands of seeds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { randomSequence } from "../array/random.ts";
import { laneTree, mergeSchedule } from "./lanes.ts";
import { createLedgerMemory, Ledger, type Task } from "./ledger.ts";

/** The sum that the fixed tree makes, written down: L0, ((L0+L1)+L2). */
function writtenTree(lanes: number): string {
  const nodes = laneTree(lanes);
  const write = (node: number): string => {
    const both = nodes[node];
    return both === undefined ? `L${node}` : `(${write(both.left)}+${write(both.right)})`;
  };
  return write(nodes.length - 1);
}

/** A crew whose sums are texts, one for every part of every slot. */
class MadeUpCrew {
  readonly leader: Ledger;
  readonly sums: string[][];
  /** How often each part of the update was applied. */
  readonly updates: number[];
  readonly #random: (index: number) => number;
  readonly #size;
  readonly #members: number;
  readonly #memory: SharedArrayBuffer;
  readonly #ledgers: (Ledger | undefined)[];
  readonly #tasks: (Task | undefined)[];
  readonly #lossRate: number;
  #drawn = 0;

  constructor(seed: number, lanes: number, losses: number) {
    this.#random = randomSequence(seed, "ledger", 0);
    const members = 1 + this.draw(5);
    const slots = Math.min(lanes, mergeSchedule(lanes).slots + members - 1); // as a run has
    const parts = 1 + this.draw(4);
    this.#members = members;
    this.#size = { lanes, slots, parts, isCrowded: false };
    this.#memory = createLedgerMemory(this.#size);
    this.#ledgers = Array.from({ length: members }, (_, member) => this.#ledgerOf(member));
    this.#tasks = this.#ledgers.map(() => undefined);
    this.leader = this.#ledgers[0]!;
    this.sums = Array.from({ length: slots }, () => Array.from({ length: parts }, () => "?"));
    this.updates = Array.from({ length: parts }, () => 0);
    this.#lossRate = losses;
  }

  get parts(): number {
    return this.#size.parts;
  }

  draw(below: number): number {
    return Math.floor(below * this.#random(this.#drawn++));
  }

  /** Lets members move in any order until the ledger is where it should be. Gives false where an update was torn. */
  work(until: "summed" | "updated"): boolean {
    for (let idle = 0; this.leader.phase !== until; ) {
      const member = this.draw(this.#members);
      const ledger = this.#ledgers[member];
      const task = this.#tasks[member];
      if (ledger === undefined) {
        this.#ledgers[member] = this.#ledgerOf(member); // the one that takes its place is ready
      } else if (task === undefined) {
        this.#tasks[member] = ledger.take();
        this.#begin(this.#tasks[member]);
        // Nobody has anything, and nobody gets anything: in so many draws everybody was asked.
        idle = this.#tasks.some((one) => one !== undefined) ? 0 : idle + 1;
        assert.ok(idle < 200, `a crew of ${this.#members} stands still: ${JSON.stringify(this.#size)}`);
      } else if (member > 0 && this.#random(this.#drawn++) < this.#lossRate) {
        [this.#tasks[member], this.#ledgers[member]] = [undefined, undefined];
        if (this.leader.lose(member) === "torn") return false;
      } else {
        this.#tasks[member] = undefined;
        this.#end(task);
        ledger.finish(task);
      }
    }
    assert.ok(
      this.#tasks.every((task) => task === undefined),
      "nobody is at a task of a phase that is over",
    );
    return true;
  }

  #ledgerOf(member: number): Ledger {
    return new Ledger(this.#memory, this.#size, member);
  }

  /** From now on nobody else may touch the slots of a task. */
  #begin(task: Task | undefined): void {
    if (task === undefined) return;
    for (const other of this.#tasks) {
      if (other === undefined || other === task || other.kind === "update" || other.kind === "total")
        continue;
      const theirs = slotsOf(other);
      assert.ok(!slotsOf(task).some((slot) => theirs.includes(slot)), `${task.kind} and ${other.kind} share`);
    }
    if (task.kind === "lane") this.sums[task.slot]!.fill("?");
  }

  #end(task: Task): void {
    if (task.kind === "lane") this.sums[task.slot]!.fill(`L${task.lane}`);
    if (task.kind === "update") this.updates[task.part]!++;
    if (task.kind === "merge")
      this.sums[task.into] = this.sums[task.into]!.map(
        (sum, part) => `(${sum}+${this.sums[task.from]![part]})`,
      );
    if (task.kind === "total") {
      for (const { into, from } of task.additions) {
        const sums = this.sums[into]!;
        sums[task.part] = `(${sums[task.part]}+${this.sums[from]![task.part]})`;
      }
    }
  }
}

const slotsOf = (task: Task): readonly number[] => {
  if (task.kind === "lane") return [task.slot];
  return task.kind === "merge" ? [task.into, task.from] : [];
};

for (const [title, losses, seeds] of [
  ["nobody is lost", 0, 600],
  ["now and then somebody is lost", 0.1, 1500],
  ["every third task is lost", 0.3, 700],
] as const) {
  test(`every lane is summed once, in the fixed tree and in the slots that a run has, where ${title}`, () => {
    for (let seed = 0; seed < seeds; seed++) {
      const most = seed % 50 === 0 ? 100 : 1 + (seed % 17);
      const crew = new MadeUpCrew(seed, most, losses);
      // A shorter batch after a longer one, and a longer one after that.
      for (const lanes of [most, 1 + crew.draw(most), most]) {
        const what = `seed ${seed}, ${lanes} of ${most} lanes`;
        crew.leader.openBatch(lanes, crew.parts);
        crew.work("summed");
        for (const sum of crew.sums[0]!) assert.equal(sum, writtenTree(lanes), what);
        crew.updates.fill(0);
        crew.leader.openUpdate(crew.parts);
        if (!crew.work("updated")) break; // torn: such a run ends
        assert.ok(
          crew.updates.every((times) => times === 1),
          `${what}: ${crew.updates}`,
        );
      }
    }
  });
}
