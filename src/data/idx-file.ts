/**
 * A file of MNIST's format IDX: a type, the sizes of the axes, and the numbers, all with the largest byte first.
 * Source: LeCun, Cortes, Burges: The MNIST database of handwritten digits, "the IDX file format".
 */
import { elementCount, formatShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { ByteStream } from "./byte-stream.ts";
import { dtypeFor, type ElementType } from "./elements.ts";
import { type FileRanges, openRanges } from "./file-ranges.ts";
import { readUnpacked } from "./gzip.ts";

/** What the beginning of a file says. */
export interface IdxFile {
  readonly path: string;
  /** What tells that the file is still the same. */
  readonly state: Pick<FileRanges, "size" | "changed">;
  readonly isGzip: boolean;
  readonly column: string;
  readonly samples: number;
  readonly type: ElementType;
  readonly dtype: "float32" | "int32" | "uint8";
  /** Of one sample. */
  readonly shape: readonly number[];
  readonly elements: number;
  /** Bytes in front of the numbers. */
  readonly dataOffset: number;
}

/** Opens a file, packed with gzip or not. Throws what is wrong with its header, naming the byte. */
export async function readIdxHeader(path: string, column: string): Promise<IdxFile> {
  const { size, changed, close } = await openRanges(path);
  await close();
  const { isGzip, pieces } = await readUnpacked(path);
  const stream = new ByteStream(pieces);
  try {
    const { type, axes } = readMagic(path, await stream.read(4));
    const sizes = await stream.read(4 * axes);
    if (sizes.length < 4 * axes) tooShort(path, 4 + 4 * axes, 4 + sizes.length);
    const view = new DataView(sizes.buffer, sizes.byteOffset, sizes.byteLength);
    const [samples, ...shape] = Array.from({ length: axes }, (_, axis) => view.getUint32(4 * axis));
    const isLabel = axes === 1 && type.kind !== "float";
    const elements = elementCount(shape);
    const file = { path, state: { size, changed }, isGzip, column, samples: samples!, type, shape, elements };
    requireSampleSize(path, [samples!, ...shape], elements * type.bytes);
    const opened = { ...file, dtype: isLabel ? "int32" : dtypeFor(type), dataOffset: 4 + 4 * axes } as const;
    if (!isGzip) requireSize(opened, size);
    return opened;
  } finally {
    await stream.close();
  }
}

/** The numbers of all samples: the stream behind the header. Close it. */
export async function openIdxNumbers({ path, dataOffset }: IdxFile): Promise<ByteStream> {
  const stream = new ByteStream((await readUnpacked(path)).pieces);
  await stream.read(dataOffset);
  return stream;
}

/** Throws where the file has not as many bytes as its header says. `size`: how many, unpacked; or more than so many. */
export function requireSize(file: IdxFile, size: number, isMore = false): void {
  const { path, samples, elements, type, dataOffset } = file;
  const expected = dataOffset + samples * elements * type.bytes;
  if (size === expected && !isMore) return;
  fail(path, {
    expected: `${expected} bytes: a header of ${dataOffset} and ${samples} samples of ${elements * type.bytes}`,
    got: `${isMore ? "more" : size}${file.isGzip ? " in the packed file" : ""}`,
    fix: "copy or download it again",
  });
}

const types: Readonly<Record<number, readonly [kind: ElementType["kind"], bytes: number]>> = {
  8: ["unsigned", 1],
  9: ["signed", 1],
  11: ["signed", 2],
  12: ["signed", 4],
  13: ["float", 4],
  14: ["float", 8],
};

function readMagic(path: string, magic: Uint8Array): { readonly type: ElementType; readonly axes: number } {
  const [first, second, code, axes] = magic;
  const fix = "check the name; other formats have readers of their own";
  if (first !== 0 || second !== 0) {
    const bytes = [...magic].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const got = magic.length === 0 ? "an empty file" : bytes;
    fail(`${path}, byte 0`, { expected: "an IDX file, which begins with two bytes 0", got, fix });
  }
  if (code === undefined || axes === undefined) return tooShort(path, 4, magic.length);
  const type = types[code];
  if (type === undefined) {
    const expected = "the type 8, 9, 11, 12, 13 or 14";
    return fail(`${path}, byte 2`, { expected, got: String(code), fix });
  }
  if (axes === 0) fail(`${path}, byte 3`, { expected: "at least one axis", got: "0", fix });
  return { type: { kind: type[0], bytes: type[1], isLittleEndian: false }, axes };
}

function tooShort(path: string, expected: number, got: number): never {
  return fail(path, {
    expected: `${expected} bytes of header`,
    got: `a file of ${got} bytes`,
    fix: "copy or download it again",
  });
}

const largestSample = 2 ** 30;

function requireSampleSize(path: string, shape: readonly number[], bytes: number): void {
  if (bytes > 0 && bytes <= largestSample) return;
  fail(path, {
    expected: "between 1 byte and 1 GiB of numbers per sample",
    got: `${bytes} bytes in the shape ${formatShape(shape)}`,
    fix: "check that the file is an IDX file, whose first axis counts samples",
  });
}
