/** CONTRACT of a vocabulary: texts ↔ codes 0 … size − 1. */

/** What the codes of a text mean. */
export interface Vocabulary {
  /** What to call it in errors. */
  readonly name: string;
  readonly size: number;
  /** categories[code] is what a code stands for: each once, none empty. */
  readonly categories: readonly string[];
  /** The code that stands for everything the vocabulary lacks, if there is one. */
  readonly unknown?: number;
  /** The code that a tokenizer fills short texts up with, if there is one. */
  readonly padding?: number;
  /** The codes of a text. Throws, naming the place, for what there is no code for. */
  encode(text: string): Int32Array;
  /** The text that codes stand for. Throws for a number that is no code. */
  decode(codes: ArrayLike<number>): string;
  /** An encoder of one text that comes in pieces. `where` is what errors call the text. */
  encoder(where: string): TextEncoding;
}

/** One text on its way into codes. The codes of all pieces are those of the whole text, however it is cut. */
export interface TextEncoding {
  /** Takes the next piece, and gives the codes that are certain by now. A piece ends between characters. */
  push(text: string): Int32Array;
  /** The codes that were still open. */
  finish(): Int32Array;
}

/** All at once, by an encoder. */
export function encodeWhole(encoding: TextEncoding, text: string): Int32Array {
  const [first, rest] = [encoding.push(text), encoding.finish()];
  if (rest.length === 0) return first;
  const codes = new Int32Array(first.length + rest.length);
  codes.set(first);
  codes.set(rest, first.length);
  return codes;
}
