/** AdamW: Adam with weight decay beside the gradient, not inside it. */
import { mul, sub } from "../ops/arithmetic.ts";
import { type AdamOptions, adamDefaults, adamStep } from "./adam.ts";
import type { Optimizer } from "./optimizer.ts";
import { allParameters, settle, shared } from "./settings.ts";

/**
 * θ ← (1 − learningRate·weightDecay)·θ, then Adam's step on the bare gradient, so that every element decays alike,
 * whatever its gradients are. weightDecay: default 0.01, as PyTorch. Other options: see `adam`.
 * Throws for options out of range. Source: Loshchilov & Hutter 2017 (arXiv:1711.05101), in the form of PyTorch's AdamW.
 */
export function adamw(options: AdamOptions = {}): Optimizer {
  const settings = settle("adamw", options, { ...adamDefaults, weightDecay: 0.01, decays: allParameters });
  return Object.freeze({
    ...shared("adamw", settings),
    slots: { mean: 0, square: 0 },
    update: (context) => {
      const { parameter, learningRate, weightDecay } = context;
      if (settings.weightDecay === 0) return adamStep(context, settings);
      const decayed = mul(parameter, sub(1, mul(learningRate, weightDecay)));
      return adamStep({ ...context, parameter: decayed }, settings);
    },
  } satisfies Optimizer);
}
