/** Clipping: keeps one wild batch from throwing the parameters far away. Acts once per step, on the whole gradient. */
import { fail } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import { maximum, minimum } from "../ops/arithmetic.ts";

/** A way to clip. Plain data and pure functions; one of `scale` and `apply` is there. */
export interface Clip {
  readonly name: string;
  /** Settings as they are recorded in the resolved plan. */
  readonly options: Readonly<Record<string, number>>;
  /** The factor for all gradients, given the norm √Σg² over all parameters of the mean gradient Σw·∇ℓ / Σw. */
  scale?(globalNorm: number): number;
  /** The clipped gradient of one parameter, element by element: it is compiled into the update. */
  apply?(gradient: Tensor): Tensor;
}

/**
 * Shortens the whole gradient to a norm of at most maxNorm and keeps its direction: factor min(1, maxNorm / norm).
 * Exact, where PyTorch's clip_grad_norm_ divides by norm + 1e-6 and so also shortens gradients that are not too long.
 * A norm that is not finite gives NaN: such a step must be refused, not scaled. Throws unless maxNorm > 0.
 * Source: Pascanu et al. 2012 (arXiv:1211.5063).
 */
export function clipByGlobalNorm(maxNorm: number): Clip {
  checkLimit("clipByGlobalNorm", "maxNorm", maxNorm);
  return Object.freeze({
    name: "clipByGlobalNorm",
    options: { maxNorm },
    scale: (globalNorm: number) =>
      !Number.isFinite(globalNorm) ? Number.NaN : globalNorm > maxNorm ? maxNorm / globalNorm : 1,
  });
}

/** Limits every element of the gradient to −limit … limit. Changes its direction. Throws unless limit > 0. */
export function clipByValue(limit: number): Clip {
  checkLimit("clipByValue", "limit", limit);
  return Object.freeze({
    name: "clipByValue",
    options: { limit },
    apply: (gradient: Tensor) => maximum(minimum(gradient, limit), -limit),
  });
}

function checkLimit(where: string, what: string, value: number): void {
  if (!(Number.isFinite(value) && value > 0)) {
    fail(where, { expected: `${what} to be a number above 0`, got: String(value), fix: "for example 1" });
  }
}
