/** Flags → the parts of a plan that a table's plan and a plan file's share. */

import type { Dataset } from "../../data/dataset.ts";
import { classBalanced } from "../../data/draw/class-balanced.ts";
import { stratified } from "../../data/draw/stratified.ts";
import { weighted } from "../../data/draw/weighted.ts";
import { type Sampler, shuffled, withReplacement } from "../../data/sampler.ts";
import { fail } from "../../errors.ts";
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
  const { batchSize, microbatchSize, memoryBudget, lanes, seed, lastBatch, clip, ema: decay } = flags;
  const { onDivergence: action } = flags;
  return {
    ...(batchSize !== undefined && { batchSize }),
    ...(microbatchSize !== undefined && { microbatchSize }),
    ...(memoryBudget !== undefined && { memoryBudget }),
    ...(lanes !== undefined && { lanes }),
    ...(seed !== undefined && { seed }),
    ...(lastBatch !== undefined && { lastBatch }),
    ...(clip !== undefined && { clip: clipByGlobalNorm(clip) }),
    ...(decay !== undefined && { ema: ema({ decay }) }),
    ...(action !== undefined && { divergence: { action } }),
  };
}

type OverriddenField =
  | "batchSize"
  | "microbatchSize"
  | "memoryBudget"
  | "lanes"
  | "seed"
  | "lastBatch"
  | "clip"
  | "ema"
  | "divergence";

/** The sampler that a flag names, for the samples that train. */
export async function samplingOf(
  flags: RunFlags,
  training: Dataset,
): Promise<{ readonly sampler?: Sampler }> {
  const { sampling } = flags;
  if (sampling === undefined) return {};
  const { how, column } = sampling;
  if (how === "shuffle") return { sampler: shuffled() };
  if (how === "with-replacement") return { sampler: withReplacement() };
  if (how === "weighted") return { sampler: await weighted(training, column!) }; // it has one, see options.ts
  const make = how === "stratified" ? stratified : classBalanced;
  return { sampler: await make(training, column ?? targetOfClasses(how, training)) };
}

/** What classes are drawn by where no column is named. */
function targetOfClasses(how: string, { schema, name }: Dataset): string {
  const targets = schema?.targets ?? [];
  const classes = targets.filter(({ task }) => task === "classification");
  if (classes.length === 1) return classes[0]!.name;
  const named = (classes.length > 1 ? classes : targets).map((target) => target.name).join(", ");
  return fail(`--sampling ${how}`, {
    expected: "one target of classes",
    got: classes.length > 1 ? named : named === "" ? `none in ${name}` : `${named}, a number`,
    fix: `name the column of classes: --sampling ${how}:<column>`,
  });
}
