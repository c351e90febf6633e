/** The microbatch size of a long run, where the plan leaves it out: timed, since no rule knows the machine. */
import { elementCount } from "../array/shape.ts";
import { bytesOf, runOrder } from "../graph/memory.ts";
import type { Probe } from "./memory-probe.ts";
import type { Plan } from "./plan.ts";
import type { Sizes } from "./resolve.ts";
import type { Trace } from "./trace.ts";

/** A run whose epochs take less goes by the rule: its bytes then do not depend on what a clock says. */
const longEpochSeconds = 2;
/** Everything that is timed, and each size of it. */
const [timingSeconds, eachMs] = [1, 100];
/** How much slower than the fastest a smaller size may be: it takes less memory, and leaves more to do side by side. */
const allowance = 1.05;

/** A size and why it is that. */
export interface Choice {
  readonly microbatchSize: number;
  readonly reason: string;
}

/** What is chosen from. */
export interface Choosing {
  readonly plan: Plan;
  readonly trace: Trace;
  readonly sizes: Sizes;
  fits(microbatchSize: number): boolean;
  openProbe(): Promise<Pick<Probe, "run" | "close">>;
}

/**
 * Times at most three sizes on numbers made up, for at most a second, and takes the smallest within 5 % of the fastest. Undefined
 * where the rule stays: the plan or its record says the size, an epoch is short, or the size is part of the result (batchNorm).
 */
export async function chooseMicrobatch(choosing: Choosing): Promise<Choice | undefined> {
  const { plan, trace, sizes } = choosing;
  const isGiven = plan.microbatchSize !== undefined || plan.replay !== undefined;
  const isFixed = isGiven || trace.gradient.statistics.length > 0;
  if (isFixed || !mayBeLong(trace, plan.data.size)) return undefined;
  const candidates = candidatesOf(sizes).filter((size) => choosing.fits(size));
  if (candidates.length < 2) return undefined;
  const probe = await choosing.openProbe();
  try {
    const timed = await timeSizes(probe, candidates, plan.data.size);
    return timed.length < 2 ? undefined : fastEnough(timed);
  } finally {
    await probe.close();
  }
}

interface Timed {
  readonly size: number;
  readonly secondsPerSample: number;
}

/** Smallest first. Ends early where an epoch turns out to be short, or time is up. */
async function timeSizes(
  probe: Pick<Probe, "run">,
  sizes: readonly number[],
  samples: number,
): Promise<readonly Timed[]> {
  let left = timingSeconds;
  const timed: Timed[] = [];
  for (const size of sizes) {
    if (2 * size * (timed.at(-1)?.secondsPerSample ?? 0) > left) break;
    const first = await probe.run(size); // which makes room for its size
    const { seconds, spentSeconds } = await probe.run(size, eachMs);
    left -= first.spentSeconds + spentSeconds;
    timed.push({ size, secondsPerSample: seconds / size });
    if (timed[0]!.secondsPerSample * samples < longEpochSeconds) return [];
  }
  return timed;
}

function fastEnough(timed: readonly Timed[]): Choice {
  const best = Math.min(...timed.map(({ secondsPerSample }) => secondsPerSample));
  const { size } = timed.find(({ secondsPerSample }) => secondsPerSample <= allowance * best)!; // the best itself is
  const told = timed.map((one) => `${one.size}: ${Math.round(1 / one.secondsPerSample)}`).join(", ");
  return {
    microbatchSize: size,
    reason: `the smallest within 5 % of the fastest (samples per second on one thread of microbatches of ${told})`,
  };
}

/**
 * At most three sizes, smallest first: what the rule says; what gives each lane a microbatch, so that threads have work; and one
 * between. Where the rule's gives lanes enough, a quarter of it and four times as many, as far as there are lanes for them.
 */
export function candidatesOf({ batchSize, microbatchSize: byRule, lanes }: Sizes): readonly number[] {
  const perLane = Math.ceil(batchSize / lanes);
  const wanted =
    perLane < byRule
      ? [perLane, Math.sqrt(perLane * byRule), byRule]
      : [byRule / 4, byRule, Math.min(4 * byRule, perLane)];
  const equal = wanted.map((size) => Math.ceil(batchSize / Math.ceil(batchSize / Math.ceil(size))));
  return [...new Set(equal)].sort((a, b) => a - b);
}

/** Whether an epoch may take long: from shapes, as if the machine were ten times as fast as any. */
function mayBeLong({ programs, parameters }: Trace, samples: number): boolean {
  const bytes = runOrder(programs.gradient).reduce((sum, tensor) => sum + bytesOf(tensor, 1), 0);
  const weights = parameters.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const seconds = samples * (bytes / 40e9 + (6 * weights) / 1e12);
  return seconds > longEpochSeconds / 20;
}
