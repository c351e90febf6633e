/**
 * The header of a NumPy file (.npy): what its bytes mean. An array of records (a structured dtype) holds several columns.
 * Source: NumPy, numpy.lib.format, versions 1.0, 2.0 and 3.0.
 */
import { bytesPerElement } from "../array/dtype.ts";
import { elementCount } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { type PythonValue, parsePythonLiteral, pythonText } from "./python-literal.ts";

/** The type of an element as NumPy writes it ("<f4"), or the fields of a record. */
export type NpyDescr = string | readonly NpyField[];

/** A field of a record. One without a name is padding. */
export interface NpyField {
  readonly name: string;
  readonly descr: NpyDescr;
  /** [] for one element. */
  readonly shape: readonly number[];
}

/** What stands in front of the numbers. */
export interface NpyHeader {
  readonly descr: NpyDescr;
  /** True where the first axis varies fastest. */
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
  /** How many bytes the header takes: the first number stands there. */
  readonly dataOffset: number;
}

/** A column of a file to write. */
export interface NpyColumn {
  readonly name: string;
  readonly dtype: "float32" | "int32" | "uint8";
  /** Shape of one sample's value. */
  readonly shape: readonly number[];
}

/** Where the columns of one sample lie. */
export interface NpyRowLayout {
  /** Bytes from one sample to the next. */
  readonly rowBytes: number;
  /** Bytes in front of each column, in the order of the columns. */
  readonly offsets: readonly number[];
}

/** The whole header must come in one piece, and the first piece of a file has 1 MiB. */
export const longestNpyHeader = 2 ** 20;

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY

/**
 * Reads the header from the beginning of a file, of which at least the header must be there. `name` is what errors call
 * the file.
 * Throws, naming the byte, when the file is no .npy, when the header is cut off, longer than 1 MiB, or says what no
 * header of NumPy says. Types are not judged here: a descr is any text.
 */
export function parseNpyHeader(bytes: Uint8Array, name = "npy"): NpyHeader {
  requireMagic(bytes, name);
  const version = bytes[6]!;
  if (version < 1 || version > 3 || bytes[7] !== 0) {
    const got = `${bytes[6]}.${bytes[7]}`;
    fail(`${name}, byte 6`, { expected: "version 1.0, 2.0 or 3.0 of the format", got, fix: saveAgain });
  }
  const start = version === 1 ? 10 : 12;
  const dataOffset = start + textLength(bytes, name, start);
  if (bytes.length < dataOffset) tooShort(name, dataOffset, bytes.length);
  const inside = bytes.subarray(start, dataOffset);
  const text = version === 3 ? utf8(name, inside) : latin1(inside);
  const placeOf = (index: number) => {
    const before = version === 3 ? new TextEncoder().encode(text.slice(0, index)).length : index;
    return `${name}, byte ${start + before}`;
  };
  const literal = parsePythonLiteral(text, placeOf, saveAgain);
  return Object.freeze({ ...readHeader(`${name}, header`, literal), dataOffset });
}

const saveAgain = "write the file again with numpy.save";

/** Bytes of the header's text, which begins at `start`. */
function textLength(bytes: Uint8Array, name: string, start: number): number {
  if (bytes.length < start) tooShort(name, start, bytes.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = start === 10 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (start + length <= longestNpyHeader) return length;
  return fail(`${name}, byte 8`, {
    expected: `a header of at most ${longestNpyHeader} bytes`,
    got: `${start + length}`,
    fix: "copy the file again, or save fewer fields",
  });
}

/** TextDecoder's latin1 is another one, in which 0x80 to 0x9f are letters. */
function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function utf8(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    const proof = { expected: "text in UTF-8", got: "other bytes", fix: saveAgain };
    return fail(`${name}, header`, proof, { cause: error });
  }
}

function tooShort(name: string, expected: number, got: number): never {
  return fail(name, {
    expected: `${expected} bytes of header`,
    got: `a file of ${got} bytes`,
    fix: "copy or write it again",
  });
}

function requireMagic(bytes: Uint8Array, name: string): void {
  if (bytes.length >= 8 && magic.every((byte, index) => bytes[index] === byte)) return;
  const [first, second] = bytes;
  if (first === 0x50 && second === 0x4b) {
    const fix = "unpack it (unzip) and name the .npy files in it";
    fail(name, { expected: "a .npy file", got: "a zip archive, as .npz files are", fix });
  }
  if (first === 0x1f && second === 0x8b) {
    fail(name, { expected: "a .npy file", got: "a file packed with gzip", fix: `unpack it: gunzip ${name}` });
  }
  if (first === 0x80 && second !== undefined && second <= 5) {
    fail(name, { expected: "a .npy file", got: "a pickle", fix: saveAgain });
  }
  const beginning = [...bytes.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  fail(name, {
    expected: "a .npy file, which begins with the bytes 93 4e 55 4d 50 59 and a version",
    got: beginning === "" ? "an empty file" : beginning,
    fix: "check the name, or write the file with numpy.save",
  });
}

function readHeader(where: string, literal: PythonValue): Omit<NpyHeader, "dataOffset"> {
  const wrong = (expected: string): never => fail(where, { expected, got: "something else", fix: saveAgain });
  if (!(literal instanceof Map) || literal.size !== 3)
    wrong("a dictionary of descr, fortran_order and shape");
  const entries = literal as ReadonlyMap<string, PythonValue>; // see the line above
  const [descr, fortranOrder, shape] = ["descr", "fortran_order", "shape"].map((key) => entries.get(key));
  if (typeof fortranOrder !== "boolean") return wrong("True or False as fortran_order");
  return {
    descr: readDescr(descr, wrong),
    fortranOrder,
    shape: readShape(shape, wrong) ?? wrong("a tuple of whole numbers from 0 on as shape"),
  };
}

function readDescr(descr: PythonValue | undefined, wrong: (expected: string) => never): NpyDescr {
  if (typeof descr === "string") return descr;
  if (!Array.isArray(descr)) return wrong("a text or a list of fields as descr");
  const fields: readonly PythonValue[] = descr;
  return fields.map((field) => {
    const parts: readonly PythonValue[] = Array.isArray(field) ? field : [];
    const [title, type, shape = []] = parts;
    const name = Array.isArray(title) ? title[1] : title; // (title, name)
    const dims = readShape(typeof shape === "number" ? [shape] : shape, wrong);
    if (typeof name !== "string" || parts.length > 3 || dims === undefined) {
      return wrong("a name, a type and at most a shape as every field of descr");
    }
    return { name, descr: readDescr(type, wrong), shape: dims };
  });
}

function readShape(
  shape: PythonValue | undefined,
  wrong: (expected: string) => never,
): readonly number[] | undefined {
  if (!Array.isArray(shape)) return undefined;
  const dims: readonly PythonValue[] = shape;
  const isShape = (all: readonly PythonValue[]): all is readonly number[] =>
    all.every((dim) => typeof dim === "number" && dim >= 0);
  if (!isShape(dims)) return undefined;
  if (elementCount(dims) > Number.MAX_SAFE_INTEGER) wrong("a shape of fewer than 2 ** 53 elements");
  return dims;
}

/**
 * Where the columns of a sample lie: in the given order, a float32 and an int32 at a multiple of 4 bytes, and so does every
 * sample, so that typed arrays can view them. Put columns of uint8 last, and only the end of a sample is padding.
 */
export function npyRowLayout(columns: readonly NpyColumn[]): NpyRowLayout {
  const offsets: number[] = [];
  let end = 0;
  for (const { dtype, shape } of columns) {
    const bytes = bytesPerElement(dtype);
    offsets.push(toMultiple(end, bytes));
    end = offsets.at(-1)! + bytes * elementCount(shape);
  }
  return { rowBytes: Math.max(4, toMultiple(end, 4)), offsets };
}

/**
 * The header of a file of `rows` samples that lie as `npyRowLayout` says: an array [rows, ...shape] for one column that
 * needs no padding, else records. Its length is a multiple of 64 and does not depend on `rows`, so that it can be
 * written again when they are counted. numpy.load reads headers of up to 10 000 bytes, and longer ones when told so
 * (max_header_size).
 * Throws when there is no column, two have one name or one has none, and when the header would be longer than 1 MiB.
 */
export function encodeNpyHeader(content: {
  readonly fields: readonly NpyColumn[];
  readonly rows: number;
}): Uint8Array<ArrayBuffer> {
  const { fields, rows } = content;
  requireNames(fields.map(({ name }) => name));
  const [first] = fields;
  const isPlain = fields.length === 1 && npyRowLayout(fields).rowBytes === bytesOf(first!);
  const descr = isPlain ? pythonText(codes[first!.dtype]) : recordDescr(fields);
  const shape = pythonTuple([rows, ...(isPlain ? first!.shape : [])]);
  const dictionary = `{'descr': ${descr}, 'fortran_order': False, 'shape': ${shape}, }`;
  const longest = dictionary.length + digitsOfLargestCount - String(rows).length + 1; // a line end closes it
  const start = 10 + longest <= 0xffff ? 10 : 12; // version 2 only where 16 bits cannot hold the length
  const length = toMultiple(start + longest, 64);
  if (length > longestNpyHeader) {
    const got = `${length} for ${fields.length} columns`;
    const fix = "join columns of one type into one with a shape";
    fail("npy header", { expected: `at most ${longestNpyHeader} bytes`, got, fix });
  }
  const bytes = new Uint8Array(length).fill(0x20);
  bytes.set([...magic, start === 10 ? 1 : 2, 0]);
  const view = new DataView(bytes.buffer);
  if (start === 10) view.setUint16(8, length - start, true);
  else view.setUint32(8, length - start, true);
  bytes.set(new TextEncoder().encode(dictionary), start);
  bytes[length - 1] = 0x0a;
  return bytes;
}

const digitsOfLargestCount = String(Number.MAX_SAFE_INTEGER).length;

/** Little-endian, as every machine that this runs on. */
const codes = { float32: "<f4", int32: "<i4", uint8: "|u1" } as const;

const bytesOf = ({ dtype, shape }: NpyColumn) => bytesPerElement(dtype) * elementCount(shape);

function recordDescr(columns: readonly NpyColumn[]): string {
  const { rowBytes, offsets } = npyRowLayout(columns);
  const fields: string[] = [];
  let end = 0;
  const padTo = (offset: number) => {
    if (offset > end) fields.push(`('', '|V${offset - end}')`);
  };
  for (const [index, column] of columns.entries()) {
    padTo(offsets[index]!);
    const shape = column.shape.length === 0 ? "" : `, ${pythonTuple(column.shape)}`;
    fields.push(`(${pythonText(column.name)}, ${pythonText(codes[column.dtype])}${shape})`);
    end = offsets[index]! + bytesOf(column);
  }
  padTo(rowBytes);
  return `[${fields.join(", ")}]`;
}

function pythonTuple(numbers: readonly number[]): string {
  return numbers.length === 1 ? `(${numbers[0]},)` : `(${numbers.join(", ")})`;
}

function requireNames(names: readonly string[]): void {
  const seen = new Set<string>();
  const wrong = names.find((name) => name === "" || seen.size === seen.add(name).size);
  if (names.length > 0 && wrong === undefined) return;
  fail("npy header", {
    expected: "at least one column, each with a name of its own",
    got: names.length === 0 ? "none" : wrong === "" ? "one without a name" : `${JSON.stringify(wrong)} twice`,
    fix: "name every column once",
  });
}

const toMultiple = (bytes: number, unit: number) => Math.ceil(bytes / unit) * unit;
