/** A member of a crew of threads: does the tasks of the ledger, one after another, on the thread that it was made on. */
import { type Arena, type ArenaPlan, openArena } from "../runtime/arena.ts";
import { type Blocks, blocksOf, createReduction, type Reduction } from "../runtime/reduction.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { CrewJob } from "./crew.ts";
import type { FedData } from "./feeds.ts";
import { GradientRunner } from "./gradient-runner.ts";
import type { HeldSamples } from "./held-samples.ts";
import { busyLanes, type Merge } from "./lanes.ts";
import { Ledger, type LedgerSize, type Task } from "./ledger.ts";
import { MicrobatchRing, RingData, type RingPlan } from "./microbatch-ring.ts";
import { Results, type ResultsSize } from "./results.ts";
import { Sessions } from "./sessions.ts";
import { Update, type UpdateScalars } from "./update.ts";

/** What of a job stays with the thread that leads: it holds functions, or is opened anew by each thread. */
type KeptOfJob = "runtime" | "dataset" | "augmented" | "arena" | "batchSize";

/** What the members of a crew share, as it is sent to each thread. Plain data and shared memory. */
export interface Shared extends Omit<CrewJob, KeptOfJob> {
  readonly memory: WebAssembly.Memory;
  readonly arena: ArenaPlan;
  readonly data: Omit<FedData, "read">;
  readonly ledger: { readonly memory: SharedArrayBuffer; readonly size: LedgerSize };
  readonly results: { readonly memory: SharedArrayBuffer; readonly size: ResultsSize };
  readonly ring: RingPlan;
  /** The samples, where all of them are shared; the ring then only says which of them a microbatch has. */
  readonly held?: HeldSamples;
  /** What is divided among threads is cut in so many parts. */
  readonly parts: number;
}

/** Gives the ring's slot with a microbatch, sooner or later; undefined where it is not wanted any more. */
export type Claim = (microbatch: number) => number | undefined | Promise<number | undefined>;

export class Member {
  readonly ledger: Ledger;
  readonly ring: MicrobatchRing;
  readonly results: Results;
  readonly sessions: Sessions;
  readonly arena: Arena;
  /** Of a lane's sum. */
  readonly blocks: Blocks;
  readonly #number: number;
  readonly #shared: Shared;
  readonly #data: RingData;
  readonly #runner: GradientRunner;
  readonly #reduction: Reduction;
  readonly #update: Update;
  readonly #claim: Claim;
  readonly #beforeRun: (step: number, microbatch: number) => void;

  /** beforeRun: called before each microbatch; what it throws ends the thread, for tests. */
  constructor(
    shared: Shared,
    runtime: Runtime,
    number: number,
    claim: Claim,
    beforeRun: (step: number, microbatch: number) => void = () => {},
  ) {
    this.#beforeRun = beforeRun;
    this.#shared = shared;
    this.#number = number;
    this.#claim = claim;
    this.arena = openArena(shared.arena, shared.memory);
    this.ledger = new Ledger(shared.ledger.memory, shared.ledger.size, number);
    this.results = new Results(shared.results.memory, shared.results.size);
    this.ring = new MicrobatchRing(shared.ring);
    this.sessions = new Sessions(runtime);
    this.#data = new RingData(shared.data, shared.ring, this.ring, shared.held);
    this.#runner = new GradientRunner(
      { ...shared, arena: this.arena, dataset: this.#data, runtime },
      this.sessions,
    );
    this.#reduction = createReduction(shared.memory);
    this.blocks = blocksOf(this.#laneLayout);
    this.#update = new Update(this.arena, shared.update);
  }

  /** Does a task and says so in the ledger, unless it is not wanted any more. */
  async run(task: Task): Promise<void> {
    if (task.kind === "lane" && !(await this.#sumLane(task.lane, task.slot))) return;
    if (task.kind === "merge") this.#merge(task.into, task.from);
    if (task.kind === "total") this.#total(task.part, task.additions);
    if (task.kind === "update") this.#applyUpdate(task.part);
    this.ledger.finish(task);
  }

  /** The whole update, by this member alone. */
  updateAll(scalars: UpdateScalars): void {
    this.#update.apply(scalars);
  }

  async #sumLane(index: number, slot: number): Promise<boolean> {
    const { results } = this;
    const { start, end } = busyLanes(this.#shared.lanes, results.microbatches)[index]!;
    const began = performance.now();
    let [dataMs, waitMs] = [0, 0];
    for (let microbatch = start; microbatch < end; microbatch++) {
      const beforeData = performance.now();
      const claimed = this.#claim(microbatch);
      const held = claimed instanceof Promise ? await claimed : claimed;
      waitMs += performance.now() - beforeData;
      if (held === undefined) return false;
      this.ledger.sums.begin(index);
      results.begin(this.#number, microbatch);
      this.#beforeRun(results.step, microbatch);
      const samples = this.#data.open(held);
      const position = microbatch * this.#shared.microbatchSize;
      this.#runner.fill({ samples, position, step: results.step }); // a ring is read at once
      this.ring.release(held);
      this.ledger.bell.ring();
      dataMs += performance.now() - beforeData;
      const { loss, weight } = await this.#runner.run(samples.length, slot, microbatch === start);
      results.writeLoss(microbatch, loss, weight);
      results.begin(this.#number, -1);
    }
    results.writeMoments(index, this.#runner.statistics.at(slot));
    if (this.#shared.measureLanes) this.#measure(index, slot);
    const seconds = (performance.now() - began) / 1000;
    const spent = { seconds, dataSeconds: dataMs / 1000, waitSeconds: waitMs / 1000 };
    results.writeTimes(index, { member: this.#number, ...spent });
    return true;
  }

  #measure(lane: number, slot: number): void {
    const layout = this.#laneLayout;
    this.results.writeNorms(
      lane,
      this.#reduction.squaredNorms({ region: this.#offset(slot), layout }).squaredNorms,
    );
  }

  #merge(into: number, from: number): void {
    const layout = this.#laneLayout;
    this.#reduction.add({ into: this.#offset(into), from: this.#offset(from), layout });
  }

  #total(part: number, additions: readonly Merge[]): void {
    const { squares } = this.results;
    this.#reduction.reduceBlocks({
      additions: additions.map(({ into, from }) => ({ into: this.#offset(into), from: this.#offset(from) })),
      total: this.#offset(0),
      blocks: this.blocks,
      from: this.#from(part),
      to: this.#from(part + 1),
      squares,
    });
  }

  #applyUpdate(part: number): void {
    const { count, offsets } = this.blocks;
    const place = (block: number) => (block < count ? offsets[block]! : this.#laneLayout.floats);
    this.#update.apply(this.results.scalars, place(this.#from(part)), place(this.#from(part + 1)));
  }

  /** Sums have room for what is trained alone, which lies first in every region. */
  get #laneLayout() {
    return this.arena.region(this.#shared.laneRegions[0]!).layout;
  }

  /** The block that a part begins with. */
  #from(part: number): number {
    return Math.floor((part * this.blocks.count) / this.#shared.parts);
  }

  #offset(slot: number): number {
    return this.arena.region(this.#shared.laneRegions[slot]!).byteOffset;
  }
}
