/** Dropout: in training every element is dropped with some probability, so that no element is relied on alone. */
import { keepProbability } from "../array/drop-rate.ts";
import { factorOf, formatShape, isBatchDim, type Shape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import { mul } from "../ops/arithmetic.ts";
import { reshape, transpose } from "../ops/movement.ts";
import { cast } from "../ops/selection.ts";
import type { Layer } from "./layer.ts";
import { isTraining, requestMask } from "./mode.ts";

export { keepProbability } from "../array/drop-rate.ts";

/**
 * In training x · mask / keepProbability(rate), where each element of the mask is 0 with probability `rate` and 1 else;
 * outside training x itself. x [batch, …] → the same shape.
 *
 * The mask is an input (uint8: a quarter of the memory of floats, and as fast), drawn from (seed, step, sample, layer), so
 * no element depends on how the batch is cut. Applied twice, a layer draws two masks.
 * Throws unless 0 ≤ rate < 1, and for a tensor without a batch axis. Source: Srivastava et al. 2014, scaled in training.
 */
export function dropout(rate: number): Layer {
  const keep = keepProbability(rate);
  return (x) => {
    if (!isTraining() || keep === 1) return x;
    // The mask is scaled, not x: backwards the gradient then takes one product instead of two.
    return mul(x, mul(cast(maskLike(x, rate), x.dtype), 1 / keep));
  };
}

/** A mask of the shape of x, fed with the batch as its first axis: each sample's part is one piece of memory. */
function maskLike(x: Tensor, rate: number): Tensor {
  const axis = x.shape.findIndex(isBatchDim);
  if (axis < 0) {
    fail("dropout", {
      expected: "a tensor with a batch axis",
      got: formatShape(x.shape),
      fix: "apply it to what is computed from the samples, not to parameters",
    });
  }
  const batch = x.shape[axis]!;
  const others = x.shape.filter((_, index) => index !== axis) as number[]; // a shape has one batch axis
  const perSample = factorOf(batch) === 1 ? others : [factorOf(batch), ...others];
  const mask = reshape(requestMask(perSample, rate), [batch, ...others] satisfies Shape);
  return transpose(
    mask,
    x.shape.map((_, index) => (index === axis ? 0 : index < axis ? index + 1 : index)),
  );
}
