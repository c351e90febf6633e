/** What optimizers have in common: shared options, the checks that refuse impossible ones, and coupled weight decay. */
import { fail } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import { add, mul } from "../ops/arithmetic.ts";
import type { Optimizer, UpdateContext } from "./optimizer.ts";
import { constantRate, type Schedule } from "./schedule.ts";

/** Which parameters decay, by name ("linear1.weight") and shape. */
export type Decays = (name: string, shape: readonly number[]) => boolean;

/** Options that every optimizer takes. */
export interface SharedOptions {
  /** One rate for all steps, or a schedule. */
  readonly learningRate?: number | Schedule;
  /** How strongly parameters are pulled towards 0. */
  readonly weightDecay?: number;
  /** Which parameters decay. Default: all of them, as PyTorch; `matricesOnly` leaves out biases and scales. */
  readonly decays?: Decays;
}

/**
 * Weight decay for matrices and kernels only, not for biases and the scales of normalisations (one axis): pulling those
 * towards 0 does not make a model simpler. Source: Loshchilov's and GPT's training recipes (arXiv:2005.14165, appendix B).
 */
export const matricesOnly: Decays = (_name, shape) => shape.length > 1;

/** Weight decay for every parameter. */
export const allParameters: Decays = () => true;

/**
 * gradient + weightDecay · parameter, as every rule but `adamw` and `lion` decays. Where no parameter decays the product
 * is left out of the compiled rule.
 */
export function withCoupledDecay(
  { gradient, parameter, weightDecay }: UpdateContext,
  settings: Required<Pick<SharedOptions, "weightDecay">>,
): Tensor {
  return settings.weightDecay === 0 ? gradient : add(gradient, mul(parameter, weightDecay));
}

type Setting = number | boolean | Schedule | Decays;
/** An optimizer's options, each with its default; `undefined` stands for an option that must be given. */
type Defaults<Options> = { readonly [Name in keyof Required<Options>]: Options[Name] | undefined };

/** The options with defaults filled in. Throws for an option that is unknown, missing or out of range. */
export function settle<Options extends object>(
  where: string,
  options: Options,
  defaults: Defaults<Options>,
): Required<Options> {
  const settled: Record<string, unknown> = { ...defaults, ...options };
  for (const [name, value] of Object.entries(settled)) {
    const rule = rules[name];
    if (!(name in defaults) || rule === undefined) {
      fail(where, {
        expected: `options out of ${Object.keys(defaults).join(", ")}`,
        got: `"${name}"`,
        fix: "rename or remove it",
      });
    }
    if (!rule.holds(value)) {
      fail(where, { expected: `${name} to be ${rule.expected}`, got: String(value), fix: rule.fix });
    }
    // In the update, which is float32, it would be infinite.
    if (typeof value === "number" && !Number.isFinite(Math.fround(value))) {
      fail(where, { expected: `${name} to fit float32`, got: String(value), fix: rule.fix });
    }
  }
  return settled as Required<Options>; // every name of Options has a default or was found missing above
}

/** The parts of an optimizer that follow from its settled options. */
export function shared(
  where: string,
  settings: Required<SharedOptions>,
): Pick<Optimizer, "name" | "options" | "learningRate" | "weightDecay" | "decays"> {
  const { learningRate, weightDecay, decays } = settings;
  const schedule = typeof learningRate === "number" ? constantRate(learningRate) : learningRate;
  const record = Object.entries(settings).map(([name, value]) => [name, recorded(value as Setting)]); // settled, so a Setting
  return {
    name: where,
    options: Object.freeze(Object.fromEntries(record)),
    learningRate: checked(where, schedule),
    weightDecay,
    decays,
  };
}

function recorded(value: Setting): number | boolean | string {
  if (value === matricesOnly) return "matricesOnly";
  if (value === allParameters) return "allParameters";
  if (typeof value === "function") return ("description" in value && value.description) || "custom";
  return value;
}

/** A schedule of the user's own may give anything; a NaN would silently destroy every parameter. */
function checked(where: string, schedule: Schedule): Schedule {
  const at = (step: number) => {
    const rate = schedule(step);
    if (!isFromZero(rate) || !Number.isFinite(Math.fround(rate))) {
      fail(`${where}, schedule at step ${step}`, {
        expected: "a learning rate from 0 on that fits float32",
        got: String(rate),
        fix: "make the schedule return a number for every step",
      });
    }
    return rate;
  };
  return Object.freeze(Object.assign(at, { description: schedule.description ?? "custom" }));
}

interface Rule {
  readonly expected: string;
  readonly holds: (value: unknown) => boolean;
  readonly fix: string;
}

const isFromZero = (value: unknown): value is number =>
  typeof value === "number" && Number.isFinite(value) && value >= 0;
const isFunction = (value: unknown) => typeof value === "function";

const fraction = (fix: string): Rule => ({
  expected: "a number from 0 to below 1",
  holds: (value) => isFromZero(value) && Math.fround(value) < 1, // 0.999999999 is 1 in the update
  fix,
});
const fromZero = (fix: string): Rule => ({ expected: "a number from 0 on", holds: isFromZero, fix });
const flag: Rule = {
  expected: "true or false",
  holds: (value) => typeof value === "boolean",
  fix: "true turns it on",
};

/** One rule per option name: a name means the same in every optimizer. */
const rules: Readonly<Record<string, Rule>> = {
  learningRate: {
    expected: "a number from 0 on, or a schedule",
    holds: (value) => isFromZero(value) || isFunction(value),
    fix: "for example 0.001, or cosineRate(0.001, { steps: 1000 })",
  },
  weightDecay: fromZero("for example 0.01, or 0 for none"),
  decays: {
    expected: "a function of a parameter's name and shape",
    holds: isFunction,
    fix: "for example matricesOnly",
  },
  momentum: fraction("for example 0.9, or 0 for none"),
  beta1: fraction("for example 0.9"),
  beta2: fraction("for example 0.999"),
  decay: fraction("for example 0.99"),
  epsilon: {
    expected: "a number above 0, or a parameter without gradient becomes 0 / 0",
    holds: (value) => isFromZero(value) && Math.fround(value) > 0,
    fix: "for example 1e-8",
  },
  initialAccumulator: fromZero("for example 0.1, or 0"),
  nesterov: flag,
  centered: flag,
};
