/** The memory budget: what a run may take, and which microbatches fit into it. Settled before anything is allocated. */
import { fail } from "../errors.ts";
import type { CrewFactory } from "../parallel/crew.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { measureSession, mostSamples, predictPeak } from "./memory-model.ts";
import { Probe } from "./memory-probe.ts";
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
  const residentBytes = runtime.memory?.resident();
  if (residentBytes === undefined) return { sizes, factory };
  const free = runtime.memory?.available() ?? Number.POSITIVE_INFINITY;
  const budgetBytes = plan.memoryBudget ?? residentBytes + shareOfFree * free;
  const session = await measureSession(
    runtime,
    trace,
    Math.min(sizes.microbatchSize, mostSamples(plan, sizes)),
    budgetBytes - residentBytes,
  );
  const settle = (fitting: Sizes, crew: CrewFactory): Settled => ({
    sizes: fitting,
    factory: crew,
    memory: {
      idleBytes: residentBytes,
      predictedPeakBytes: predict(crew, fitting.microbatchSize),
      ...(Number.isFinite(budgetBytes) && { budgetBytes }),
    },
  });
  const parts = { plan, trace, residentBytes, session, arenaBytes: unsettled.arenaBytes };
  const predict = (crew: CrewFactory, size: number) =>
    predictPeak({ ...parts, workers: crew.workers }, sizes, size);
  const fits = (crew: CrewFactory, size: number) => {
    const growth = predict(crew, size) - residentBytes;
    return residentBytes + (size === sizes.microbatchSize ? growth : unprobed * growth) <= budgetBytes;
  };
  const choice = await chooseMicrobatch({
    plan,
    trace,
    sizes,
    openProbe: () => Probe.open(runtime, trace),
    fits: (size) => fits(factory, size),
  });
  if (choice !== undefined)
    return settle(withMicrobatch(sizes, choice.microbatchSize, choice.reason), factory);
  if (fits(factory, sizes.microbatchSize)) return settle(sizes, factory);
  const crew = plan.parallel === undefined ? single : factory;
  if (fits(crew, sizes.microbatchSize)) return settle(sizes, crew);
  const largest = largestFitting(sizes, (size) => fits(crew, size));
  const isLeftOut = plan.microbatchSize === undefined && plan.replay === undefined;
  if (largest === 0 || !isLeftOut) {
    refuse(plan, sizes.microbatchSize, largest, (size) => predict(crew, size), budgetBytes);
  }
  const equal = Math.ceil(sizes.batchSize / Math.ceil(sizes.batchSize / largest));
  const reason = `the batch in equal parts that fit into ${mebibytes(budgetBytes)} MiB of memory`;
  return settle(withMicrobatch(sizes, equal, reason), crew);
}

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

function refuse(
  plan: Plan,
  size: number,
  largest: number,
  predict: (size: number) => number,
  budgetBytes: number,
): never {
  const budget = `${mebibytes(budgetBytes)} MiB${plan.memoryBudget === undefined ? " that are free" : ""}`;
  if (largest === 0) {
    fail("plan.memoryBudget", {
      expected: `at least ${mebibytes(predict(1))} MiB, for microbatches of one sample`,
      got: budget,
      fix: "a smaller model, less data in memory, fewer threads, or a larger memoryBudget",
    });
  }
  fail("plan.microbatchSize", {
    expected: `at most ${largest}, to fit into ${budget}`,
    got: `${size}, for which the process would hold ${mebibytes(predict(size))} MiB`,
    fix: `microbatchSize: ${largest}, or a larger memoryBudget`,
  });
}

const mebibytes = (bytes: number) => Math.ceil(bytes / 2 ** 20);
