/** Files that may be packed with gzip, told by their first bytes: the name says nothing. Source: RFC 1952. */
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { fail, messageOf } from "../errors.ts";
import { readPieces } from "./files.ts";

/** What a file holds. */
export interface Unpacked {
  readonly isGzip: boolean;
  /** The content, unpacked. The first piece has at least 1 MiB, or all there is. Read it, or return it. */
  readonly pieces: AsyncGenerator<Uint8Array>;
}

/**
 * The content of a file, unpacked where it is gzip, also of several members one after the other.
 * Throws like `readPieces`; the pieces throw where gzip is damaged or ends too early.
 */
export async function readUnpacked(path: string): Promise<Unpacked> {
  const packed = readPieces(path);
  const first = await packed.next();
  const beginning = first.done === true ? new Uint8Array() : first.value;
  const isGzip = beginning[0] === 0x1f && beginning[1] === 0x8b;
  const whole = rejoin(beginning, packed);
  return { isGzip, pieces: withLongBeginning(isGzip ? unpack(path, whole) : whole) };
}

const pieceSize = 2 ** 20;

async function* rejoin(first: Uint8Array, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  yield* rest;
}

async function* unpack(path: string, packed: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  // The callback would hear what is thrown below.
  const unpacked = pipeline(Readable.from(packed), createGunzip({ chunkSize: pieceSize }), () => {});
  try {
    yield* unpacked;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (!code.startsWith("Z_")) throw error;
    const got = code === "Z_BUF_ERROR" ? "one that ends too early" : `damaged bytes (${messageOf(error)})`;
    const fix = `copy or download it again (gzip -t ${path} checks it)`;
    fail(path, { expected: "a whole gzip file", got, fix }, { cause: error });
  }
}

/** A packed file may begin with members of a few bytes, and a header must be read in one piece. */
async function* withLongBeginning(pieces: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  const beginning: Uint8Array[] = [];
  let size = 0;
  for await (const bytes of pieces) {
    if (size >= pieceSize) yield bytes;
    else {
      beginning.push(bytes);
      size += bytes.length;
      if (size >= pieceSize) yield Buffer.concat(beginning.splice(0));
    }
  }
  if (size > 0 && size < pieceSize) yield Buffer.concat(beginning);
}
