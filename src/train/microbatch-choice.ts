/** The microbatch size of a long run, where the plan leaves it out: timed, since no rule knows the machine. */
import { elementCount } from "../array/shape.ts";
import { bytesOf, runOrder } from "../graph/memory.ts";
import { defaultCrew } from "../parallel/threads.ts";
import { measureMerge } from "./merge-cost.ts";
import { evenParts } from "./microbatch-counts.ts";
import { defaults, type Plan } from "./plan.ts";
import type { Sizes } from "./resolve.ts";
import { type StepParts, secondsBetween, stepSeconds, type TimedSize } from "./step-time.ts";
import type { Trace } from "./trace.ts";

/** A run whose epochs take less goes by the rule: its bytes then do not depend on what a clock says. */
const longEpochSeconds = 2;
/** Everything that is timed, and each size of it, once when it is its turn and once behind all others. */
const [timingSeconds, eachMs] = [1, 50];
/**
 * How much slower than the fastest a smaller size may be: it takes less memory, and leaves more to do side by side. 5 % would be
 * worth that; the other 3 % are what timings of a tenth of a second are wrong by.
 */
const allowance = 1.02;

/** A size and why it is that. */
export interface Choice {
  readonly microbatchSize: number;
  readonly reason: string;
}

/** Runs microbatches of made up numbers, again and again until so many milliseconds are over. */
export interface TimingProbe {
  run(
    samples: number,
    ms?: number,
  ): Promise<{ readonly usualSeconds: number; readonly spentSeconds: number }>;
  close(): Promise<void>;
}

/** What is chosen from. */
export interface Choosing {
  readonly plan: Plan;
  readonly trace: Trace;
  readonly sizes: Sizes;
  fits(microbatchSize: number): boolean;
  openProbe(): Promise<TimingProbe>;
}

/**
 * Times at most three sizes on numbers made up, for at most a second, and takes the smallest whose steps are within 2 % of the
 * fastest. Undefined where the rule stays: the plan or its record says the size, an epoch is short, or the size is part of the
 * result (batchNorm). `merge` tells what adding a sum to another costs, in seconds.
 */
export async function chooseMicrobatch(
  choosing: Choosing,
  merge: (floats: number) => number = measureMerge,
): Promise<Choice | undefined> {
  const { plan, trace, sizes } = choosing;
  const isGiven = plan.microbatchSize !== undefined || plan.replay !== undefined;
  const isFixed = isGiven || trace.gradient.statistics.length > 0;
  if (isFixed || !mayBeLong(trace, plan.data.size)) return undefined;
  const { batchSize, lanes } = sizes;
  const workers = Math.min((plan.parallel ?? defaultCrew()).workers, lanes); // no more are started
  const candidates = evenParts(batchSize, lanes).filter((size) => choosing.fits(size));
  if (candidates.length < 2) return undefined;
  const probe = await choosing.openProbe();
  try {
    const parts = { batchSize, lanes, workers, mergeSeconds: merge(trainedFloats(trace)) };
    const timed = await timeSizes(probe, candidates, parts, plan.data.size);
    return timed.length < 2 ? undefined : fastEnough(candidates, timed, parts);
  } finally {
    await probe.close();
  }
}

/** At most three, in the order of their sizes. None where an epoch turns out to be short; fewer where time is up. */
async function timeSizes(
  probe: TimingProbe,
  sizes: readonly number[],
  parts: StepParts,
  samples: number,
): Promise<readonly TimedSize[]> {
  let left = timingSeconds;
  let timed: readonly TimedSize[] = [];
  for (let count = 0; count < 3; count++) {
    const size = nextSize(sizes, timed, parts, left);
    if (size === undefined) break;
    // A run makes room for its size; a new session is slow for longer (a fifth for the first 20 ms or so).
    const first = await probe.run(size, timed.length === 0 ? eachMs : 0);
    left -= first.spentSeconds;
    const threeRuns = 1000 * Math.min(2.5 * first.usualSeconds, left / 2); // a run that was disturbed may seem long
    const { usualSeconds: seconds, spentSeconds } = await probe.run(size, Math.max(eachMs, threeRuns));
    left -= spentSeconds;
    timed = [...timed, { size, seconds }].sort((a, b) => a.size - b.size);
    if ((seconds / size) * samples < longEpochSeconds) return [];
  }
  return timeAgain(probe, timed, left);
}

/** Whatever else the machine did while a size had its turn, it may have done with by now. */
async function timeAgain(
  probe: TimingProbe,
  timed: readonly TimedSize[],
  leftSeconds: number,
): Promise<readonly TimedSize[]> {
  let left = leftSeconds;
  const again: TimedSize[] = [];
  for (const { size, seconds } of timed) {
    if (seconds > left) return [...again, ...timed.slice(again.length)];
    const { usualSeconds, spentSeconds } = await probe.run(size, eachMs);
    left -= spentSeconds;
    again.push({ size, seconds: Math.min(seconds, usualSeconds) });
  }
  return again;
}

/**
 * What to time after what has been timed, out of sizes that rise by factors of about two. First what gives each lane one
 * microbatch, or what stays in the cache of most models; then four times as much; then, where that was faster, four times as
 * much again if it could be worth it; else what lies between, or less.
 */
export function nextSize(
  sizes: readonly number[],
  timed: readonly TimedSize[],
  parts: StepParts,
  leftSeconds: number,
): number | undefined {
  const [low, high] = timed;
  const top = sizes.length - 1;
  if (low === undefined) {
    const wanted = Math.min(Math.ceil(parts.batchSize / parts.lanes), defaults.largestMicrobatch);
    return sizes.findLast((size) => size <= wanted) ?? sizes[0];
  }
  const isAffordable = (size: number) =>
    2 * size * (timed.at(-1)!.seconds / timed.at(-1)!.size) <= leftSeconds;
  const affordable = (at: readonly number[]) =>
    at
      .map((one) => sizes[one]!)
      .find((size) => !timed.some((one) => one.size === size) && isAffordable(size));
  const lowAt = sizes.indexOf(low.size);
  if (high === undefined) {
    const above = lowAt < top ? [Math.min(lowAt + 2, top), lowAt + 1] : [];
    return affordable([...above, Math.max(lowAt - 2, 0)]);
  }
  const highAt = sizes.indexOf(high.size);
  const between = (lowAt + highAt) >> 1;
  const [slow, fast] = [stepSeconds(parts, low), stepSeconds(parts, high)];
  if (fast < slow) {
    // No microbatch takes less time than a smaller one, and often there is nothing for the other threads then.
    const above = Math.min(highAt + 2, top);
    const couldBe = stepSeconds(parts, { size: sizes[above]!, seconds: high.seconds });
    return affordable(couldBe < fast / allowance ? [above, Math.min(highAt + 1, top), between] : [between]);
  }
  const hasOutgrownCache = high.seconds / high.size > (1.1 * low.seconds) / low.size;
  const below = Math.max(lowAt - 2, 0);
  return affordable(hasOutgrownCache ? [below, between] : [between, below]);
}

function fastEnough(sizes: readonly number[], timed: readonly TimedSize[], parts: StepParts): Choice {
  const seen = sizes.filter((size) => size >= timed[0]!.size && size <= timed.at(-1)!.size);
  const steps = seen.map((size) => ({
    size,
    isTimed: timed.some((one) => one.size === size),
    seconds: stepSeconds(parts, { size, seconds: secondsBetween(timed, size) }),
  }));
  const best = Math.min(...steps.map(({ seconds }) => seconds));
  const { size } = steps.find(({ seconds }) => seconds <= allowance * best)!; // the best itself is
  const told = steps.map(
    (one) => `${one.size}: ${one.isTimed ? "" : "about "}${threeDigits(1000 * one.seconds)}`,
  );
  return {
    microbatchSize: size,
    reason: `the smallest within 2 % of the fastest (milliseconds of a step on ${threadsOf(parts)}, in microbatches of ${told.join(", ")})`,
  };
}

const threadsOf = ({ workers }: StepParts) => (workers === 1 ? "one thread" : `${workers} threads`);
const threeDigits = (value: number) => String(Number(value.toPrecision(3)));

/** Elements of one lane's sum. */
function trainedFloats({ parameters }: Trace): number {
  return parameters.reduce((sum, { shape, isTrained }) => sum + (isTrained ? elementCount(shape) : 0), 0);
}

/** Whether an epoch may take long: from shapes, as if the machine were ten times as fast as any. */
function mayBeLong({ programs, parameters }: Trace, samples: number): boolean {
  const bytes = runOrder(programs.gradient).reduce((sum, tensor) => sum + bytesOf(tensor, 1), 0);
  const weights = parameters.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const seconds = samples * (bytes / 40e9 + (6 * weights) / 1e12);
  return seconds > longEpochSeconds / 20;
}
