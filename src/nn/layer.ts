/**
 * CONTRACT of a layer: a function of a tensor. A layer is made by a function that returns it, keeps its parameters in its
 * closure, and may learn its input size from the first tensor it is applied to. There is no Module class and no
 * registration: the trainer finds parameters by walking what the model returns. Applying a layer twice shares them.
 */
import { isFloat } from "../array/dtype.ts";
import { formatShape, isBatchDim } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";

/** A function of a tensor [batch, …]. Any such function is a layer, `relu` or one of your own. */
export type Layer = (x: Tensor) => Tensor;

/** How many features the last axis of x holds. Throws unless x is a float tensor whose last axis has a fixed size. */
export function featuresOf(where: string, x: Tensor): number {
  if (!isFloat(x.dtype)) {
    fail(where, {
      expected: "a float32 tensor",
      got: `${x.dtype} ${formatShape(x.shape)}`,
      fix: `cast(x, "float32") for numbers, oneHot(x, depth) for categories`,
    });
  }
  const features = x.shape.at(-1);
  if (features === undefined || isBatchDim(features)) {
    fail(where, {
      expected: "a last axis of features",
      got: formatShape(x.shape),
      fix: `reshape(x, ${JSON.stringify([...x.shape, 1])}) makes one feature of it`,
    });
  }
  return features;
}
