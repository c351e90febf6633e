/** The threads of a crew as the leading one sees them: started, heard, replaced when they are gone. */
import { Worker } from "node:worker_threads";
import { moduleBeside } from "../data/module-beside.ts";
import { MicrobatchError } from "../errors.ts";
import type { Disturb } from "./disturbance.ts";
import type { Shared } from "./member.ts";
import type { FromThread, ThreadStart, ToThread } from "./threads-messages.ts";

/** Who is told what happens to threads. */
export interface PoolListener {
  /** A thread is gone, by its own fault: nothing it has taken will be finished. Resolves once another is in its place, or none will be. */
  lost(member: number, cause: unknown): Promise<void>;
  heard(message: FromThread): void;
}

/** Threads 1 … count. */
export class ThreadPool {
  readonly #shared: Shared;
  readonly #listener: PoolListener;
  readonly #disturb: Disturb | undefined;
  readonly #threads = new Map<number, Worker>();
  readonly #exits = new Map<Worker, Promise<void>>();
  /** How often in a row each has gone before it computed. */
  readonly #stillborn = new Map<number, number>();
  #isEnding = false;
  #isWaitedFor = false;
  #started = 0;

  constructor(shared: Shared, listener: PoolListener, disturb?: Disturb) {
    this.#shared = shared;
    this.#listener = listener;
    this.#disturb = disturb;
  }

  /** Numbers of the threads that live. */
  get members(): readonly number[] {
    return [...this.#threads.keys()];
  }

  /** Starts a thread; resolves once it computes, or whoever takes its place does, or nobody will. */
  async start(member: number): Promise<void> {
    // Each start draws its own trouble, or a thread thrown out at its first microbatch would be thrown out forever.
    const disturb = this.#disturb && { ...this.#disturb, seed: this.#disturb.seed + this.#started++ };
    const start: ThreadStart = { shared: this.#shared, number: member, disturb };
    const worker = new Worker(moduleBeside(import.meta.url, "./threads-worker"), { workerData: start });
    this.#threads.set(member, worker);
    const exit = Promise.withResolvers<void>();
    this.#exits.set(worker, exit.promise);
    return new Promise((resolve) => {
      let cause: unknown;
      this.#stillborn.set(member, (this.#stillborn.get(member) ?? 0) + 1);
      worker.on("message", (message: FromThread) => {
        if (message.kind === "ready") {
          this.#stillborn.delete(member);
          // From now on a process that ends without closing its run need not wait for threads that sleep.
          if (!this.#isEnding && !this.#isWaitedFor) worker.unref();
          resolve();
        } else this.#listener.heard(message);
      });
      worker.on("error", (error) => (cause = error));
      worker.on("exit", (code) => {
        this.#threads.delete(member);
        this.#exits.delete(worker);
        const error = cause ?? new Error(`thread ${member} ended, code ${code}`);
        resolve(this.#isEnding ? undefined : this.#listener.lost(member, error));
        exit.resolve();
      });
    });
  }

  send(member: number, message: ToThread, transfer: readonly ArrayBuffer[]): void {
    this.#threads.get(member)?.postMessage(message, transfer);
  }

  /** The threads have been told to end: waits for them. */
  async ended(): Promise<void> {
    this.#isEnding = true;
    for (const worker of this.#threads.values()) worker.ref();
    await Promise.all(this.#exits.values());
  }

  /** Whether a thread has gone again and again before it computed: another would do so too. */
  isHopeless(member: number): boolean {
    return (this.#stillborn.get(member) ?? 0) >= 3;
  }

  /** Does not wait any more for a thread that does not come back, nor does the process. */
  abandon(member: number): void {
    const worker = this.#threads.get(member);
    if (worker === undefined) return;
    this.#threads.delete(member);
    this.#exits.delete(worker);
    worker.unref();
  }

  /** While it is waited for a thread, the process must not end. */
  keepAlive(isWaitedFor: boolean): void {
    this.#isWaitedFor = isWaitedFor;
    for (const worker of this.#threads.values()) isWaitedFor ? worker.ref() : worker.unref();
  }
}

/** The error that a thread has told. */
export const errorOf = ({ where, proof }: Extract<FromThread, { kind: "failed" }>) =>
  new MicrobatchError(where, proof);
