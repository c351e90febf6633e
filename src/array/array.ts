/** The only containers: a dtype, a shape and its elements, row-major. Numbers everywhere; strings at the ends of saved models. */
import { fail } from "../errors.ts";
import { holds, type NumericDType, type TypedArray } from "./dtype.ts";
import { elementCount, formatShape } from "./shape.ts";

/** Numbers with a shape. `data` is row-major and may be a view of memory somebody else owns. */
export interface NdArray {
  readonly dtype: NumericDType;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

/** Strings with a shape: only saved models take them in and put them out. */
export interface StringArray {
  readonly dtype: "string";
  readonly shape: readonly number[];
  readonly data: readonly string[];
}

/** What a program is fed and what it puts out. */
export type AnyArray = NdArray | StringArray;

/**
 * Wraps a typed array, without copying, as an array of the given shape.
 * Throws when the dtype's typed array or the number of elements does not fit.
 */
export function ndarray(dtype: NumericDType, shape: readonly number[], data: TypedArray): NdArray {
  const count = elementCount(shape);
  if (!holds(data, dtype) || data.length !== count) {
    fail("ndarray", {
      expected: `${count} ${dtype} elements for shape ${formatShape(shape)}`,
      got: `${data.length} elements in a ${data.constructor.name}`,
      fix: `pass a typed array of ${count} ${dtype} elements, or another shape`,
    });
  }
  return Object.freeze({ dtype, shape: Object.freeze([...shape]), data });
}

/** A float32 array from plain numbers. */
export function float32(values: ArrayLike<number>, shape: readonly number[] = [values.length]): NdArray {
  return ndarray("float32", shape, Float32Array.from(values));
}

/** An int32 array from plain numbers. */
export function int32(values: ArrayLike<number>, shape: readonly number[] = [values.length]): NdArray {
  return ndarray("int32", shape, Int32Array.from(values));
}

/** Text that is equal for arrays of equal dtype, shape and elements (−0 differs from 0, NaN equals NaN). */
export function contentKey(value: NdArray): string {
  // Array.from takes numbers and bigints alike; the union of typed arrays hides that from the compiler.
  const elements = Array.from(value.data as Iterable<number | bigint>, (element) =>
    Object.is(element, -0) ? "-0" : String(element),
  );
  return `${value.dtype} [${value.shape}] ${elements}`;
}
