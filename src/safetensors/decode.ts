/** The bytes of a safetensors file → arrays, with everything its header claims checked before anything is allocated. */
import { type NdArray, ndarray } from "../array/array.ts";
import { allocate, bytesPerElement, type NumericDType } from "../array/dtype.ts";
import { fromBrain, fromHalf } from "../array/half.ts";
import { fail, kindOf, messageOf, shorten } from "../errors.ts";
import { metadataKey } from "./format.ts";
import { headerProblem } from "./header-problem.ts";

/** What a safetensors file holds. */
export interface Safetensors {
  /** Arrays by name, in the order of their bytes. */
  readonly arrays: ReadonlyMap<string, NdArray>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** How elements are kept here, and how wide they are in the file; 16-bit floats are widened. */
const dtypes: ReadonlyMap<string, { readonly dtype: NumericDType; readonly width: number }> = new Map([
  ["F64", { dtype: "float64", width: 8 }],
  ["F32", { dtype: "float32", width: 4 }],
  ["F16", { dtype: "float32", width: 2 }],
  ["BF16", { dtype: "float32", width: 2 }],
  ["I64", { dtype: "int64", width: 8 }],
  ["I32", { dtype: "int32", width: 4 }],
  ["U8", { dtype: "uint8", width: 1 }],
  ["BOOL", { dtype: "bool", width: 1 }],
]);

/** The longest header that the format's own library reads, in bytes. */
const longestHeader = 100_000_000;
const damaged = "the file is damaged, or no safetensors file: save it again";

/** A tensor as the header describes it. */
interface Entry {
  readonly name: string;
  readonly stored: string;
  readonly dtype: NumericDType;
  readonly width: number;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * Reads a safetensors file. float16 and bfloat16 become float32; the arrays are copies. `source` is what errors call the file.
 * Throws for a header that is longer than the file, no JSON or says a name twice, for element types other than F64, F32, F16,
 * BF16, I64, I32, U8 and BOOL, for dimensions that are no whole numbers from 0 on or are not those of the bytes, and for tensors
 * that overlap, leave bytes between them or reach beyond the file.
 * Source: github.com/huggingface/safetensors, README.md, Format.
 */
export function decodeSafetensors(bytes: Uint8Array, source = "safetensors"): Safetensors {
  const start = headerEnd(bytes, source);
  const header = parseHeader(bytes.subarray(8, start), source);
  const { [metadataKey]: metadata = {}, ...tensors } = header;
  const entries = Object.entries(tensors).map(([name, value]) => readEntry(name, value, source));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  requireWhole(entries, bytes.length - start, source);
  const arrays = entries.map((entry): [string, NdArray] => [
    entry.name,
    arrayOf(entry, bytes.subarray(start + entry.begin, start + entry.end)),
  ]);
  return Object.freeze({ arrays: new Map(arrays), metadata: readMetadata(metadata, source) });
}

function headerEnd(bytes: Uint8Array, source: string): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = bytes.length < 8 ? undefined : view.getBigUint64(0, true);
  const most = Math.min(bytes.length - 8, longestHeader);
  if (length === undefined || length > most) {
    fail(source, {
      expected: `8 bytes that say how long the header is, and a header of at most ${Math.max(most, 0)} bytes`,
      got: length === undefined ? `${bytes.length} bytes` : `a header of ${length}`,
      fix: damaged,
    });
  }
  return 8 + Number(length);
}

function parseHeader(bytes: Uint8Array, source: string): Readonly<Record<string, unknown>> {
  const refuse = (got: string) =>
    fail(`${source}, header`, { expected: "a JSON object with every key once", got, fix: damaged });
  let header: unknown;
  let problem: string | undefined;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    problem = headerProblem(text);
    if (problem === undefined) header = JSON.parse(text);
  } catch (thrown) {
    problem = `"${shorten(messageOf(thrown))}"`;
  }
  if (problem !== undefined) return refuse(problem);
  return isRecord(header) ? header : refuse(kindOf(header));
}

function readEntry(name: string, value: unknown, source: string): Entry {
  const where = `${source}, ${kindOf(name)}`;
  const { dtype: stored, shape, data_offsets: offsets } = isRecord(value) ? value : {};
  const held = dtypes.get(String(stored));
  if (held === undefined) {
    fail(where, {
      expected: `elements of ${[...dtypes.keys()].join(", ")}`,
      got: kindOf(stored),
      fix: "convert the tensor to float32 and save the file again",
    });
  }
  const [begin, end, ...others] = isSizes(offsets) ? offsets : [];
  if (begin === undefined || end === undefined || others.length > 0 || begin > end) {
    fail(where, {
      expected: "data_offsets of two whole numbers from 0 on, the smaller one first",
      got: shown(offsets),
      fix: damaged,
    });
  }
  const count = isSizes(shape) ? shape.reduce((product, dim) => product * dim, 1) : undefined;
  if (!isSizes(shape) || count === undefined || count * held.width !== end - begin) {
    fail(where, {
      expected: `a shape of whole numbers from 0 on for ${end - begin} bytes of ${stored}`,
      got: shown(shape),
      fix: damaged,
    });
  }
  return { name, stored: String(stored), ...held, shape, begin, end };
}

/** Every byte belongs to exactly one tensor. */
function requireWhole(entries: readonly Entry[], length: number, source: string): void {
  let at = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== at || end > length) {
      fail(`${source}, ${kindOf(name)}`, {
        expected: `bytes from ${at} on, up to ${length} at most, so that every byte belongs to one tensor`,
        got: `${begin} to ${end}`,
        fix: damaged,
      });
    }
    at = end;
  }
  if (at === length) return;
  fail(source, {
    expected: `${at} bytes after the header, as its tensors say`,
    got: `${length}`,
    fix: damaged,
  });
}

function arrayOf({ stored, dtype, width, shape }: Entry, bytes: Uint8Array): NdArray {
  if (width !== bytesPerElement(dtype)) {
    // A copy, since bytes in a file lie at any address and typed arrays at multiples of their width.
    const halves = new Uint16Array(new Uint8Array(bytes).buffer);
    return ndarray(dtype, shape, Float32Array.from(halves, stored === "BF16" ? fromBrain : fromHalf));
  }
  const data = allocate(dtype, bytes.length / width);
  new Uint8Array(data.buffer).set(bytes);
  if (dtype === "bool")
    data.forEach((bit, index) => {
      data[index] = bit === 0 ? 0 : 1;
    });
  return ndarray(dtype, shape, data);
}

function readMetadata(metadata: unknown, source: string): Readonly<Record<string, string>> {
  const isText = (entry: [string, unknown]): entry is [string, string] => typeof entry[1] === "string";
  const entries = isRecord(metadata) ? Object.entries(metadata) : undefined;
  if (entries?.every(isText)) return Object.freeze(Object.fromEntries(entries));
  return fail(`${source}, "${metadataKey}"`, {
    expected: "an object of texts",
    got: kindOf(entries?.find((entry) => !isText(entry))?.[1] ?? metadata),
    fix: damaged,
  });
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isSizes = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
const shown = (value: unknown) => shorten(JSON.stringify(value) ?? "nothing");
