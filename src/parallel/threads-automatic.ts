/** The crew of a plan that names none: this thread, and as many as there are cores where a probe shows that they are worth it. */
import { availableParallelism } from "node:os";
import { median } from "../array/median.ts";
import { alone } from "./alone.ts";
import type {
  Batch,
  Crew,
  CrewFactory,
  CrewJob,
  Culprit,
  EvaluatedChunk,
  EvaluationJob,
  Totals,
} from "./crew.ts";
import { cutBatch } from "./feeds.ts";
import type { UpdateScalars } from "./update.ts";

/** Seconds of training after which threads are tried: they take a quarter of a second to start, which a short run never gets back. */
const secondsAlone = 1;
/** What is compared: the median of so many batches with threads, and of as many before. */
const batchesCompared = 9;
/** Threads cost a core: they have to save more than the noise of a measurement. */
const worthIt = 0.9;

/** Opens the crew that a plan gets which names none. `open` opens threads. */
export function automatic(
  open: (job: CrewJob, workers: number) => Promise<Crew>,
  workers: number = availableParallelism(),
): CrewFactory {
  if (workers < 2) return { name: "alone", workers: 1, open: alone };
  const factory = async (job: CrewJob) => new Automatic(await alone(job), job, () => open(job, workers));
  return { name: "automatic", workers, open: factory };
}

class Automatic implements Crew {
  readonly name = "automatic";
  readonly #job: CrewJob;
  readonly #alone: Crew;
  readonly #open: () => Promise<Crew>;
  #current: Crew;
  /** Threads that have been started and are not there yet, or have failed to start. */
  #starting: Promise<Crew | undefined> | undefined;
  #threads: Crew | undefined;
  #isSettled = false;
  #seconds = 0;
  /** Seconds per sample of the last batches, with each crew. */
  readonly #paces = new Map<Crew, number[]>();

  constructor(single: Crew, job: CrewJob, open: () => Promise<Crew>) {
    this.#alone = single;
    this.#current = single;
    this.#job = job;
    this.#open = open;
  }

  get workers(): number {
    return this.#current.workers;
  }

  async sumGradients(batch: Batch): Promise<Totals> {
    if (this.#isSettled) return this.#current.sumGradients(batch);
    const began = performance.now();
    const totals = await this.#current.sumGradients(batch);
    await this.#consider(batch, (performance.now() - began) / 1000);
    return totals;
  }

  update(scalars: UpdateScalars): Promise<void> {
    return this.#current.update(scalars);
  }

  findCulprit(batch: Batch): Promise<Culprit | undefined> {
    return this.#current.findCulprit(batch);
  }

  evaluate(job: EvaluationJob): AsyncIterable<EvaluatedChunk> {
    return this.#current.evaluate(job);
  }

  async close(): Promise<void> {
    await (await this.#starting)?.close();
    await this.#alone.close();
  }

  async #consider(batch: Batch, seconds: number): Promise<void> {
    this.#seconds += seconds;
    const paces = this.#paces.get(this.#current) ?? [];
    paces.push(seconds / batch.samples.length);
    this.#paces.set(this.#current, paces.slice(-batchesCompared));
    if (this.#current === this.#threads) {
      if (paces.length >= batchesCompared) this.#settle();
      return;
    }
    if (this.#threads !== undefined) this.#current = this.#threads;
    else if (this.#starting === undefined && this.#isTimeToTry(batch)) {
      this.#starting = this.#open().then(
        (crew) => (this.#threads = crew),
        () => {
          this.#isSettled = true; // a machine that refuses threads trains without
          return undefined;
        },
      );
    }
  }

  /** One microbatch cannot be divided. */
  #isTimeToTry(batch: Batch): boolean {
    return this.#seconds >= secondsAlone && cutBatch(batch, this.#job.microbatchSize).length > 1;
  }

  #settle(): void {
    this.#isSettled = true;
    const [single, several] = [this.#alone, this.#current].map((crew) => median(this.#paces.get(crew)!));
    if (several! < worthIt * single!) return;
    this.#current = this.#alone;
    this.#starting = this.#starting?.then(async (crew) => {
      await crew?.close();
      return undefined;
    });
  }
}
