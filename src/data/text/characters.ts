/** Vocabularies that need no training: characters and bytes. */
import { fail, kindOf } from "../../errors.ts";
import { encodeWhole, type TextEncoding, type Vocabulary } from "./vocabulary.ts";

/** Options of `characterVocabulary`. */
export interface CharacterOptions {
  /** A character of the vocabulary that stands for those it lacks. Default: none, and those are an error. */
  readonly unknown?: string;
}

/**
 * A code per character (Unicode code point): the different ones of the given texts, in the order of their code points, or
 * exactly those of a list of single characters, which is what the categories of such a column are.
 *
 *   const vocabulary = characterVocabulary(["the texts", "to learn from"]);
 *   vocabulary.decode(vocabulary.encode("text"));                                // "text"
 *
 * Throws when there is no character, and when `unknown` is none of them.
 */
export function characterVocabulary(
  texts: string | Iterable<string>,
  { unknown }: CharacterOptions = {},
): Vocabulary {
  const seen = new CharacterSet();
  if (typeof texts === "string") seen.add(texts);
  else for (const text of texts) seen.add(text);
  return vocabularyOf(seen, unknown);
}

/** Code points that were seen. */
export class CharacterSet {
  readonly #seen = new Uint8Array(0x110000);
  /** How many characters were added, each as often as it came. */
  count = 0;

  add(text: string): void {
    requireText("characterVocabulary", text);
    for (let at = 0; at < text.length; at++) {
      const code = text.codePointAt(at)!;
      if (code > 0xffff) at++;
      this.#seen[code] = 1;
      this.count++;
    }
  }

  /** In order. */
  characters(): string[] {
    const found: string[] = [];
    for (let code = this.#seen.indexOf(1); code >= 0; code = this.#seen.indexOf(1, code + 1)) {
      found.push(String.fromCodePoint(code));
    }
    return found;
  }
}

/** Throws for what is no text, and for half a character of UTF-16, which no file can hold. */
export function requireText(where: string, text: unknown): asserts text is string {
  if (typeof text === "string" && text.isWellFormed()) return;
  fail(where, {
    expected: "a text of whole characters",
    got: typeof text === "string" ? "one with half a pair of surrogates" : kindOf(text),
    fix: "pass a text, and cut texts between characters",
  });
}

/** The vocabulary of the characters seen. */
export function vocabularyOf(seen: CharacterSet, unknown?: string): Vocabulary {
  const categories = Object.freeze(seen.characters());
  if (categories.length === 0) {
    fail("characterVocabulary", { expected: "at least one character", got: "none", fix: "pass a text" });
  }
  const codes = new Int32Array(0x110000).fill(-1);
  for (const [code, character] of categories.entries()) codes[character.codePointAt(0)!] = code;
  const standIn = unknown === undefined ? undefined : categories.indexOf(unknown);
  if (standIn === -1) {
    fail("characterVocabulary, unknown", {
      expected: "a character of the vocabulary",
      got: kindOf(unknown),
      fix: categories.includes(" ") ? 'for example unknown: " "' : "choose one that the texts have",
    });
  }
  const name = `the vocabulary of ${categories.length} characters`;
  const encoder = (where: string) => new CharacterEncoding(where, name, codes, standIn ?? -1);
  return Object.freeze({
    name,
    size: categories.length,
    categories,
    ...(standIn !== undefined && { unknown: standIn }),
    encode(text: string) {
      requireText("encode", text);
      return encodeWhole(encoder("encode"), text);
    },
    decode: (given: ArrayLike<number>) =>
      Array.from(given, (code, at) => categories[code] ?? noSuchCode(name, categories.length, code, at)).join(
        "",
      ),
    encoder,
  } satisfies Vocabulary);
}

/** Throws for a number that is no code. */
export function noSuchCode(name: string, size: number, code: number, at: number): never {
  return fail(`decode by ${name}, position ${at}`, {
    expected: `a code from 0 to ${size - 1}`,
    got: String(code),
    fix: "decode codes of this vocabulary",
  });
}

class CharacterEncoding implements TextEncoding {
  readonly #where: string;
  readonly #name: string;
  readonly #codes: Int32Array;
  readonly #unknown: number;
  #character = 0;
  #line = 1;

  constructor(where: string, name: string, codes: Int32Array, unknown: number) {
    this.#where = where;
    this.#name = name;
    this.#codes = codes;
    this.#unknown = unknown;
  }

  push(text: string): Int32Array {
    const codes = new Int32Array(text.length); // as many characters, or fewer
    let count = 0;
    for (let at = 0; at < text.length; at++) {
      const point = text.codePointAt(at)!;
      if (point > 0xffff) at++;
      const code = this.#codes[point]!;
      if (code < 0 && this.#unknown < 0) this.#refuse(point, count);
      codes[count++] = code < 0 ? this.#unknown : code;
      if (point === 10) this.#line++;
    }
    this.#character += count;
    return codes.subarray(0, count);
  }

  finish(): Int32Array {
    return new Int32Array();
  }

  #refuse(point: number, count: number): never {
    const shown = `${JSON.stringify(String.fromCodePoint(point))} (U+${point.toString(16).toUpperCase().padStart(4, "0")})`;
    return fail(`${this.#where}, line ${this.#line}`, {
      expected: `characters of ${this.#name}`,
      got: `${shown}, character ${this.#character + count} of the text`,
      fix: 'make the vocabulary of both texts, or let one of its characters stand in, as in unknown: " "',
    });
  }
}

/**
 * A code per byte: code b is byte b. The codes of a text are the bytes of its UTF-8; what is decoded from codes that are no
 * UTF-8 has U+FFFD in the places where it is not.
 */
export function byteVocabulary(): Vocabulary {
  return bytesVocabulary;
}

const printable = (byte: number) => byte > 0x20 && byte < 0x7f;
const name = "the vocabulary of bytes";

const bytesVocabulary: Vocabulary = Object.freeze({
  name,
  size: 256,
  categories: Object.freeze(
    Array.from({ length: 256 }, (_, byte) =>
      printable(byte) ? String.fromCharCode(byte) : `0x${byte.toString(16).toUpperCase().padStart(2, "0")}`,
    ),
  ),
  encode: (text: string) => bytesOf(text),
  decode(codes: ArrayLike<number>) {
    const bytes = Uint8Array.from(codes, (code, at) =>
      Number.isInteger(code) && code >= 0 && code < 256 ? code : noSuchCode(name, 256, code, at),
    );
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  },
  encoder: () => ({
    push: bytesOf,
    finish: () => new Int32Array(),
  }),
});

function bytesOf(text: string): Int32Array {
  requireText("encode", text);
  return Int32Array.from(new TextEncoder().encode(text));
}
