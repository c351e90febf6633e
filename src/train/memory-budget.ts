/** The memory budget: what a run may take, and which microbatches fit into it. Settled before anything is allocated. */
import { fail } from "../errors.ts";
import type { CrewFactory } from "../parallel/crew.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { evaluatedSamples, isAdding, type MemoryParts, mostSamples, predictPeak } from "./memory-model.ts";
import { evaluationProgram, Probe, trainingProgram } from "./memory-probe.ts";
import { measureAgain, measureSession, type SessionBytes } from "./memory-session.ts";
import { chooseMicrobatch } from "./microbatch-choice.ts";
import type { Plan } from "./plan.ts";
import { type Sizes, withMicrobatch } from "./resolve.ts";
import type { Trace } from "./trace.ts";

/** The share of free memory that a run may take unasked: others want some, and a prediction may be wrong by some. */
const shareOfFree = 0.8;

/** How much more may be needed with another size than the one that was probed: memory divides up in other ways. */
const unprobed = 1.1;

/** What the memory of a run was predicted to be, in bytes of the whole process. */
export interface PredictedMemory {
  /** Before the run: data that is held in memory, and everything else the caller has. */
  readonly idleBytes: number;
  readonly predictedPeakBytes: number;
  /** The plan's budget, or else a share of what was free; absent where the system does not tell that. */
  readonly budgetBytes?: number;
}

/** What is known when the budget is settled. */
export interface Unsettled {
  readonly plan: Plan;
  readonly trace: Trace;
  readonly runtime: Runtime;
  readonly sizes: Sizes;
  readonly factory: CrewFactory;
  /** What computes if the crew was not asked for and does not fit. */
  readonly single: CrewFactory;
  arenaBytes(lanes: readonly string[]): number;
  /** What the process holds now and gives back before it trains: a checkpoint that was read. */
  readonly borrowedBytes?: number;
}

/** Sizes and a crew that fit. */
export interface Settled {
  readonly sizes: Sizes;
  readonly factory: CrewFactory;
  /** Absent where the system does not tell what a process holds. */
  readonly memory?: PredictedMemory;
}

/**
 * Predicts the peak and keeps it under the budget: a crew and a microbatch size that were left out are made smaller, those that
 * were asked for are refused, with the largest size that fits.
 */
export async function settleMemory(unsettled: Unsettled): Promise<Settled> {
  const { plan, trace, runtime, sizes, factory, single } = unsettled;
  runtime.memory?.giveBack(); // what is free already would hide what a probe takes
  const residentBytes = runtime.memory?.resident();
  if (residentBytes === undefined) return { sizes, factory };
  const free = runtime.memory?.available() ?? Number.POSITIVE_INFINITY;
  const budgetBytes = plan.memoryBudget ?? residentBytes + shareOfFree * free;
  const meter = new Meter(unsettled, residentBytes, budgetBytes);
  await meter.measure();
  const choice = await chooseMicrobatch({
    plan,
    trace,
    sizes,
    openProbe: () => Probe.open(runtime, trainingProgram(trace, false)),
    fits: (size) => meter.fits(factory, size),
  });
  if (choice !== undefined)
    return meter.settled(factory, withMicrobatch(sizes, choice.microbatchSize, choice.reason));
  if (meter.fits(factory, sizes.microbatchSize)) return meter.settled(factory, sizes);
  const crew = plan.parallel === undefined ? single : factory;
  if (meter.fits(crew, sizes.microbatchSize)) return meter.settled(crew, sizes);
  const largest = largestFitting(sizes, (size) => meter.fits(crew, size));
  const isLeftOut = plan.microbatchSize === undefined && plan.replay === undefined;
  if (largest === 0 || !isLeftOut) refuse(unsettled, meter, crew, largest);
  const reason = `the batch in equal parts that fit into ${mebibytes(budgetBytes)} MiB of memory`;
  const confirmed = await meter.confirm(crew, equalParts(sizes.batchSize, largest));
  if (confirmed === 0) refuse(unsettled, meter, crew, 0);
  return meter.settled(crew, withMicrobatch(sizes, equalParts(sizes.batchSize, confirmed), reason));
}

/** What the programs take, as far as it has been measured, and what fits into the budget. */
class Meter {
  readonly #unsettled: Unsettled;
  readonly #residentBytes: number;
  readonly budgetBytes: number;
  #first!: SessionBytes;
  #add!: SessionBytes;
  #evaluation: SessionBytes | undefined;

  constructor(unsettled: Unsettled, residentBytes: number, budgetBytes: number) {
    this.#unsettled = unsettled;
    this.#residentBytes = residentBytes;
    this.budgetBytes = budgetBytes;
  }

  /** Measures the sizes that are asked for, or smaller ones where those are large. */
  async measure(): Promise<void> {
    const { plan, trace, runtime, sizes } = this.#unsettled;
    const room = this.budgetBytes - this.#residentBytes;
    const samples = Math.min(sizes.microbatchSize, mostSamples(plan, sizes));
    const wanted = { room, samples, idleBytes: this.#residentBytes };
    this.#first = await measureSession(runtime, trainingProgram(trace, false), wanted);
    this.#add = this.#first;
    // What a first probe has left behind is that session's, which comes first in the run as well.
    const left = () => runtime.memory?.resident() ?? this.#residentBytes;
    if (isAdding(plan, sizes)) {
      const add = await measureSession(runtime, trainingProgram(trace, true), {
        ...wanted,
        idleBytes: left(),
      });
      this.#add = { ...add, loaded: this.#first.loaded };
    }
    if (plan.validation === undefined) return;
    const evaluated = { room, idleBytes: left(), samples: evaluatedSamples(plan, sizes) };
    this.#evaluation = await measureSession(runtime, evaluationProgram(trace), evaluated);
  }

  predict(factory: CrewFactory, size: number, spare = 1): number {
    const { plan, trace, sizes, arenaBytes, borrowedBytes = 0 } = this.#unsettled;
    const parts: MemoryParts = {
      plan,
      trace,
      workers: Math.min(factory.workers, sizes.lanes), // a crew starts no more
      residentBytes: this.#residentBytes - borrowedBytes,
      first: this.#first,
      add: this.#add,
      ...(this.#evaluation && { evaluation: this.#evaluation }),
      spare,
      arenaBytes,
    };
    const restored = this.#residentBytes + arenaBytes([]); // when the arena has what was borrowed, and it is still there
    return Math.max(restored, predictPeak(parts, sizes, size));
  }

  /** The budget that a size fits into: of one that was not probed a little more than predicted. */
  needed(crew: CrewFactory, size: number): number {
    const isAsked = size === this.#unsettled.sizes.microbatchSize;
    return this.predict(crew, size, isAsked ? 1 : unprobed);
  }

  fits(crew: CrewFactory, size: number): boolean {
    return this.needed(crew, size) <= this.budgetBytes;
  }

  /** Measures a size that is to fit, now that it is known, and gives a smaller one if it does not; 0 where none does any more. */
  async confirm(crew: CrewFactory, size: number): Promise<number> {
    const { plan, trace, runtime, sizes } = this.#unsettled;
    const wanted = { samples: size, idleBytes: this.#residentBytes };
    this.#first = await measureAgain(runtime, trainingProgram(trace, false), this.#first, wanted);
    this.#add = isAdding(plan, withMicrobatch(sizes, size))
      ? await measureAgain(runtime, trainingProgram(trace, true), this.#add, wanted)
      : this.#first;
    if (this.predict(crew, size) <= this.budgetBytes) return size;
    return largestFitting({ ...sizes, microbatchSize: size }, (one) => this.fits(crew, one));
  }

  settled(factory: CrewFactory, sizes: Sizes): Settled {
    const memory = {
      idleBytes: this.#residentBytes,
      predictedPeakBytes: this.predict(factory, sizes.microbatchSize),
      ...(Number.isFinite(this.budgetBytes) && { budgetBytes: this.budgetBytes }),
    };
    return { sizes, factory, memory };
  }
}

const equalParts = (batchSize: number, most: number) => Math.ceil(batchSize / Math.ceil(batchSize / most));

/**
 * The largest size below the one of `sizes` that fits; 0 where none does. Memory grows with the microbatch, but for one place:
 * as soon as there are more of them than lanes, a second session adds to sums.
 */
function largestFitting(sizes: Sizes, fits: (size: number) => boolean): number {
  const most = sizes.microbatchSize - 1;
  const single = Math.min(most, Math.ceil(sizes.batchSize / sizes.lanes));
  let [low, high] = single > 0 && fits(single) ? [single, most] : [0, Math.max(0, single - 1)];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Says what would fit. largest: the largest microbatch size that does, 0 where none does. */
function refuse({ plan, sizes }: Unsettled, meter: Meter, crew: CrewFactory, largest: number): never {
  const size = sizes.microbatchSize;
  const isFree = plan.memoryBudget === undefined;
  const budget = `${mebibytes(meter.budgetBytes)} MiB${isFree ? " that are free" : ""}`;
  const needed = (microbatch: number) => `${mebibytes(meter.needed(crew, microbatch))} MiB`;
  const fewerThreads = Math.min(crew.workers, sizes.lanes) > 1 ? "fewer threads, " : "";
  if (plan.replay !== undefined) {
    fail("plan.memoryBudget", {
      expected: `at least ${needed(size)}, for the microbatches of ${size} that the run was begun with and has to keep`,
      got: budget,
      fix: `${fewerThreads}begin anew with smaller ones, or a larger memoryBudget`,
    });
  }
  if (largest === 0) {
    fail("plan.memoryBudget", {
      expected: `at least ${needed(1)}, for microbatches of one sample`,
      got: budget,
      fix: `a smaller model, less data in memory, ${fewerThreads}or a larger memoryBudget`,
    });
  }
  fail("plan.microbatchSize", {
    expected: `at most ${largest}, to fit into ${budget}`,
    got: `${size}, for which the process would hold ${needed(size)}`,
    fix: `microbatchSize: ${largest}, or a larger memoryBudget`,
  });
}

const mebibytes = (bytes: number) => Math.ceil(bytes / 2 ** 20);
