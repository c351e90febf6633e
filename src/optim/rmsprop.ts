/** RMSprop: gradients divided by the running root of their mean square. */
import { add, div, maximum, mul, sqrt, sub } from "../ops/arithmetic.ts";
import type { Optimizer } from "./optimizer.ts";
import type { Schedule } from "./schedule.ts";
import { allParameters, type SharedOptions, settle, shared, withCoupledDecay } from "./settings.ts";
import { squareWithoutTiny } from "./subnormal.ts";

/** Options of `rmsprop`. Defaults are PyTorch's. */
export interface RmspropOptions extends SharedOptions {
  /** Default 0.01. */
  readonly learningRate?: number | Schedule;
  /** How much of the mean square is kept per step (PyTorch's alpha). Default 0.99. */
  readonly decay?: number;
  /** Added outside the root (TensorFlow adds it inside). Default 1e-8. */
  readonly epsilon?: number;
  /** The part of the last direction that is kept. Default 0. */
  readonly momentum?: number;
  /** Divides by the deviation instead: the mean gradient is taken out of the mean square. Default false. */
  readonly centered?: boolean;
  /** Coupled: weightDecay · parameter is added to the gradient. Default 0. */
  readonly weightDecay?: number;
}

/**
 * g = gradient + weightDecay·θ; square ← decay·square + (1 − decay)·g²; θ ← θ − learningRate · g / (√square + epsilon).
 * centered: the root is of square − mean², mean ← decay·mean + (1 − decay)·g, never below 0: where gradients hardly
 * change, rounding makes PyTorch's difference negative and its root NaN. With momentum the quotient is first added to
 * velocity ← momentum·velocity + quotient. Throws for options out of range. Source: Hinton's lecture 6e; PyTorch's RMSprop.
 */
export function rmsprop(options: RmspropOptions = {}): Optimizer {
  const settings = settle("rmsprop", options, {
    learningRate: 1e-2,
    decay: 0.99,
    epsilon: 1e-8,
    momentum: 0,
    centered: false,
    weightDecay: 0,
    decays: allParameters,
  });
  const { decay, epsilon, momentum, centered } = settings;
  return Object.freeze({
    ...shared("rmsprop", settings),
    slots: { square: 0, ...(centered && { mean: 0 }), ...(momentum > 0 && { velocity: 0 }) },
    update: (context) => {
      const { parameter, slots, learningRate } = context;
      const g = withCoupledDecay(context, settings);
      const meanSquare = add(mul(slots.square!, decay), mul(squareWithoutTiny(g), 1 - decay));
      const mean = centered ? add(mul(slots.mean!, decay), mul(g, 1 - decay)) : undefined;
      const spread = mean ? maximum(sub(meanSquare, squareWithoutTiny(mean)), 0) : meanSquare;
      const quotient = div(g, add(sqrt(spread), epsilon));
      const velocity = momentum > 0 ? add(mul(slots.velocity!, momentum), quotient) : undefined;
      return {
        parameter: sub(parameter, mul(velocity ?? quotient, learningRate)),
        slots: { square: meanSquare, ...(mean && { mean }), ...(velocity && { velocity }) },
      };
    },
  } satisfies Optimizer);
}
