/** Lion: every element moves by the learning rate, only the sign is learned. */
import { add, mul, sign, sub } from "../ops/arithmetic.ts";
import type { Optimizer } from "./optimizer.ts";
import type { Schedule } from "./schedule.ts";
import { allParameters, type SharedOptions, settle, shared } from "./settings.ts";

/** Options of `lion`. */
export interface LionOptions extends SharedOptions {
  /** Default 1e-4, the paper's: a sign is larger than most steps of Adam, so it wants 3 to 10 times less than Adam. */
  readonly learningRate?: number | Schedule;
  /** The part of the mean in the direction. Default 0.9, as in the paper. */
  readonly beta1?: number;
  /** How much of the mean gradient is kept per step. Default 0.99, as in the paper. */
  readonly beta2?: number;
  /** Decoupled. Default 0; the paper takes 3 to 10 times Adam's, since the rate is that much smaller. */
  readonly weightDecay?: number;
}

/**
 * θ ← θ − learningRate · (sign(β₁·mean + (1 − β₁)·gradient) + weightDecay·θ); mean ← β₂·mean + (1 − β₂)·gradient.
 * One slot: half of Adam's memory. Throws for options out of range.
 * Source: Chen et al. 2023 (arXiv:2302.06675), algorithm 2.
 */
export function lion(options: LionOptions = {}): Optimizer {
  const settings = settle("lion", options, {
    learningRate: 1e-4,
    beta1: 0.9,
    beta2: 0.99,
    weightDecay: 0,
    decays: allParameters,
  });
  const { beta1, beta2 } = settings;
  return Object.freeze({
    ...shared("lion", settings),
    slots: { mean: 0 },
    update: ({ parameter, gradient, slots, learningRate, weightDecay }) => {
      const mean = slots.mean!;
      const direction = sign(add(mul(mean, beta1), mul(gradient, 1 - beta1)));
      const pulled = settings.weightDecay === 0 ? direction : add(direction, mul(parameter, weightDecay));
      return {
        parameter: sub(parameter, mul(pulled, learningRate)),
        slots: { mean: add(mul(mean, beta2), mul(gradient, 1 - beta2)) },
      };
    },
  } satisfies Optimizer);
}
