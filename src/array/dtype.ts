/** Element types: their names, sizes and typed arrays. */

/** The element types a tensor can have. `bool` is stored as one byte (0 or 1); `string` occurs in saved models only. */
export type DType = "float32" | "float64" | "int32" | "int64" | "uint8" | "bool" | "string";

/** The typed arrays that hold numeric elements. */
export type TypedArray =
  | Float32Array<ArrayBufferLike>
  | Float64Array<ArrayBufferLike>
  | Int32Array<ArrayBufferLike>
  | BigInt64Array<ArrayBufferLike>
  | Uint8Array<ArrayBufferLike>;

const constructors = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** Numeric element types: everything but `string`. */
export type NumericDType = Exclude<DType, "string">;

/** Bytes of one element. */
export function bytesPerElement(dtype: DType): number {
  return dtype === "string" ? 16 : constructors[dtype].BYTES_PER_ELEMENT;
}

/** A new zeroed typed array of `length` elements. */
export function allocate(dtype: NumericDType, length: number): TypedArray {
  return new constructors[dtype](length);
}

/** A view of `length` elements of a buffer. */
export function viewOf(
  dtype: NumericDType,
  buffer: ArrayBufferLike,
  byteOffset: number,
  length: number,
): TypedArray {
  // TypeScript takes the constructors' first signature; every one of them takes shared buffers too.
  return new constructors[dtype](buffer as ArrayBuffer, byteOffset, length);
}

/** True where arithmetic with gradients makes sense. */
export function isFloat(dtype: DType): boolean {
  return dtype === "float32" || dtype === "float64";
}

/** True for `actual` being the typed array that holds `dtype`. */
export function holds(actual: unknown, dtype: DType): boolean {
  return dtype === "string" ? Array.isArray(actual) : actual instanceof constructors[dtype];
}

/** Plain numbers as the typed array that holds `dtype`. */
export function typedArrayOf(dtype: NumericDType, values: readonly number[]): TypedArray {
  return dtype === "int64" ? BigInt64Array.from(values, BigInt) : constructors[dtype].from(values);
}

/** ONNX's numbers for the element types. Source: TensorProto.DataType. */
export const onnxDType: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float64: 11,
};
