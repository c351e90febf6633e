/** What a run does about steps that diverge: ends, leaves updates out, or goes back and learns slower. Plain data. */
import { fail, kindOf } from "../errors.ts";
import { checkOptions, type Option } from "./options.ts";
import type { TrainingState } from "./state.ts";

/** What counts as divergence beside NaN and infinity. */
interface Judging {
  /**
   * The loss explodes where that of a batch is above so many times the mean loss of the steps before. The mean is the plain one
   * of the first 20 steps, which are not judged themselves, and forgets a twentieth with each step from then on. Losses of
   * steps that diverged are not in it, and where it is not above 0 nothing is judged. Default: only NaN and infinity
   * count, since a sane loss may jump by any factor.
   */
  readonly factor?: number;
}

/** The run ends, with the weights of the step before. */
export interface StopAtDivergence extends Judging {
  readonly action: "stop";
}

/**
 * The step's update is left out: no parameter, slot, average or running statistic moves. The step counts and its samples are
 * passed, so that the next one draws others. Helps where single samples are at fault; weights that have gone wrong stay wrong.
 */
export interface SkipDivergence extends Judging {
  readonly action: "skip";
  /** At most so many in a row, then the run ends. Default 10. */
  readonly limit?: number;
  /** At most this share of all steps, judged once more than `limit` were skipped in all. Default 0.1. */
  readonly share?: number;
}

/**
 * The run goes back to an earlier step and multiplies the learning rate from there on. It draws the same samples and the same
 * dropout masks again, since the place in the data is part of the state: the smaller rate is what changes the outcome, and
 * samples that are at fault themselves are met again; `skip` is for these.
 *
 * It goes back to a copy of the state (parameters, slots, average) that it makes every so many steps, just before an update
 * whose loss is no higher than the mean of the steps before. The copy lies in memory and is part of the checkpoints, which it
 * nearly doubles. The checkpoints themselves are not gone back to: they are made by the clock, and the result would be, too.
 */
export interface GoBackAtDivergence extends Judging {
  readonly action: "back";
  /** What the learning rate is multiplied by each time. Default 0.5. */
  readonly learningRateFactor?: number;
  /** At most so many times, then the run ends. Default 3. */
  readonly limit?: number;
  /** Steps between two copies, at least. Default 100: a copy takes as long as one or two updates, without their gradients. */
  readonly everySteps?: number;
}

/** What to do where a loss, a gradient or a statistic is NaN or infinite, or the loss explodes. */
export type Divergence = StopAtDivergence | SkipDivergence | GoBackAtDivergence;

/** The same with every option, as it is recorded. */
export type SettledDivergence =
  | StopAtDivergence
  | (Required<Omit<SkipDivergence, "factor">> & Judging)
  | (Required<Omit<GoBackAtDivergence, "factor">> & Judging);

/** Mean loss of the last steps, and how many steps it has seen. */
export interface MeanLoss {
  readonly value: number;
  readonly steps: number;
}

/** What a policy knows; part of the training state. */
export interface DivergenceState {
  meanLoss: MeanLoss;
  /** Steps whose update was left out, in all and since the last update. */
  skipped: number;
  skippedInARow: number;
  /** How often the run went back, how many steps that undid, and what the learning rate is multiplied by since. */
  wentBack: number;
  stepsUndone: number;
  learningRateFactor: number;
  /** Where to go back to; its numbers lie in the arena's regions "point …". */
  point: { readonly state: Omit<TrainingState, "divergence">; readonly meanLoss: MeanLoss } | null;
}

/** A loss that is finite and yet many times what it was. */
export interface Explosion {
  readonly loss: number;
  /** Of the steps before. */
  readonly mean: number;
  readonly factor: number;
}

/** Steps that are only counted, and what the mean then forgets by. */
const steadySteps = 20;

/** The policy with its defaults; undefined where nothing has to be known for it, as without one. */
export function settleDivergence(divergence: Divergence | undefined): SettledDivergence | undefined {
  if (divergence === undefined) return undefined;
  const { action, factor } = divergence;
  const judging = factor === undefined ? {} : { factor };
  if (action === "stop") return factor === undefined ? undefined : { action, ...judging };
  if (action === "skip") {
    const { limit = 10, share = 0.1 } = divergence;
    return { action, ...judging, limit, share };
  }
  const { learningRateFactor = 0.5, limit = 3, everySteps = 100 } = divergence;
  return { action, ...judging, learningRateFactor, limit, everySteps };
}

/** Before the first step. */
export function initialDivergence(): DivergenceState {
  return {
    meanLoss: { value: 0, steps: 0 },
    skipped: 0,
    skippedInARow: 0,
    wentBack: 0,
    stepsUndone: 0,
    learningRateFactor: 1,
    point: null,
  };
}

/** The mean with one more loss. */
export function withLoss({ value, steps }: MeanLoss, loss: number): MeanLoss {
  return { value: value + (loss - value) / Math.min(steps + 1, steadySteps), steps: steps + 1 };
}

/** Whether a loss is too many times the mean. */
export function explosionOf(
  { factor }: Judging,
  { value: mean, steps }: MeanLoss,
  loss: number,
): Explosion | undefined {
  if (factor === undefined || steps < steadySteps || !(mean > 0) || loss <= factor * mean) return undefined;
  return { loss, mean, factor };
}

/** Why a policy lets a run end at a step, counted from 1; undefined where it may go on. */
export function limitOf(
  policy: SettledDivergence,
  { skipped, skippedInARow, wentBack, point }: DivergenceState,
  step: number,
): string | undefined {
  if (policy.action === "skip") {
    const { limit, share } = policy;
    if (skippedInARow >= limit) return `${times(limit, "step")} in a row were skipped, which is the limit`;
    if (skipped >= limit && skipped + 1 > share * step)
      return `${skipped} of ${step - 1} steps were skipped, and no more than a share of ${share} may be`;
  }
  if (policy.action === "back") {
    if (wentBack >= policy.limit) return `the run went back ${times(wentBack, "time")}, which is the limit`;
    if (point === null) return "there is no good step to go back to";
  }
  return undefined;
}

const times = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`;

const isNumber = (value: unknown): value is number => typeof value === "number";
const factor: Option = {
  expected: "a number above 1",
  holds: (value) => isNumber(value) && value > 1 && value < Number.POSITIVE_INFINITY,
  fix: "for example 10; leave it out to look for NaN and infinity alone",
};
const aCount: Option = {
  expected: "a whole number from 1 on",
  holds: (value) => Number.isSafeInteger(value) && Number(value) >= 1,
  fix: "leave it out for the default",
};
const share: Option = {
  expected: "a number above 0, at most 1",
  holds: (value) => isNumber(value) && value > 0 && value <= 1,
  fix: "leave it out for 0.1",
};
const learningRateFactor: Option = {
  expected: "a number above 0 and below 1",
  holds: (value) => isNumber(value) && value > 0 && value < 1,
  fix: "leave it out for 0.5: with the same rate the same steps would follow",
};

const options: Readonly<Record<Divergence["action"], Readonly<Record<string, Option>>>> = {
  stop: { factor },
  skip: { factor, limit: aCount, share },
  back: { factor, learningRateFactor, limit: aCount, everySteps: aCount },
};

/** Refuses actions and options that there are not, and numbers that cannot be. */
export function checkDivergence(divergence: Divergence): void {
  const { action, ...given } = divergence;
  if (!Object.hasOwn(options, action)) {
    fail("plan.divergence.action", {
      expected: '"stop", "skip" or "back"',
      got: kindOf(action),
      fix: 'for example { action: "skip" }',
    });
  }
  checkOptions("plan.divergence", given, options[action], `, action "${action}"`);
}
