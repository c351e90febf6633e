/** Bytes in pieces → text in pieces, by UTF-8 and nothing else. Source: RFC 3629. */
import { fail } from "../../errors.ts";

/**
 * The text of bytes that come in pieces, in pieces that end between characters. A byte order mark at the beginning is no
 * part of the text.
 * Throws, naming the byte, for what is not UTF-8.
 */
export async function* decodeUtf8(
  name: string,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<string, void> {
  let offset = 0; // of the next byte that was not decoded
  let open: Uint8Array = new Uint8Array(); // the beginning of a character whose end is in the next piece
  const decode = (bytes: Uint8Array): string => {
    const start = offset === 0 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
    const text = decodeOr(bytes.subarray(start));
    if (text === undefined) refuse(name, offset, bytes);
    offset += bytes.length;
    return text;
  };
  for await (const piece of pieces) {
    const bytes = open.length === 0 ? piece : joined(open, piece);
    const whole = wholeCharacters(bytes);
    open = bytes.slice(whole); // a copy: the reader may use its piece again
    if (whole > 0) yield decode(bytes.subarray(0, whole));
  }
  if (open.length > 0) yield decode(open);
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeOr(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined; // it does not say where
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** How many of the bytes come before a character that may go on in the next piece. */
function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) break;
    if (byte >= 0xc0) return lengthOf(byte) > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/** How many bytes a character has that begins with this one; 1 where none does, so that it is refused. */
const lengthOf = (first: number): number =>
  first >= 0xf0 && first <= 0xf4
    ? 4
    : first >= 0xe0 && first < 0xf0
      ? 3
      : first >= 0xc2 && first < 0xe0
        ? 2
        : 1;

function refuse(name: string, offset: number, bytes: Uint8Array): never {
  const at = firstWrong(bytes);
  const hex = (byte: number) => byte.toString(16).toUpperCase().padStart(2, "0");
  const isUtf16 =
    offset === 0 && ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff));
  const got = isUtf16 ? "UTF-16" : [...bytes.subarray(at, at + 4)].map(hex).join(" ");
  const from = isUtf16 ? "UTF-16" : "ISO-8859-1";
  fail(`${name}, byte ${offset + at}`, {
    expected: "UTF-8",
    got,
    fix: `convert it (iconv -f ${from} -t UTF-8, if that is what it is), or read it as bytes`,
  });
}

/** The position of the first byte that begins no character. */
function firstWrong(bytes: Uint8Array): number {
  let at = 0;
  while (at < bytes.length) {
    const length = lengthAt(bytes, at);
    if (length === 0) return at;
    at += length;
  }
  return at;
}

/** The length of the character at a position, 0 where there is none. Table 3-7 of the Unicode standard. */
function lengthAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return 1;
  const length = lengthOf(first);
  if (length === 1 || at + length > bytes.length) return 0;
  // The second byte also keeps out what is written too long, halves of pairs, and what is beyond U+10FFFF.
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  const second = bytes[at + 1]!;
  if (second < low || second > high) return 0;
  for (let next = 2; next < length; next++) if ((bytes[at + next]! & 0xc0) !== 0x80) return 0;
  return length;
}
