/** Adagrad: gradients divided by the root of the sum of all their squares. */
import { add, div, mul, sqrt, sub } from "../ops/arithmetic.ts";
import type { Optimizer } from "./optimizer.ts";
import type { Schedule } from "./schedule.ts";
import { allParameters, type SharedOptions, settle, shared, withCoupledDecay } from "./settings.ts";
import { squareWithoutTiny } from "./subnormal.ts";

/** Options of `adagrad`. Defaults are PyTorch's. */
export interface AdagradOptions extends SharedOptions {
  /** Default 0.01. */
  readonly learningRate?: number | Schedule;
  /** Added to the root. Default 1e-10: the sum only grows, so it need not guard against more than 0. */
  readonly epsilon?: number;
  /** What every sum of squares starts from; more than 0 softens the first steps. Default 0. */
  readonly initialAccumulator?: number;
  /** Coupled: weightDecay · parameter is added to the gradient. Default 0. */
  readonly weightDecay?: number;
}

/**
 * g = gradient + weightDecay·θ; sum ← sum + g²; θ ← θ − learningRate · g / (√sum + epsilon).
 * Throws for options out of range. Source: Duchi et al. 2011, in the form of PyTorch's Adagrad (lr_decay 0).
 */
export function adagrad(options: AdagradOptions = {}): Optimizer {
  const settings = settle("adagrad", options, {
    learningRate: 1e-2,
    epsilon: 1e-10,
    initialAccumulator: 0,
    weightDecay: 0,
    decays: allParameters,
  });
  return Object.freeze({
    ...shared("adagrad", settings),
    slots: { sum: settings.initialAccumulator },
    update: (context) => {
      const { parameter, slots, learningRate } = context;
      const g = withCoupledDecay(context, settings);
      const sum = add(slots.sum!, squareWithoutTiny(g));
      const quotient = div(g, add(sqrt(sum), settings.epsilon));
      return { parameter: sub(parameter, mul(quotient, learningRate)), slots: { sum } };
    },
  } satisfies Optimizer);
}
