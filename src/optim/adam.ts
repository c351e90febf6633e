/** Adam: a step per element, scaled by running means of the gradient and of its square. */
import type { Tensor } from "../graph/tensor.ts";
import { add, div, exp, mul, sqrt, sub } from "../ops/arithmetic.ts";
import type { Optimizer, UpdateContext, Updated } from "./optimizer.ts";
import type { Schedule } from "./schedule.ts";
import { allParameters, type SharedOptions, settle, shared, withCoupledDecay } from "./settings.ts";
import { squareWithoutTiny } from "./subnormal.ts";

/** Options of `adam` and `adamw`. */
export interface AdamOptions extends SharedOptions {
  /** Default 0.001, as in the paper: roughly how far an element moves per step, whatever the gradient's size. */
  readonly learningRate?: number | Schedule;
  /** How much of the mean gradient is kept per step. Default 0.9, as in the paper. */
  readonly beta1?: number;
  /** How much of the mean square is kept per step. Default 0.999, as in the paper. */
  readonly beta2?: number;
  /** Added to the root, so that a gradient of 0 divides by something. Default 1e-8, as in the paper. */
  readonly epsilon?: number;
}

/** Defaults of the paper, which are PyTorch's as well. */
export const adamDefaults = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

/**
 * g = gradient + weightDecay·θ; mean ← β₁·mean + (1 − β₁)·g; square ← β₂·square + (1 − β₂)·g²;
 * θ ← θ − learningRate · (mean / (1 − β₁ᵗ)) / (√(square / (1 − β₂ᵗ)) + epsilon), t = 1 at the first step.
 * weightDecay: default 0; coupled, as PyTorch's Adam, so it is divided by the root like any gradient; `adamw` is not.
 * Throws for options out of range. Source: Kingma & Ba 2014 (arXiv:1412.6980), epsilon where PyTorch has it.
 */
export function adam(options: AdamOptions = {}): Optimizer {
  const settings = settle("adam", options, { ...adamDefaults, weightDecay: 0, decays: allParameters });
  return Object.freeze({
    ...shared("adam", settings),
    slots: { mean: 0, square: 0 },
    update: (context) => adamStep({ ...context, gradient: withCoupledDecay(context, settings) }, settings),
  } satisfies Optimizer);
}

/** Adam's step without weight decay. */
export function adamStep(
  { parameter, gradient, slots, learningRate, step }: UpdateContext,
  { beta1, beta2, epsilon }: Required<Pick<AdamOptions, "beta1" | "beta2" | "epsilon">>,
): Updated {
  const mean = add(mul(slots.mean!, beta1), mul(gradient, 1 - beta1));
  const meanSquare = add(mul(slots.square!, beta2), mul(squareWithoutTiny(gradient), 1 - beta2));
  const root = add(mul(sqrt(meanSquare), div(1, sqrt(sub(1, power(beta2, step))))), epsilon);
  const rate = div(learningRate, sub(1, power(beta1, step)));
  return { parameter: sub(parameter, mul(rate, div(mean, root))), slots: { mean, square: meanSquare } };
}

/**
 * base ^ step, a scalar. Through exp, since a float32 constant 0.999 is off by 1.3e-8, which is 1.3e-5 of 1 − 0.999 at
 * the first step; log(0.999) as a float32 constant keeps its relative precision, and so does the difference.
 */
function power(base: number, step: Tensor): Tensor {
  return exp(mul(step, Math.log(base)));
}
