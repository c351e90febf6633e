/** The exponential moving average of the parameters: often a better model than the last step's. */
import { fail } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import { add, mul, sub } from "../ops/arithmetic.ts";

/** An average of the parameters. Plain data and a pure function of the step. */
export interface Ema {
  readonly name: "ema";
  /** Settings as they are recorded in the resolved plan. */
  readonly options: { readonly decay: number };
  readonly decay: number;
  /** The part of the average that step `step` keeps; step is 0 for the first update. */
  at(step: number): number;
}

/**
 * Averages the parameters over about 1 / (1 − decay) steps. In the beginning it keeps less, min(decay, (1 + step) /
 * (10 + step)), so that the initial parameters are soon forgotten.
 * decay: default 0.999, a thousand steps. Throws unless 0 ≤ decay < 1.
 * Source: TensorFlow's ExponentialMovingAverage with num_updates.
 */
export function ema(options: { readonly decay?: number } = {}): Ema {
  const { decay = 0.999 } = options;
  if (!(decay >= 0 && decay < 1)) {
    fail("ema", {
      expected: "decay to be a number from 0 to below 1",
      got: String(decay),
      fix: "for example 0.999",
    });
  }
  return Object.freeze({
    name: "ema",
    options: { decay },
    decay,
    at: (step: number) => Math.min(decay, (1 + step) / (10 + step)),
  });
}

/**
 * decay · average + (1 − decay) · parameter, written so that an average which has arrived does not move by rounding.
 * parameter: its new value. decay: scalar, what `at` gives.
 */
export function averaged(average: Tensor, parameter: Tensor, decay: Tensor): Tensor {
  return add(average, mul(sub(parameter, average), sub(1, decay)));
}
