/** Small arrays whose elements are known while a model is read: sizes, axes, bounds. An element may grow with the microbatch. */
import type { NdArray } from "../array/array.ts";
import { type NumericDType, typedArrayOf } from "../array/dtype.ts";
import { type Dim, elementCount, isBatchDim, type Shape } from "../array/shape.ts";
import { constant, type Tensor } from "../graph/tensor.ts";
import { cast, reshape, sizesOf } from "../ops/index.ts";

/** Known elements, row-major: numbers, or multiples of the microbatch where the array holds sizes. */
export interface Known {
  readonly dtype: NumericDType;
  readonly shape: readonly number[];
  readonly elements: readonly Dim[];
}

/** Larger arrays are data, not sizes: they stay tensors, and ONNX Runtime computes with them. */
export const mostKnown = 4096;

/** The elements of an array, where they are few enough to be sizes. */
export function knownOf(array: NdArray): Known | undefined {
  if (array.data.length > mostKnown) return undefined;
  // Array.from takes numbers and bigints alike; the union of typed arrays hides that from the compiler.
  const elements = Array.from(array.data as Iterable<number | bigint>, Number);
  return { dtype: array.dtype, shape: array.shape, elements };
}

/** The sizes of a shape, as ONNX's Shape gives them. */
export function knownSizes(shape: Shape): Known {
  return { dtype: "int64", shape: [shape.length], elements: shape };
}

/** The array of a known value, where no element grows with the microbatch. */
export function arrayOf({ dtype, shape, elements }: Known): NdArray | undefined {
  if (elements.some(isBatchDim)) return undefined;
  // No element grows with the microbatch, so all are numbers.
  return { dtype, shape, data: typedArrayOf(dtype, (elements as number[]).map(fitting(dtype))) };
}

/** Bounds such as "to the end" are written as the largest int64, which a number holds only nearly. */
function fitting(dtype: NumericDType): (value: number) => number {
  const most = Number.MAX_SAFE_INTEGER;
  return dtype === "int64" ? (value) => Math.max(-most, Math.min(most, value)) : (value) => value;
}

/** A known value as a tensor: a constant, or sizes that are read when the program runs. */
export function tensorOf(known: Known): Tensor {
  const array = arrayOf(known);
  if (array !== undefined) return constant(array);
  return cast(reshape(sizesOf(known.elements), known.shape), known.dtype);
}

/** The known value with other elements, of the same number. */
export function withShape(known: Known, shape: readonly number[]): Known | undefined {
  return elementCount(shape) === known.elements.length ? { ...known, shape } : undefined;
}
