/** Flags → the parts of a plan that a table's plan and a plan file's share. */

import { type Sampler, shuffled, withReplacement } from "../../data/sampler.ts";
import { clipByGlobalNorm } from "../../optim/clip.ts";
import { ema } from "../../optim/ema.ts";
import {
  adagrad,
  adam,
  adamw,
  constantRate,
  cosineRate,
  linearRate,
  lion,
  matricesOnly,
  type Optimizer,
  oneCycleRate,
  rmsprop,
  type Schedule,
  type SharedOptions,
  sgd,
} from "../../optim/index.ts";
import type { Plan } from "../../train/plan.ts";
import { afterEpochs, afterSteps, type StopRule, whenReached, whenStale } from "../../train/stop.ts";
import { type OptimizerName, optimizerDefaults, type RunFlags, type ScheduleName } from "./flags.ts";

type Settings = Required<Pick<SharedOptions, "learningRate" | "decays" | "weightDecay">>;

const optimizers: Readonly<Record<OptimizerName, (settings: Settings) => Optimizer>> = {
  adamw,
  adam,
  sgd,
  momentum: (settings) => sgd({ ...settings, momentum: 0.9 }),
  rmsprop,
  adagrad,
  lion,
};

const schedules: Readonly<Record<ScheduleName, (rate: number, steps: number) => Schedule>> = {
  constant: (rate) => constantRate(rate),
  linear: (rate, steps) => linearRate(rate, { steps }),
  cosine: (rate, steps) => cosineRate(rate, { steps }),
  "one-cycle": (rate, steps) => oneCycleRate(rate, { steps }),
};

/** The update rule that flags name. Biases do not decay. steps: how many a schedule spans. */
export function optimizerOf(name: OptimizerName, flags: RunFlags, steps: number): Optimizer {
  const defaults = optimizerDefaults[name];
  return optimizers[name]({
    learningRate: scheduleOf(flags, flags.learningRate ?? defaults.learningRate, steps),
    weightDecay: flags.weightDecay ?? defaults.weightDecay,
    decays: matricesOnly,
  });
}

/** The learning rate over a run of so many steps. */
export function scheduleOf({ schedule = "constant" }: RunFlags, rate: number, steps: number): Schedule {
  return schedules[schedule](rate, steps);
}

/** The rules that flags name, none where they name none. */
export function stopRulesOf({ until, patience, epochs, steps }: RunFlags): StopRule[] {
  const rules: StopRule[] = [];
  if (until !== undefined) rules.push(whenReached(until.metric, until));
  if (patience !== undefined) rules.push(whenStale("validation.loss", { patience }));
  if (steps !== undefined) rules.push(afterSteps(steps));
  if (epochs !== undefined) rules.push(afterEpochs(epochs));
  return rules;
}

/** What else flags say, in the fields of a plan. */
export function overridesOf(flags: RunFlags): Partial<Pick<Plan, OverriddenField>> {
  const { batchSize, microbatchSize, lanes, seed, sampling, clip, ema: decay } = flags;
  return {
    ...(batchSize !== undefined && { batchSize }),
    ...(microbatchSize !== undefined && { microbatchSize }),
    ...(lanes !== undefined && { lanes }),
    ...(seed !== undefined && { seed }),
    ...(sampling !== undefined && { sampler: samplers[sampling]() }),
    ...(clip !== undefined && { clip: clipByGlobalNorm(clip) }),
    ...(decay !== undefined && { ema: ema({ decay }) }),
  };
}

type OverriddenField = "batchSize" | "microbatchSize" | "lanes" | "seed" | "sampler" | "clip" | "ema";

const samplers: Readonly<Record<NonNullable<RunFlags["sampling"]>, () => Sampler>> = {
  shuffle: shuffled,
  "with-replacement": withReplacement,
};
