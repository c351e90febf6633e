/** Tensors stored in ONNX files → arrays, with everything a file may claim about them checked first. */
import { TensorProto_DataType as DataType, type TensorProto } from "onnx-buf";
import { type NdArray, ndarray } from "../array/array.ts";
import { allocate, bytesPerElement, type NumericDType, onnxDType, type TypedArray } from "../array/dtype.ts";
import { fromBrain, fromHalf } from "../array/half.ts";
import { formatShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { type ExternalData, externalPart, sharedNumbers } from "./external-data.ts";

const dtypes = new Map(
  Object.entries(onnxDType).flatMap(([dtype, number]) =>
    dtype === "string" ? [] : [[number, dtype as NumericDType] as const],
  ), // the keys of onnxDType are dtypes
);

/** Half floats are widened: no kernel here computes with 16 bits. */
const halves: ReadonlySet<number> = new Set([DataType.FLOAT16, DataType.BFLOAT16]);

/** The dtype that holds an ONNX element type: its own, or float32 for 16-bit floats. Undefined for all others. */
export function heldDType(elementType: number): NumericDType | undefined {
  return halves.has(elementType) ? "float32" : dtypes.get(elementType);
}

/** What ONNX calls an element type, in lower case. */
export function elementTypeName(elementType: number): string {
  return DataType[elementType]?.toLowerCase() ?? `element type ${elementType}`;
}

/**
 * The array a file stores. `where` is what errors call it.
 * Throws for element types that nothing here holds, dimensions below 0, and data of another size than the dimensions say.
 */
export function storedArray(tensor: TensorProto, where: string, external: ExternalData): NdArray {
  const dtype = heldDType(tensor.dataType);
  if (dtype === undefined) {
    fail(where, {
      expected: `elements of ${[...dtypes.values()].join(", ")}, float16 or bfloat16`,
      got: elementTypeName(tensor.dataType),
      fix: "convert the model to float32 before loading it",
    });
  }
  const shape = tensor.dims.map(Number);
  const count = shape.reduce((product, dim) => product * dim, 1);
  if (shape.some((dim) => dim < 0) || !Number.isSafeInteger(count)) {
    fail(where, {
      expected: "dimensions from 0 on that memory can hold",
      got: formatShape(shape),
      fix: "the file is damaged: export the model again",
    });
  }
  const part = externalPart(tensor, where, external);
  const bytes = part?.file.subarray(part.start, part.end) ?? inside(tensor);
  const isHalf = halves.has(tensor.dataType);
  const width = isHalf ? 2 : bytesPerElement(dtype);
  const values = bytes === undefined ? listed(tensor) : undefined;
  const got = bytes === undefined ? values!.length : bytes.length / width;
  if (got !== count) {
    fail(where, {
      expected: `${count} elements, as its shape ${formatShape(shape)} says`,
      got: bytes === undefined ? `${got} of them` : `${bytes.length} bytes of ${width} per element`,
      fix: "the file is damaged: export the model again",
    });
  }
  if (values !== undefined) return ndarray(dtype, shape, fromList(tensor.dataType, dtype, values));
  const make = () => fromBytes(tensor.dataType, dtype, bytes!);
  const data = part === undefined ? make() : sharedNumbers(part, String(tensor.dataType), where, make);
  return ndarray(dtype, shape, data);
}

/** The bytes that lie in the model's file; undefined where it lists numbers instead. */
const inside = ({ rawData }: TensorProto) => (rawData.length > 0 ? rawData : undefined);

/** A copy, since bytes in a file lie at any address and typed arrays at multiples of their width. */
function fromBytes(elementType: number, dtype: NumericDType, bytes: Uint8Array): TypedArray {
  const copy = new Uint8Array(bytes).buffer;
  if (halves.has(elementType)) return Float32Array.from(new Uint16Array(copy), widened(elementType));
  if (dtype === "bool") return new Uint8Array(copy).map((bit) => (bit === 0 ? 0 : 1));
  const data = allocate(dtype, copy.byteLength / bytesPerElement(dtype));
  new Uint8Array(data.buffer).set(new Uint8Array(copy));
  return data;
}

/** How a half float becomes a whole one. */
const widened = (elementType: number) => (elementType === DataType.BFLOAT16 ? fromBrain : fromHalf);

/** Numbers listed one by one: which field holds them depends on the element type. Source: TensorProto. */
function listed(tensor: TensorProto): ArrayLike<number | bigint> {
  if (tensor.dataType === DataType.FLOAT) return tensor.floatData;
  if (tensor.dataType === DataType.DOUBLE) return tensor.doubleData;
  return tensor.dataType === DataType.INT64 ? tensor.int64Data : tensor.int32Data;
}

function fromList(elementType: number, dtype: NumericDType, values: ArrayLike<number | bigint>): TypedArray {
  const data = allocate(dtype, values.length);
  const isHalf = halves.has(elementType);
  const widen = widened(elementType);
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    if (isHalf) data[index] = widen(Number(value));
    else if (dtype === "bool") data[index] = Number(value) === 0 ? 0 : 1;
    else data[index] = value; // int64Data are bigints, as BigInt64Array takes them; all others are numbers
  }
  return data;
}
