/** Arrays that operators' entries make of a node's numbers. */
import type { NdArray } from "../array/array.ts";
import { type NumericDType, typedArrayOf } from "../array/dtype.ts";
import { constant, type Tensor } from "../graph/tensor.ts";

/** Whole numbers as ONNX's indices. */
export function int64List(values: readonly number[]): NdArray {
  return { dtype: "int64", shape: [values.length], data: BigInt64Array.from(values, BigInt) };
}

/** Numbers as a constant tensor. */
export function constantOf(values: readonly number[], shape: readonly number[], dtype: NumericDType): Tensor {
  return constant({ dtype, shape, data: typedArrayOf(dtype, values) });
}
