/** The crew that threads make: this one leads, takes tasks like every other, and sees to those that are lost or stuck. */
import { bug, messageOf } from "../errors.ts";
import { normsOfBlocks } from "../runtime/reduction.ts";
import { alone } from "./alone.ts";
import type { Batch, Crew, CrewJob, Culprit, EvaluatedChunk, EvaluationJob, Totals } from "./crew.ts";
import { type Disturb, Disturbance } from "./disturbance.ts";
import { Feeder } from "./feeder.ts";
import { cutBatch, type MicrobatchRequest } from "./feeds.ts";
import { busyLanes } from "./lanes.ts";
import type { Task } from "./ledger.ts";
import { Member, type Shared } from "./member.ts";
import { areFinite, mergedLanes, requireSeveralValues } from "./statistics.ts";
import { lostAgainError, stuckError, threadError } from "./threads-errors.ts";
import { ThreadEvaluations } from "./threads-evaluation.ts";
import type { FromThread } from "./threads-messages.ts";
import { errorOf, ThreadPool } from "./threads-pool.ts";
import { createShared } from "./threads-shared.ts";
import { ThreadWatch } from "./threads-watch.ts";
import type { UpdateScalars } from "./update.ts";

/** Options of threads. */
export interface ThreadOptions {
  /**
   * Seconds after which a microbatch that has not come back stops the run: a thread that is stuck in native code can be
   * neither asked nor replaced. Default 600.
   */
  readonly stuckAfterSeconds?: number;
  /** So many threads that end over one microbatch of a batch stop the run: it is not the thread's fault then. Default 2. */
  readonly stopAfterLosses?: number;
  /** Trouble on purpose, for tests. */
  readonly disturb?: Disturb;
}

/**
 * Opens a crew of so many threads, this one included, but no more than there are lanes to compute; resolves when all of them can
 * compute.
 */
export async function openThreads(job: CrewJob, asked: number, options: ThreadOptions): Promise<Crew> {
  const workers = Math.min(asked, job.lanes);
  if (workers === 1) return alone(job);
  const crew = new Threads(job, createShared(job, workers), workers, options);
  try {
    await crew.begin();
  } catch (error) {
    await crew.close();
    throw error;
  }
  return crew;
}

class Threads implements Crew {
  readonly name = "threads";
  readonly workers: number;
  readonly #job: CrewJob;
  readonly #shared: Shared;
  readonly #watch: ThreadWatch;
  readonly #member: Member;
  readonly #feeder: Feeder;
  readonly #pool: ThreadPool;
  /** What only this thread does: one microbatch after another, to find out what is wrong. */
  #single: Promise<Crew> | undefined;
  #requests: readonly MicrobatchRequest[] = [];
  /** How often each microbatch of the batch was lost with its thread. */
  #losses = new Map<number, number>();
  readonly #stopAfterLosses: number;
  #failure: unknown;
  readonly #evaluations: ThreadEvaluations;

  constructor(job: CrewJob, shared: Shared, workers: number, options: ThreadOptions) {
    this.#job = job;
    this.#shared = shared;
    this.workers = workers;
    const stuckAfterSeconds = options.stuckAfterSeconds ?? 600;
    this.#stopAfterLosses = options.stopAfterLosses ?? 2;
    this.#watch = new ThreadWatch(1000 * stuckAfterSeconds);
    const disturbance = options.disturb && new Disturbance(options.disturb, 0);
    const claim = (microbatch: number) => this.#claim(microbatch);
    this.#member = new Member(
      shared,
      job.runtime,
      0,
      claim,
      disturbance &&
        ((step, microbatch) => disturbance.strike("training", `step ${step}, microbatch ${microbatch}`)),
    );
    const { ledger, ring } = this.#member;
    const augmented = job.augmented && { reader: job.augmented, columns: job.gradient.first.columns.length };
    const { dataset } = job;
    this.#feeder = new Feeder({ dataset, augmented, ring, plan: shared.ring, ledger, members: workers });
    const listener = {
      lost: (member: number, cause: unknown) => this.#lost(member, cause),
      heard: (message: FromThread) => this.#heard(message),
    };
    this.#pool = new ThreadPool(shared, listener, options.disturb);
    this.#evaluations = new ThreadEvaluations(this.#pool, this.#member, stuckAfterSeconds);
  }

  /** Starts the other threads; throws where one of them cannot be. */
  async begin(): Promise<void> {
    const others = Array.from({ length: this.workers - 1 }, (_, index) => this.#pool.start(index + 1));
    await Promise.all(others);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async sumGradients(batch: Batch): Promise<Totals> {
    const { ledger, results } = this.#member;
    this.#requests = cutBatch(batch, this.#job.microbatchSize);
    if (this.#requests.length > this.#shared.results.size.microbatches)
      bug(`a batch of ${batch.samples.length} samples`);
    for (const { samples } of this.#requests)
      requireSeveralValues(this.#job.gradient.statistics, samples.length);
    this.#losses = new Map();
    const lanes = busyLanes(this.#job.lanes, this.#requests.length);
    this.#feeder.open(this.#requests, lanes);
    results.openBatch(batch.step, this.#requests.length);
    ledger.openBatch(lanes.length, this.#shared.parts);
    await this.#work("summed");
    return this.#totals(lanes);
  }

  async update(scalars: UpdateScalars): Promise<void> {
    if (this.#shared.parts === 1) {
      this.#member.updateAll(scalars);
      return;
    }
    this.#member.results.scalars = scalars;
    this.#member.ledger.openUpdate(this.#shared.parts);
    await this.#work("updated");
  }

  async findCulprit(batch: Batch): Promise<Culprit | undefined> {
    this.#single ??= alone(this.#job);
    return (await this.#single).findCulprit(batch);
  }

  evaluate(job: EvaluationJob): AsyncIterable<EvaluatedChunk> {
    return this.#evaluations.run(job);
  }

  async close(): Promise<void> {
    this.#member.ledger.end("ended");
    await this.#pool.ended();
    await this.#member.sessions.close();
    await (await this.#single)?.close();
  }

  /** Does what there is to do until the ledger is where it should be. */
  async #work(until: "summed" | "updated"): Promise<void> {
    const { ledger } = this.#member;
    for (;;) {
      const rung = ledger.bell.value;
      if (this.#failure !== undefined) throw this.#failure;
      const task = ledger.take();
      if (task !== undefined) await this.#do(task);
      else if (ledger.phase === until) return;
      else await this.#idle(rung);
    }
  }

  async #do(task: Task): Promise<void> {
    try {
      await this.#member.run(task);
    } catch (error) {
      this.#failure ??= error;
      this.#member.ledger.end("failed");
    }
  }

  /** Nothing to compute at the moment: reads ahead, or sleeps, and now and then hears what has become of the threads. */
  async #idle(rung: number, most = Number.POSITIVE_INFINITY): Promise<void> {
    const reading = this.#feeder.fill(most);
    if (reading !== undefined) return reading;
    if (this.#member.ledger.bell.wait(rung, 20) && this.#member.ledger.phase !== "failed") return;
    this.#refuseStuck();
    if (this.#member.ledger.phase === "sum") this.#feeder.unblock();
    await new Promise((resolve) => setImmediate(resolve));
  }

  /**
   * The slot with a microbatch for this thread. Before each of its own it reads what all of them use meanwhile, and no more:
   * to read as long as there is room would keep it from computing while the others empty the ring.
   */
  #claim(microbatch: number): number | undefined | Promise<number | undefined> {
    const reading = this.#feeder.fill(2 * this.workers);
    return reading === undefined
      ? this.#claimRead(microbatch)
      : reading.then(() => this.#claimRead(microbatch));
  }

  #claimRead(microbatch: number): number | undefined | Promise<number | undefined> {
    const { ring, ledger } = this.#member;
    const rung = ledger.bell.value;
    const slot = ring.claim(microbatch, 0);
    if (slot !== undefined) return slot;
    if (ledger.phase !== "sum") return undefined;
    this.#feeder.prefer(microbatch);
    return this.#idle(rung, 1).then(() => this.#claim(microbatch));
  }

  /** A thread that computes for ever can be neither asked nor ended. */
  #refuseStuck(): void {
    const { results } = this.#member;
    const stuck = this.#watch.look(this.#pool.members, results);
    if (stuck.length === 0) return;
    const { microbatch } = results.running(stuck[0]!);
    this.#failure ??= stuckError(`microbatch ${microbatch}`, this.#requests[microbatch], this.#watch.limitMs);
    this.#member.ledger.end("failed");
    for (const member of stuck) this.#pool.abandon(member);
  }

  #totals(lanes: readonly { readonly lane: number; readonly start: number; readonly end: number }[]): Totals {
    const { results, blocks } = this.#member;
    const { lossSum, weightSum } = results.lossSums();
    const norms = normsOfBlocks(blocks, results.squares);
    const statistics = mergedLanes(lanes.map((_, index) => results.moments(index)));
    const isLossFinite = Number.isFinite(lossSum) && Number.isFinite(weightSum);
    return {
      lossSum,
      weightSum,
      squaredNorms: norms.squaredNorms,
      laneSquaredNorms: this.#job.measureLanes ? lanes.map((_, index) => results.norms(index)) : [],
      statistics,
      isFinite: norms.isFinite && areFinite(statistics) && isLossFinite,
      lanes: lanes.map(({ lane, start, end }, index) => {
        const { member: worker, ...spent } = results.times(index);
        return { lane, worker, microbatches: end - start, ...spent };
      }),
    };
  }

  /** A thread is gone: what it had is done again, and another takes its place. It joins when it is ready; until then the others go on. */
  async #lost(member: number, cause: unknown): Promise<void> {
    const { ledger, results, ring } = this.#member;
    const { microbatch } = results.running(member);
    results.begin(member, -1);
    if (ledger.lose(member) === "torn") {
      return this.#fails(
        "the update",
        `a thread that ended in the middle of it (${messageOf(cause)})`,
        resumeFix,
      );
    }
    ring.releaseOf(member);
    this.#feeder.readAgain();
    if (ledger.phase === "sum" && microbatch >= 0) this.#countLoss(microbatch, cause);
    this.#evaluations.lost(member);
    if (this.#pool.isHopeless(member)) {
      return this.#fails(
        `thread ${member}`,
        `one that ended three times before it began (${messageOf(cause)})`,
        startFix,
      );
    }
    try {
      await this.#pool.start(member);
      ledger.bell.ring();
    } catch (error) {
      this.#fails(`thread ${member}`, `no way to start another (${messageOf(error)})`, startFix);
    }
  }

  #countLoss(microbatch: number, cause: unknown): void {
    const losses = (this.#losses.get(microbatch) ?? 0) + 1;
    this.#losses.set(microbatch, losses);
    if (losses < this.#stopAfterLosses) return;
    this.#failure ??= lostAgainError(`microbatch ${microbatch}`, this.#requests[microbatch], losses, cause);
    this.#member.ledger.end("failed");
  }

  #heard(message: FromThread): void {
    if (message.kind === "failed") {
      this.#failure ??= errorOf(message);
      this.#evaluations.fail(this.#failure);
    }
    if (message.kind === "evaluated") this.#evaluations.heard(message);
  }

  #fails(where: string, got: string, fix: string): void {
    this.#failure ??= threadError(where, got, fix);
    this.#evaluations.fail(this.#failure);
    this.#member.ledger.end("failed");
  }
}

const resumeFix = "go on from the last checkpoint: parameters may be half updated";
const startFix = "fewer threads, in case memory is short; if that is not it, please report it";
