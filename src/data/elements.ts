/** Numbers as other formats store them, as ours: in any order of bytes, and only where they fit. */
import { allocate, type TypedArray } from "../array/dtype.ts";
import { fail } from "../errors.ts";

/** The type of a stored number. Floats have 2, 4 or 8 bytes, whole numbers 1, 2, 4 or 8, booleans one. */
export interface ElementType {
  readonly kind: "float" | "signed" | "unsigned" | "boolean";
  readonly bytes: number;
  readonly isLittleEndian: boolean;
}

/** Where numbers lie: those of one sample `elementStride` bytes apart, those of the next `sampleStride` further. */
export interface ElementPlaces {
  /** Of the first number. */
  readonly offset: number;
  readonly samples: number;
  readonly sampleStride: number;
  readonly elements: number;
  readonly elementStride: number;
}

/** What keeps the numbers: float32 for floats, uint8 for unsigned bytes and booleans, int32 for other whole numbers. */
export function dtypeFor({ kind, bytes }: ElementType): "float32" | "int32" | "uint8" {
  if (kind === "float") return "float32";
  return bytes === 1 && kind !== "signed" ? "uint8" : "int32";
}

/**
 * The numbers at the given places, sample after sample. float64 is rounded to float32.
 * Throws at the first one that does not fit; `where` names the place of a sample.
 */
export function readElements(
  type: ElementType,
  bytes: Uint8Array,
  places: ElementPlaces,
  where: (sample: number) => string,
  dtype: "float32" | "int32" | "uint8" = dtypeFor(type),
): TypedArray {
  const { offset, samples, sampleStride, elements, elementStride } = places;
  const into = allocate(dtype, samples * elements);
  if (elementStride === type.bytes && sampleStride === elements * type.bytes && isStoredAs(type, dtype)) {
    const stored = bytes.subarray(offset, offset + into.byteLength);
    new Uint8Array(into.buffer, into.byteOffset, into.byteLength).set(stored);
    return into;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = readerOf(type);
  const fits = fitsOf(type);
  for (let sample = 0, at = 0; sample < samples; sample++) {
    let from = offset + sample * sampleStride;
    for (let element = 0; element < elements; element++, from += elementStride) {
      const value = read(view, from);
      if (!fits(value)) refuse(where(sample), type, view, from);
      into[at++] = value;
    }
  }
  return into;
}

/** True where the bytes are ours as they stand. Ours are little-endian, as on every machine that this runs on. */
function isStoredAs({ kind, bytes, isLittleEndian }: ElementType, dtype: string): boolean {
  if (bytes === 1) return kind === "unsigned" && dtype === "uint8";
  return bytes === 4 && isLittleEndian && (kind === "float" || kind === "signed");
}

type Reader = (view: DataView, at: number) => number;

function readerOf({ kind, bytes, isLittleEndian }: ElementType): Reader {
  const high = isLittleEndian ? 4 : 0; // which half of eight bytes
  switch (`${kind} ${bytes}`) {
    case "float 2":
      return (view, at) => float16(view.getUint16(at, isLittleEndian));
    case "float 4":
      return (view, at) => view.getFloat32(at, isLittleEndian);
    case "float 8":
      return (view, at) => view.getFloat64(at, isLittleEndian);
    case "signed 1":
      return (view, at) => view.getInt8(at);
    case "signed 2":
      return (view, at) => view.getInt16(at, isLittleEndian);
    case "signed 4":
      return (view, at) => view.getInt32(at, isLittleEndian);
    case "unsigned 2":
      return (view, at) => view.getUint16(at, isLittleEndian);
    case "unsigned 4":
      return (view, at) => view.getUint32(at, isLittleEndian);
    // Rounded beyond 2 ** 53, which no int32 is near.
    case "signed 8":
      return (view, at) =>
        view.getInt32(at + high, isLittleEndian) * 2 ** 32 + view.getUint32(at + 4 - high, isLittleEndian);
    case "unsigned 8":
      return (view, at) =>
        view.getUint32(at + high, isLittleEndian) * 2 ** 32 + view.getUint32(at + 4 - high, isLittleEndian);
  }
  return (view, at) => view.getUint8(at);
}

/** Source: IEEE 754, binary16: a sign, 5 bits of exponent, 10 of fraction. */
function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

function fitsOf({ kind, bytes }: ElementType): (value: number) => boolean {
  if (kind === "boolean") return (value) => value <= 1;
  if (kind !== "float") return (value) => value >= lowest && value <= highest;
  if (bytes < 8) return () => true;
  return (value) => Number.isFinite(Math.fround(value)) || !Number.isFinite(value);
}

const [lowest, highest] = [-(2 ** 31), 2 ** 31 - 1];

function refuse(where: string, type: ElementType, view: DataView, at: number): never {
  const { kind, isLittleEndian } = type;
  if (kind === "boolean") {
    const got = `the byte ${view.getUint8(at)}`;
    fail(where, { expected: "0 or 1 as a boolean", got, fix: "write the file again" });
  }
  if (kind === "float") {
    const got = String(view.getFloat64(at, isLittleEndian));
    fail(where, { expected: "numbers that fit float32", got, fix: "scale them" });
  }
  return fail(where, {
    expected: `whole numbers from ${lowest} to ${highest}`,
    got: String(wholeNumber(type, view, at)),
    fix: "save them as floats if they are quantities, or number them from 0 if they are codes",
  });
}

/** To its last digit. */
function wholeNumber(
  { kind, bytes, isLittleEndian }: ElementType,
  view: DataView,
  at: number,
): bigint | number {
  if (bytes === 4) return view.getUint32(at, isLittleEndian);
  return kind === "signed" ? view.getBigInt64(at, isLittleEndian) : view.getBigUint64(at, isLittleEndian);
}
