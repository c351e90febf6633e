/** Evaluation by a crew of threads: microbatches go out with their samples, come back with their outputs and leave in order. */
import { allocate, type TypedArray } from "../array/dtype.ts";
import { elementCount } from "../array/shape.ts";
import type { EvaluatedChunk, EvaluationJob } from "./crew.ts";
import { type Evaluation, Evaluations } from "./evaluation.ts";
import { cutBatch, type MicrobatchRequest } from "./feeds.ts";
import type { Member } from "./member.ts";
import { stuckError } from "./threads-errors.ts";
import type { FromThread } from "./threads-messages.ts";
import type { ThreadPool } from "./threads-pool.ts";
import { described } from "./threads-shared.ts";

/** Microbatches that a thread has at once: one that it computes, and one that lies ready. */
const perThread = 2;

/** Seconds between two looks at threads that do not answer. */
const lookSeconds = 0.25;

/** An evaluation that threads may have been told of. */
interface Opened {
  readonly id: number;
  readonly job: EvaluationJob;
  readonly own: Evaluation;
  /** The threads that have been told of it. */
  readonly told: Set<number>;
}

/** The evaluations of a crew, one at a time. */
export class ThreadEvaluations {
  readonly #pool: ThreadPool;
  readonly #member: Member;
  readonly #evaluations: Evaluations;
  readonly #opened: Opened[] = [];
  /** Which thread has which microbatch. */
  readonly #sent = new Map<number, number>();
  readonly #results = new Map<number, Extract<FromThread, { kind: "evaluated" }>>();
  /**
   * Microbatches whose thread is gone. They are computed here: what is wrong with one, if anything is, then says so itself, and
   * does not end one thread after another.
   */
  readonly #again: number[] = [];
  /** What is being evaluated. */
  #requests: ReadonlyMap<number, MicrobatchRequest> = new Map();
  readonly #stuckAfterSeconds: number;
  #wake: () => void = () => {};
  /** Microbatches asked for so far: each has a number of its own, so that late answers are not taken for others. */
  #asked = 0;
  #failure: unknown;

  constructor(pool: ThreadPool, member: Member, stuckAfterSeconds: number) {
    this.#stuckAfterSeconds = stuckAfterSeconds;
    this.#pool = pool;
    this.#member = member;
    this.#evaluations = new Evaluations(member.sessions, member.arena);
  }

  heard(message: Extract<FromThread, { kind: "evaluated" }>): void {
    // One that was computed again elsewhere is not wanted any more.
    if (this.#sent.delete(message.chunk)) this.#results.set(message.chunk, message);
    this.#wake();
  }

  fail(failure: unknown): void {
    this.#failure = failure;
    this.#wake();
  }

  lost(member: number): void {
    for (const { told } of this.#opened) told.delete(member);
    for (const [chunk, holder] of this.#sent) {
      if (holder !== member) continue;
      this.#sent.delete(chunk);
      this.#again.push(chunk);
    }
    this.#wake();
  }

  /** One chunk per microbatch, in the order of the samples. */
  async *run(job: EvaluationJob): AsyncGenerator<EvaluatedChunk> {
    const opened = await this.#open(job);
    const requests = new Map<number, MicrobatchRequest>();
    const first = this.#asked;
    for (const request of cutBatch({ step: 0, samples: job.samples }, job.microbatchSize))
      requests.set(this.#asked++, request);
    this.#requests = requests;
    const waiting = [...requests.keys()];
    this.#pool.keepAlive(true);
    try {
      for (let next = first; next < first + requests.size; next++) {
        while (!this.#results.has(next)) await this.#go(opened, requests, waiting, next);
        const { weights, outputs } = this.#results.get(next)!;
        this.#results.delete(next);
        yield { samples: requests.get(next)!.samples, weights, outputs };
      }
    } finally {
      this.#pool.keepAlive(false);
      // Whoever stops in the middle leaves microbatches out there, which are then heard of and forgotten.
      this.#sent.clear();
      this.#results.clear();
      this.#again.length = 0;
    }
  }

  /** Gives every thread what it has room for, then computes one here, or waits for an answer. */
  async #go(
    opened: Opened,
    requests: ReadonlyMap<number, MicrobatchRequest>,
    waiting: number[],
    next: number,
  ): Promise<void> {
    for (const member of this.#pool.members) {
      let held = [...this.#sent.values()].filter((holder) => holder === member).length;
      // Far ahead of the next one, outputs would pile up.
      while (
        waiting.length > 0 &&
        held < perThread &&
        waiting[0]! < next + 4 * perThread * this.#pool.members.length
      ) {
        const chunk = waiting.shift()!;
        await this.#send(opened, member, requests.get(chunk)!, chunk);
        held++;
      }
    }
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#results.has(next)) return; // it has come while samples were waited for
    const own = this.#again.shift() ?? waiting.shift();
    if (own === undefined) await this.#answer();
    else this.#results.set(own, await this.#compute(opened, requests.get(own)!, own));
  }

  /** Waits until something is heard. */
  async #answer(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    let seconds = 0;
    // Counted in looks and not by the clock: a process that was stopped, or a machine asleep, is nobody's fault.
    const watch = setInterval(() => {
      seconds += lookSeconds;
      if (seconds < this.#stuckAfterSeconds) return;
      const [chunk] = this.#sent.keys();
      this.#failure ??= stuckError("evaluation", this.#requests.get(chunk!), 1000 * this.#stuckAfterSeconds);
      for (const member of this.#sent.values()) this.#pool.abandon(member);
      resolve();
    }, 1000 * lookSeconds);
    try {
      await promise;
    } finally {
      clearInterval(watch);
    }
  }

  async #send(opened: Opened, member: number, request: MicrobatchRequest, chunk: number): Promise<void> {
    const { id, job, told } = opened;
    const { program, dataset, microbatchSize, parameterRegion } = job;
    const names = program.columns.map(({ column }) => column);
    if (dataset.weight !== undefined && !names.includes(dataset.weight)) names.push(dataset.weight);
    const samples = new Uint32Array(request.samples);
    const columns: Record<string, TypedArray> = {};
    for (const column of names) {
      const { dtype, shape } = dataset.columns[column]!;
      columns[column] = allocate(dtype, elementCount(shape) * samples.length);
      await dataset.read(column, samples, columns[column]);
    }
    // Told only now: while samples were read, another thread may have taken its place.
    if (!told.has(member)) {
      told.add(member);
      const data = described(dataset);
      this.#pool.send(
        member,
        { kind: "open evaluation", id, program, data, microbatchSize, parameterRegion },
        [],
      );
    }
    this.#sent.set(chunk, member);
    const transfer = Object.values(columns).map(({ buffer }) => buffer as ArrayBuffer); // just allocated, so not shared
    this.#pool.send(member, { kind: "evaluate", id, chunk, samples, columns }, transfer);
    this.#member.ledger.bell.ring();
  }

  async #compute({ own }: Opened, request: MicrobatchRequest, chunk: number) {
    const { weights, outputs } = await own.chunk(request);
    return { kind: "evaluated", chunk, weights: weights as Float32Array<ArrayBuffer>, outputs } as const; // sliced
  }

  async #open(job: EvaluationJob): Promise<Opened> {
    const own = await this.#evaluations.of(job);
    const known = this.#opened.find((one) => one.own === own);
    if (known !== undefined) return known;
    const opened = { id: this.#opened.length, job, own, told: new Set<number>() };
    this.#opened.push(opened);
    return opened;
  }
}
