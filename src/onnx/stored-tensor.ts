/** Tensors stored in ONNX files → arrays, with everything a file may claim about them checked first. */
import {
  TensorProto_DataLocation as DataLocation,
  TensorProto_DataType as DataType,
  type TensorProto,
} from "onnx-buf";
import { type NdArray, ndarray } from "../array/array.ts";
import { allocate, bytesPerElement, type NumericDType, onnxDType } from "../array/dtype.ts";
import { fromBrain, fromHalf } from "../array/half.ts";
import { formatShape } from "../array/shape.ts";
import { fail } from "../errors.ts";

/** Bytes of tensors that lie in files beside the model, by the location the model names. */
export type ExternalData = ReadonlyMap<string, Uint8Array>;

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

/** Where a stored tensor's bytes lie, if not in the model's file. */
export function externalLocation(tensor: TensorProto): string | undefined {
  if (tensor.dataLocation !== DataLocation.EXTERNAL) return undefined;
  return tensor.externalData.find(({ key }) => key === "location")?.value ?? "";
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
  const bytes = rawBytes(tensor, where, external);
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
  const isBrain = tensor.dataType === DataType.BFLOAT16;
  if (values !== undefined) return ndarray(dtype, shape, fromList(dtype, values, isHalf, isBrain));
  // A copy, since bytes in a file lie at any address and typed arrays at multiples of their width.
  const copy = new Uint8Array(bytes!).buffer;
  if (isHalf)
    return ndarray(dtype, shape, Float32Array.from(new Uint16Array(copy), isBrain ? fromBrain : fromHalf));
  if (dtype === "bool")
    return ndarray(
      dtype,
      shape,
      new Uint8Array(copy).map((bit) => (bit === 0 ? 0 : 1)),
    );
  const data = allocate(dtype, count);
  new Uint8Array(data.buffer).set(new Uint8Array(copy));
  return ndarray(dtype, shape, data);
}

/** The bytes, from the file or beside it; undefined where the file lists numbers instead. */
function rawBytes(tensor: TensorProto, where: string, external: ExternalData): Uint8Array | undefined {
  const location = externalLocation(tensor);
  if (location === undefined) return tensor.rawData.length > 0 ? tensor.rawData : undefined;
  const file = external.get(location);
  if (file === undefined) {
    fail(where, {
      expected: `the bytes of "${location}", where the model says its data lies`,
      got: "none",
      fix: "load the model with loadOnnx from the folder that holds both files",
    });
  }
  const number = (key: string, otherwise: number) =>
    Number(tensor.externalData.find((entry) => entry.key === key)?.value ?? otherwise);
  const offset = number("offset", 0);
  const length = number("length", file.length - offset);
  const isInside = Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length >= 0;
  if (!isInside || offset + length > file.length) {
    fail(where, {
      expected: `a part of the ${file.length} bytes of "${location}"`,
      got: `${length} bytes from ${offset} on`,
      fix: "the file beside the model is damaged or another one: export the model again",
    });
  }
  return file.subarray(offset, offset + length);
}

/** Numbers listed one by one: which field holds them depends on the element type. Source: TensorProto. */
function listed(tensor: TensorProto): ArrayLike<number | bigint> {
  if (tensor.dataType === DataType.FLOAT) return tensor.floatData;
  if (tensor.dataType === DataType.DOUBLE) return tensor.doubleData;
  return tensor.dataType === DataType.INT64 ? tensor.int64Data : tensor.int32Data;
}

function fromList(
  dtype: NumericDType,
  values: ArrayLike<number | bigint>,
  isHalf: boolean,
  isBrain: boolean,
) {
  const data = allocate(dtype, values.length);
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    if (isHalf) data[index] = (isBrain ? fromBrain : fromHalf)(Number(value));
    else if (dtype === "bool") data[index] = Number(value) === 0 ? 0 : 1;
    else data[index] = value; // int64Data are bigints, as BigInt64Array takes them; all others are numbers
  }
  return data;
}
