/** Stochastic gradient descent, with momentum. */
import { fail } from "../errors.ts";
import { add, mul, sub } from "../ops/arithmetic.ts";
import type { Optimizer } from "./optimizer.ts";
import type { Schedule } from "./schedule.ts";
import { allParameters, type SharedOptions, settle, shared, withCoupledDecay } from "./settings.ts";

/** Options of `sgd`. */
export interface SgdOptions extends SharedOptions {
  /** Must be given: unlike the adaptive rules, no one rate is right for most problems. */
  readonly learningRate: number | Schedule;
  /** The part of the last direction that is kept. Default 0: plain gradient descent, one slot less to store. */
  readonly momentum?: number;
  /** Looks one step of momentum ahead. Default false. Needs momentum. */
  readonly nesterov?: boolean;
  /** Coupled, as PyTorch: weightDecay · parameter is added to the gradient, which is an L2 penalty. Default 0. */
  readonly weightDecay?: number;
}

/**
 * g = gradient + weightDecay·θ; velocity ← momentum·velocity + g; θ ← θ − learningRate·velocity, or with Nesterov
 * θ − learningRate·(g + momentum·velocity). The velocity starts at 0, so the first step takes g itself.
 * Throws for options out of range. Source: Sutskever et al. 2013, in the form of PyTorch's SGD (dampening 0).
 */
export function sgd(options: SgdOptions): Optimizer {
  const settings = settle("sgd", options, {
    learningRate: undefined,
    momentum: 0,
    nesterov: false,
    weightDecay: 0,
    decays: allParameters,
  });
  const { momentum, nesterov } = settings;
  if (nesterov && momentum === 0) {
    fail("sgd", {
      expected: "momentum above 0 with nesterov",
      got: "0",
      fix: "add momentum: 0.9, or remove nesterov",
    });
  }
  return Object.freeze({
    ...shared("sgd", settings),
    slots: momentum === 0 ? {} : { velocity: 0 },
    update: (context) => {
      const { parameter, slots, learningRate } = context;
      const g = withCoupledDecay(context, settings);
      if (momentum === 0) return { parameter: sub(parameter, mul(g, learningRate)), slots: {} };
      const velocity = add(mul(slots.velocity!, momentum), g);
      const direction = nesterov ? add(g, mul(velocity, momentum)) : velocity;
      return { parameter: sub(parameter, mul(direction, learningRate)), slots: { velocity } };
    },
  } satisfies Optimizer);
}
