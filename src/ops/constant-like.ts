/** Fixed numbers beside a tensor. */
import { type NumericDType, typedArrayOf } from "../array/dtype.ts";
import { constant, type Tensor } from "../graph/tensor.ts";

/** Fixed numbers of the dtype of x, which must not be text. */
export function constantLike(x: Tensor, shape: readonly number[], values: readonly number[]): Tensor {
  const dtype = x.dtype as NumericDType; // the ops that call this refuse text first
  return constant({ dtype, shape, data: typedArrayOf(dtype, values) });
}
