/** Codes that come in pieces → all of them in memory, or windows in pieces. */
import { fail } from "../../errors.ts";
import type { Piece } from "../source.ts";
import { allocateCodes, type Codes, type TextColumns, tooShort, type WindowOptions } from "./windows.ts";

/**
 * All codes, which are below `size`. length: how many there are, where that is known.
 * Throws when they do not fit in memory.
 */
export async function collectCodes(
  name: string,
  size: number,
  pieces: AsyncIterable<ArrayLike<number>>,
  length = 2 ** 16,
): Promise<Codes> {
  let codes = allocate(name, size, length);
  let filled = 0;
  for await (const piece of pieces) {
    const end = filled + piece.length;
    if (end > codes.length) {
      const grown = allocate(name, size, Math.max(end, Math.ceil(codes.length * 1.5)));
      grown.set(codes.subarray(0, filled));
      codes = grown;
    }
    codes.set(piece, filled);
    filled = end;
  }
  return filled === codes.length ? codes : codes.slice(0, filled);
}

function allocate(name: string, size: number, length: number): Codes {
  try {
    return allocateCodes(size, length);
  } catch (error) {
    const fix =
      "keep its windows on disk: cached(await charactersSource(…)), or bytesSource, or tokensSource";
    return fail(
      name,
      { expected: "a text that fits in memory", got: `${length} codes`, fix },
      { cause: error },
    );
  }
}

/** Windows over the codes, about 2^18 codes of them at a time. Throws when there is none. */
export async function* windowPieces(
  name: string,
  codes: AsyncIterable<ArrayLike<number>>,
  { context, stride = context }: WindowOptions,
): AsyncGenerator<Piece<TextColumns>, void> {
  const room = Math.max(1, Math.floor(2 ** 18 / context));
  let open = new Int32Array(); // codes of windows that have not ended; may begin before the next window does
  let skip = 0; // codes up to the next window, where the stride leaves some out
  let samples = 0;
  let total = 0;
  for await (const piece of codes) {
    total += piece.length;
    const dropped = Math.min(skip, piece.length);
    skip -= dropped;
    open = joined(open, piece, dropped);
    let first = 0;
    while (open.length - first > context) {
      const ready = Math.min(room, Math.floor((open.length - first - context - 1) / stride) + 1);
      yield windowsOf(open, first, ready, context, stride);
      samples += ready;
      first += ready * stride;
    }
    skip += Math.max(0, first - open.length);
    open = open.slice(first);
  }
  if (samples === 0) tooShort(name, total, context);
}

function windowsOf(
  codes: Int32Array,
  first: number,
  samples: number,
  context: number,
  stride: number,
): Piece<TextColumns> {
  const tokens = new Int32Array(samples * context);
  const next = new Int32Array(samples * context);
  for (let sample = 0; sample < samples; sample++) {
    const from = first + sample * stride;
    tokens.set(codes.subarray(from, from + context), sample * context);
    next.set(codes.subarray(from + 1, from + 1 + context), sample * context);
  }
  return { samples, columns: { tokens, next } };
}

function joined(open: Int32Array, piece: ArrayLike<number>, dropped: number): Int32Array<ArrayBuffer> {
  const both = new Int32Array(open.length + piece.length - dropped);
  both.set(open);
  for (let at = dropped, to = open.length; at < piece.length; at++, to++) both[to] = piece[at]!;
  return both;
}

/** The same codes. Throws when there are more or fewer of them than were counted: the file has changed since. */
export async function* counted(
  name: string,
  codes: AsyncIterable<ArrayLike<number>>,
  length: number,
): AsyncGenerator<ArrayLike<number>, void> {
  let found = 0;
  for await (const piece of codes) {
    found += piece.length;
    if (found > length) break;
    yield piece;
  }
  if (found === length) return;
  fail(name, {
    expected: `the ${length} codes that were counted at first`,
    got: found > length ? "more" : String(found),
    fix: "start again when nothing writes to the file any more",
  });
}
