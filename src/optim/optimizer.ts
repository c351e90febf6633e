/**
 * CONTRACT of an optimizer: which slots it keeps per parameter, and one update as tensors. A rule may only use
 * elementwise ops: it is compiled to one fused pass over all parameters (runtime/elementwise).
 */
import type { Tensor } from "../graph/tensor.ts";
import type { Schedule } from "./schedule.ts";

/**
 * What an update rule sees. All tensors have one parameter's shape, but for the scalars, and all have one dtype. What is
 * made of scalars alone is computed once per step, in float64.
 */
export interface UpdateContext {
  readonly parameter: Tensor;
  /** Σ w·∇ℓ / Σ w, clipped, penalties included: the gradient of the whole batch. */
  readonly gradient: Tensor;
  readonly slots: Readonly<Record<string, Tensor>>;
  /** Scalar. */
  readonly learningRate: Tensor;
  /** Scalar: 1 at the first update. */
  readonly step: Tensor;
  /** Scalar: the optimizer's weight decay for parameters that decay, 0 for the others. */
  readonly weightDecay: Tensor;
}

/** The new values. */
export interface Updated {
  readonly parameter: Tensor;
  readonly slots: Readonly<Record<string, Tensor>>;
}

/** An update rule with its settings. Plain data and pure functions, so that it can be recorded and replayed. */
export interface Optimizer {
  readonly name: string;
  /** Settings as they are recorded in the resolved plan. */
  readonly options: Readonly<Record<string, number | boolean | string>>;
  readonly learningRate: Schedule;
  readonly weightDecay: number;
  /** Which parameters decay. Default: all of them. */
  readonly decays: (name: string, shape: readonly number[]) => boolean;
  /** Names of the slots and what every element starts from. */
  readonly slots: Readonly<Record<string, number>>;
  update(context: UpdateContext): Updated;
}
