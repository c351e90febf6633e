/**
 * One program on several threads, this one included, each with a session of its own. A run goes to a thread that has room for it, and
 * its numbers are the same on each. What a thread had that is gone, or has failed, is run here: what is wrong with it then says so.
 */
import { Worker } from "node:worker_threads";
import { moduleBeside } from "../data/module-beside.ts";
import { type Arrays, type Inference, type InferenceJob, inferAlone } from "./inference.ts";

/** What a thread is started with. */
export interface InferenceStart {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly held: Arrays;
}

export type ToInference =
  | { readonly kind: "run"; readonly id: number; readonly feeds: Arrays }
  | { readonly kind: "end" };

export type FromInference =
  | { readonly kind: "ready" }
  | { readonly kind: "outputs"; readonly id: number; readonly outputs: Arrays }
  | { readonly kind: "failed"; readonly id: number };

/** Runs that a thread has at once: one that it computes, and one that lies ready. */
const perThread = 2;

/** A run that somebody waits for. */
interface Pending {
  readonly feeds: Arrays;
  resolve(outputs: Arrays): void;
  reject(cause: unknown): void;
}

/** A thread and what it has. */
interface Thread {
  readonly worker: Worker;
  readonly exit: Promise<void>;
  readonly runs: Map<number, Pending>;
  /** It has loaded the program. */
  isReady: boolean;
}

/**
 * Opens the program on this thread, and on as many others as there are runs at once, of which `workers` − 1 are the most: each has the
 * program's memory once more.
 */
export async function inferOnThreads(job: InferenceJob, workers: number): Promise<Inference> {
  const own = await inferAlone(job); // bytes that cannot be read are told here
  return new ThreadInference(own, job, workers);
}

class ThreadInference implements Inference {
  readonly ahead: number;
  readonly #own: Inference;
  readonly #start: InferenceStart;
  /** Those that are there, of which some may not be ready. */
  readonly #threads = new Set<Thread>();
  readonly #waiting: Pending[] = [];
  /** What this thread computes. */
  readonly #here = new Set<Promise<void>>();
  readonly #workers: number;
  #begun = 0;
  #started = 0;
  #isClosed = false;

  constructor(own: Inference, { name, bytes, held = {} }: InferenceJob, workers: number) {
    this.#own = own;
    this.#start = { name, bytes, held };
    this.#workers = workers;
    this.ahead = (perThread + 1) * workers; // one more than they hold: results leave in order, and some wait for others
  }

  run(feeds: Arrays): Promise<Arrays> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ feeds, resolve, reject });
      const computed = [...this.#threads].reduce((sum, { runs }) => sum + runs.size, this.#here.size);
      const isWanted = this.#waiting.length + computed > 1 + this.#started;
      if (isWanted && this.#started < this.#workers - 1 && !this.#isClosed) this.#startThread();
      this.#pass();
    });
  }

  /** Waits for what is under way: ending a thread in the middle of a run would abort the process. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const exits = [...this.#threads].map(({ worker, exit }) => {
      worker.ref();
      worker.postMessage({ kind: "end" } satisfies ToInference);
      return exit;
    });
    for (const { reject } of this.#waiting.splice(0)) reject(new Error("closed before it was run"));
    await Promise.all([...exits, ...this.#here]);
    await this.#own.close();
  }

  #startThread(): void {
    this.#started++;
    const worker = new Worker(moduleBeside(import.meta.url, "./threads-inference-worker"), {
      workerData: this.#start,
    });
    const exit = Promise.withResolvers<void>();
    const thread: Thread = { worker, exit: exit.promise, runs: new Map(), isReady: false };
    this.#threads.add(thread);
    worker.on("message", (message: FromInference) => {
      if (message.kind !== "ready") return this.#heard(thread, message);
      thread.isReady = true;
      if (!this.#isClosed) worker.unref(); // whoever forgets to close a model must not wait for threads that sleep
      this.#pass();
    });
    worker.on("error", () => {}); // it exits too
    worker.on("exit", () => {
      this.#threads.delete(thread);
      this.#waiting.unshift(...thread.runs.values());
      thread.runs.clear();
      this.#pass();
      exit.resolve();
    });
  }

  #heard(thread: Thread, message: Exclude<FromInference, { kind: "ready" }>): void {
    const run = thread.runs.get(message.id);
    thread.runs.delete(message.id);
    if (thread.runs.size === 0 && !this.#isClosed) thread.worker.unref();
    if (message.kind === "outputs") run?.resolve(message.outputs);
    else if (run !== undefined) this.#runHere(run);
    this.#pass();
  }

  /** Gives every thread what it has room for, and this one what nobody else has. */
  #pass(): void {
    for (;;) {
      const free = [...this.#threads]
        .filter(({ runs, isReady }) => isReady && runs.size < perThread)
        .sort((one, other) => one.runs.size - other.runs.size)
        .at(0);
      if (free === undefined && this.#here.size > 0) return;
      const run = this.#waiting.shift();
      if (run === undefined) return;
      if (free === undefined) this.#runHere(run);
      else this.#send(free, run);
    }
  }

  #send(thread: Thread, run: Pending): void {
    const id = this.#begun++;
    thread.runs.set(id, run);
    thread.worker.ref();
    thread.worker.postMessage({ kind: "run", id, feeds: run.feeds } satisfies ToInference);
  }

  #runHere({ feeds, resolve, reject }: Pending): void {
    // What is thrown at once, because the feeds are wrong, is told like everything else. Over is what whoever asks next must not wait for.
    const ran = (async () => this.#own.run(feeds))();
    const over = ran
      .finally(() => this.#here.delete(over))
      .then(resolve, reject)
      .then(() => this.#pass());
    this.#here.add(over);
  }
}
