/**
 * verify: shows on a plan's own model and data that a step is a sum over microbatches, that threads and interruptions change no
 * byte, and that the saved model answers like the trained one. Measures as it goes, and ends within its time.
 */

import { elementCount } from "../array/shape.ts";
import type { ColumnSpecs } from "../data/dataset.ts";
import { fail, kindOf, messageOf } from "../errors.ts";
import type { CheckpointStore } from "./checkpoint.ts";
import { checkPlan, type Plan } from "./plan.ts";
import { type Check, type CheckName, VerifyClock } from "./verify-check.ts";
import { checkCompany, checkLayers, checkSplits } from "./verify-gradients.ts";
import { openProbe, type Probe } from "./verify-probe.ts";
import { chooseReduced, type Reduced } from "./verify-reduced.ts";
import { checkKill, checkResume, checkThreads, type Undisturbed, undisturbed } from "./verify-runs.ts";
import { checkSaved } from "./verify-saved.ts";

/** Options of verify. */
export interface VerifyOptions {
  /** How long it may take. Default 10. A model of which one microbatch takes longer is not interrupted. */
  readonly seconds?: number;
  /** Threads that are compared with one. Default 3. */
  readonly threads?: number;
  /** Where a run is saved and gone on from; a new, empty one. Default: a run's folder among the temporary files. */
  readonly store?: CheckpointStore;
  /**
   * Trains the reduced plan in another process, which it ends by SIGKILL. False where there was not enough time, and a sentence where
   * something else was in the way: the check is skipped then. Default: none, and it is skipped too.
   */
  readonly elsewhere?: (run: ElsewhereRun) => Promise<boolean | string>;
}

/** A run of another process that is to be killed. */
export interface ElsewhereRun {
  /** The run's folder: made by the other process, gone on with in this one. */
  readonly folder: string;
  readonly reduced: Reduced;
  /** It is killed once it has done so many steps. */
  readonly killAt: number;
  /** How long the other process may take until then. */
  readonly seconds: number;
}

/** What verify found. Plain data. */
export interface Certificate {
  /** True where no check has failed; those that were skipped say so. */
  readonly holds: boolean;
  readonly checks: readonly Check[];
  readonly data: { readonly name: string; readonly samples: number };
  /** How many numbers are trained. */
  readonly parameters: number;
  /** The batch on which splits were compared: its samples, and the sizes of microbatches. */
  readonly batch: {
    readonly samples: number;
    readonly microbatchSizes: readonly number[];
    readonly lanes: number;
  };
  readonly backend: { readonly name: string; readonly version: string; readonly processor: string };
  readonly seconds: number;
}

/**
 * Tries a plan's promises on its own model and data, on a reduced batch, and says of each whether it holds, by which numbers.
 * Nothing of the plan is changed: its own checkpoints are neither read nor written. Throws for a plan that cannot be trained, and for
 * options out of their range.
 */
export async function verify<Columns extends ColumnSpecs, Prediction>(
  plan: Plan<Columns, Prediction>,
  options: VerifyOptions = {},
): Promise<Certificate> {
  checkPlan(plan);
  checkOptions(options);
  const clock = new VerifyClock(options.seconds ?? 10);
  // Columns and predictions are only handed back to functions of the same plan.
  const erased = plan as unknown as Plan;
  const probe = await openProbe(erased, clock);
  try {
    const checks: Check[] = [];
    const splits = await checkSplits(probe, clock);
    checks.push(splits, await checkCompany(probe, clock), checkLayers(probe, splits));
    checks.push(...(await checkRuns(erased, probe, clock, options)));
    return certificateOf(probe, checks, clock);
  } finally {
    await probe.close();
  }
}

function checkOptions({ seconds = 10, threads = 3 }: VerifyOptions): void {
  if (!(Number.isFinite(seconds) && seconds > 0))
    fail("verify, seconds", {
      expected: "a number above 0",
      got: kindOf(seconds),
      fix: "leave it out for 10",
    });
  if (!(Number.isSafeInteger(threads) && threads >= 2 && threads <= 256))
    fail("verify, threads", {
      expected: "a whole number from 2 to 256",
      got: kindOf(threads),
      fix: "leave it out for 3",
    });
}

async function checkRuns(
  plan: Plan,
  probe: Probe,
  clock: VerifyClock,
  options: VerifyOptions,
): Promise<Check[]> {
  const reduced = chooseReduced(probe, clock);
  let first: Undisturbed | undefined;
  const one = await attempted("threads", clock, probe.runSeconds(reduced), async () => {
    first = await undisturbed(plan, reduced);
    return { name: "threads", holds: true, measured: {}, limit: null, why: "" };
  });
  const begun = first as Undisturbed | undefined; // set inside of the function above
  if (begun === undefined) {
    const why = one.holds === "skipped" ? one.why : "the run on one thread failed";
    return [one, ...skippedFor(why, "resume", "saved", "kill")];
  }
  const { stop } = begun.finished;
  if (stop.rule === "diverged")
    return skippedFor(`the run diverges: ${stop.reason}`, "threads", "resume", "saved", "kill");
  const { seconds } = begun;
  const stateSeconds = probe.stateBytes / 1e8; // encoded, hashed, written and synced: 100 MB a second at the least
  const { store, threads = 3, elsewhere } = options;
  return [
    await attempted("threads", clock, 1.5 * seconds + 0.5, () => checkThreads(plan, reduced, begun, threads)),
    await attempted("resume", clock, 1.5 * seconds + 2 * stateSeconds, () =>
      checkResume(plan, reduced, begun, store),
    ),
    await attempted("saved", clock, seconds / 2, () => checkSaved(plan.data, begun)),
    elsewhere === undefined
      ? {
          name: "kill",
          holds: "skipped",
          measured: {},
          limit: null,
          why: "a plan that is no file cannot be trained in another process: microbatch verify plan.ts does",
        }
      : await attempted("kill", clock, 2 * seconds + 2 * stateSeconds + 1.5, () =>
          checkKill(plan, reduced, begun, (run) => elsewhere({ ...run, seconds: Math.max(2, clock.left) })),
        ),
  ];
}

const skippedFor = (why: string, ...names: readonly CheckName[]): Check[] =>
  names.map((name) => ({ name, holds: "skipped", measured: {}, limit: null, why }));

/** A check, if there is time for it. What it throws is why it does not hold. */
async function attempted(
  name: CheckName,
  clock: VerifyClock,
  seconds: number,
  work: () => Promise<Check>,
): Promise<Check> {
  const late = clock.refusal(seconds);
  if (late !== undefined) return { name, holds: "skipped", measured: {}, limit: null, why: late };
  try {
    return await work();
  } catch (error) {
    return { name, holds: false, measured: {}, limit: null, why: messageOf(error) };
  }
}

function certificateOf(probe: Probe, checks: readonly Check[], clock: VerifyClock): Certificate {
  const { data, job, trial } = probe;
  const { name, version, processor } = job.runtime;
  const trained = job.arena.region(job.laneRegions[0]!).tensors;
  return {
    holds: checks.every(({ holds }) => holds !== false),
    checks,
    data: { name: data.name, samples: data.size },
    parameters: [...trained.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0),
    batch: { samples: trial.samples, microbatchSizes: [...trial.sizes, trial.samples], lanes: trial.lanes },
    backend: { name, version, processor },
    seconds: clock.seconds,
  };
}
