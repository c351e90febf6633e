/** The text of a CSV file as UTF-8, whatever its encoding, and packed with gzip or not. */
import { fail } from "../../../errors.ts";
import { readUnpacked } from "../../gzip.ts";
import { type Dialect, encodingWords } from "./csv-dialect.ts";

type Encoding = NonNullable<Dialect["encoding"]>;

/** What a file holds. */
export interface CsvText {
  readonly isGzip: boolean;
  /** UTF-8. Read them, or return them. */
  readonly pieces: AsyncGenerator<Uint8Array>;
}

/**
 * Reads a file. Half a character of UTF-16 comes as bytes that are no UTF-8, so that who looks for those
 * finds its line.
 * Throws, where its first bytes are read, for a file that is no text or has the mark of another encoding.
 */
export async function readCsvText(path: string, encoding: Encoding = "utf-8"): Promise<CsvText> {
  const { isGzip, pieces } = await readUnpacked(path);
  return { isGzip, pieces: decoded(path, pieces, encoding) };
}

async function* decoded(
  path: string,
  pieces: AsyncGenerator<Uint8Array>,
  encoding: Encoding,
): AsyncGenerator<Uint8Array> {
  const decoder = decoders[encoding]();
  let isFirst = true;
  for await (const piece of pieces) {
    if (isFirst) refuseBinary(path, piece, encoding);
    isFirst = false;
    yield decoder.decode(piece);
  }
  const rest = decoder.end();
  if (rest.length > 0) yield rest;
}

/** Turns pieces of a file into UTF-8. */
interface Decoder {
  decode(piece: Uint8Array): Uint8Array;
  /** What is left at the end. */
  end(): Uint8Array;
}

const nothing = new Uint8Array();
const decoders: Readonly<Record<Encoding, () => Decoder>> = {
  "utf-8": () => ({ decode: (piece) => piece, end: () => nothing }),
  latin1: () => ({ decode: decodeLatin1, end: () => nothing }),
  "utf-16": () => new Utf16Decoder(),
};

/**
 * The characters 0x80 to 0x9f of Windows-1252; the others are those of Unicode. Not by TextDecoder, which
 * some versions of Node.js have as ISO-8859-1. Source:
 * https://encoding.spec.whatwg.org/#legacy-single-byte-encodings
 */
const windows1252 =
  "\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f" +
  "\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178";

function decodeLatin1(piece: Uint8Array): Uint8Array {
  const out = new Uint8Array(3 * piece.length);
  let length = 0;
  for (const byte of piece) {
    const code = byte >= 0x80 && byte < 0xa0 ? windows1252.charCodeAt(byte - 0x80) : byte;
    length = writeUtf8(out, length, code);
  }
  return out.subarray(0, length);
}

/** Writes a character and gives the place behind it. Halves of surrogate pairs become what is no UTF-8. */
function writeUtf8(out: Uint8Array, at: number, code: number): number {
  if (code < 0x80) out[at++] = code;
  else if (code < 0x800) {
    out[at++] = 0xc0 | (code >> 6);
    out[at++] = 0x80 | (code & 0x3f);
  } else if (code < 0x10000) {
    out[at++] = 0xe0 | (code >> 12);
    out[at++] = 0x80 | ((code >> 6) & 0x3f);
    out[at++] = 0x80 | (code & 0x3f);
  } else {
    out[at++] = 0xf0 | (code >> 18);
    out[at++] = 0x80 | ((code >> 12) & 0x3f);
    out[at++] = 0x80 | ((code >> 6) & 0x3f);
    out[at++] = 0x80 | (code & 0x3f);
  }
  return at;
}

/** What half a character at the end of a file becomes: no UTF-8 has it. */
export const halfCharacter = 0xff;

class Utf16Decoder implements Decoder {
  #isBig: boolean | undefined; // unknown until the first character
  #byte: number | undefined; // the first of two, where the last piece has ended between them
  #high: number | undefined; // the first of two surrogates, likewise

  decode(piece: Uint8Array): Uint8Array {
    const out = new Uint8Array(2 * piece.length + 6); // two bytes become at most three; and what is carried
    let length = 0;
    for (const byte of piece) {
      if (this.#byte === undefined) {
        this.#byte = byte;
        continue;
      }
      const little = this.#byte | (byte << 8);
      const unit = this.#isBig === true ? (this.#byte << 8) | byte : little;
      this.#byte = undefined;
      if (this.#isBig !== undefined) length = this.#write(out, length, unit);
      else {
        this.#isBig = little === 0xfffe;
        if (little !== 0xfffe && little !== 0xfeff) length = this.#write(out, length, little);
      }
    }
    return out.subarray(0, length);
  }

  end(): Uint8Array {
    const out = new Uint8Array(4);
    let length = this.#high === undefined ? 0 : writeUtf8(out, 0, this.#high);
    if (this.#byte !== undefined) out[length++] = halfCharacter;
    return out.subarray(0, length);
  }

  #write(out: Uint8Array, at: number, unit: number): number {
    let end = at;
    if (this.#high !== undefined) {
      const high = this.#high;
      this.#high = undefined;
      if (unit >= 0xdc00 && unit < 0xe000) {
        return writeUtf8(out, end, 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00));
      }
      end = writeUtf8(out, end, high);
    }
    if (unit >= 0xd800 && unit < 0xdc00) {
      this.#high = unit;
      return end;
    }
    return writeUtf8(out, end, unit);
  }
}

/** Tells compressed and columnar files, and other encodings, by their first bytes. */
export function refuseBinary(path: string, bytes: Uint8Array, encoding: Encoding = "utf-8"): void {
  const kind = binaryKinds.find(
    ({ prefixes, is }) =>
      is !== encoding && prefixes.some((prefix) => prefix.every((value, index) => bytes[index] === value)),
  );
  const expected = `CSV text in ${encodingWords[encoding]}`;
  if (kind !== undefined) fail(path, { expected, got: kind.got, fix: kind.fix });
  if (encoding !== "utf-16" || bytes.length === 0 || bytes.includes(0)) return;
  // A delimiter or a line end would have one.
  fail(path, { expected, got: "no zero byte, as in UTF-8 and Latin-1", fix: "leave the encoding out" });
}

interface BinaryKind {
  readonly prefixes: readonly (readonly number[])[];
  readonly got: string;
  readonly fix: string;
  /** The encoding it is right in. */
  readonly is?: Encoding;
}

const binaryKinds: readonly BinaryKind[] = [
  {
    prefixes: [
      [0x1f, 0x8b], // gzip
      [0x28, 0xb5, 0x2f, 0xfd], // zstd
      [0x50, 0x4b, 3, 4], // zip
    ],
    got: "a compressed file",
    fix: "unpack it first",
  },
  { prefixes: [[0x50, 0x41, 0x52, 0x31]], got: "a Parquet file", fix: "export it as CSV" },
  {
    prefixes: [
      [0xff, 0xfe],
      [0xfe, 0xff],
    ],
    got: "UTF-16 text",
    fix: 'dialect: { encoding: "utf-16" }',
    is: "utf-16",
  },
  {
    prefixes: [[0xef, 0xbb, 0xbf]],
    got: "UTF-8 text, by its byte order mark",
    fix: "leave the encoding out",
    is: "utf-8",
  },
];
