/** The lines of a text file, packed with gzip or not, some at a time. */
import { fail } from "../../errors.ts";
import { readUnpacked } from "../gzip.ts";

/** Lines that follow each other. */
export interface Lines {
  /** Counting from 1. */
  readonly first: number;
  /** Without their ends. null where the bytes of a line are no UTF-8. */
  readonly texts: readonly (string | null)[];
}

/**
 * Reads in constant memory. A byte order mark is dropped; "\r" at the end of a line stays.
 * Throws what `readUnpacked` throws, and for a line of more than 64 MiB.
 */
export async function* readLines(path: string): AsyncGenerator<Lines, void> {
  let first = 1;
  let parts: Uint8Array[] = []; // of the line that is not read to its end
  for await (const piece of (await readUnpacked(path)).pieces) {
    const end = piece.lastIndexOf(newline) + 1;
    if (end > 0) {
      const texts = textsOf(withoutMark(joined(parts, piece.subarray(0, end)), first));
      texts.pop(); // what is behind the last line end
      yield { first, texts };
      first += texts.length;
      parts = [];
    }
    if (end < piece.length) parts.push(piece.subarray(end));
    requireLine(path, first, parts);
  }
  if (parts.length > 0) yield { first, texts: textsOf(withoutMark(joined(parts), first)) };
}

const newline = 0x0a;
const longestLine = 2 ** 26;

function requireLine(path: string, line: number, parts: readonly Uint8Array[]): void {
  const size = parts.reduce((sum, { length }) => sum + length, 0);
  if (size <= longestLine) return;
  fail(`${path}, line ${line}`, {
    expected: `a line end within ${longestLine} bytes`,
    got: "none",
    fix: "write one object to a line: jq -c '.[]' array.json > lines.jsonl",
  });
}

function joined(parts: readonly Uint8Array[], last: Uint8Array = new Uint8Array()): Uint8Array {
  return parts.length === 0 ? last : Buffer.concat([...parts, last]);
}

function withoutMark(bytes: Uint8Array, line: number): Uint8Array {
  const isMarked = line === 1 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  return isMarked ? bytes.subarray(3) : bytes;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decode(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes);
  } catch {
    return null;
  }
}

/** All at once, which is faster; line by line where one of them is no UTF-8. */
function textsOf(bytes: Uint8Array): (string | null)[] {
  const text = decode(bytes);
  if (text !== null) return text.split("\n");
  const texts: (string | null)[] = [];
  for (let start = 0; start <= bytes.length; ) {
    const found = bytes.indexOf(newline, start);
    const end = found < 0 ? bytes.length : found;
    texts.push(decode(bytes.subarray(start, end)));
    start = end + 1;
  }
  return texts;
}
