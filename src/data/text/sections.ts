/** A long text through a tokenizer, section by section, with the codes of the whole. */
import { fail } from "../../errors.ts";
import type { TextEncoding } from "./vocabulary.ts";

/** Codes of a text at once; what the tokenizer has no code for is no number below the size. */
export type Encode = (text: string) => readonly unknown[];

/** What a section encoder works with. */
export interface Sections {
  /** What errors call the text. */
  readonly where: string;
  /** What errors call the tokenizer. */
  readonly name: string;
  /** Codes are below this. */
  readonly size: number;
  readonly encode: Encode;
  /** Characters of a section. Default 65536: the library puts lists of tokens on the stack, and is slow on long ones. */
  readonly length?: number;
}

/**
 * Encodes sections of a text. A text is cut behind a word, and only where the codes of what is before the cut are proven not
 * to depend on what is behind it: encoded with and without the following characters, they are the same. The section
 * behind is encoded together with what is before the cut, whose codes are taken off again, so that what a tokenizer
 * does at the beginning of a text alone is done there alone.
 */
export class SectionEncoding implements TextEncoding {
  readonly #sections: Sections;
  readonly #length: number;
  /** What was not encoded yet. */
  #open = "";
  /** The last characters before that, and how many codes they have. */
  #before = "";
  #beforeCodes = 0;
  #wanted: number;
  #line = 1;

  constructor(sections: Sections) {
    this.#sections = sections;
    this.#length = sections.length ?? 65_536;
    this.#wanted = this.#length;
  }

  push(text: string): Int32Array {
    this.#open += text;
    const codes: number[] = [];
    while (this.#open.length >= this.#wanted + ahead) {
      const cut = this.#findCut();
      // Nowhere yet: with twice the text there are other places.
      if (cut === undefined) this.#wanted *= 2;
      else {
        const section = this.#open.slice(0, cut.at);
        append(codes, this.#encode(section));
        this.#line += linesIn(section);
        this.#before = cut.before;
        this.#beforeCodes = cut.codes;
        this.#open = this.#open.slice(cut.at);
        this.#wanted = this.#length;
      }
    }
    return Int32Array.from(codes);
  }

  finish(): Int32Array {
    const codes = this.#open === "" ? [] : this.#encode(this.#open);
    this.#open = "";
    return Int32Array.from(codes);
  }

  #encode(text: string): number[] {
    const codes = this.#sections.encode(this.#before + text).slice(this.#beforeCodes);
    if (!codes.every((code) => this.#isCode(code))) this.#refuse(text);
    return codes as number[]; // all are codes, see above
  }

  #isCode(code: unknown): boolean {
    return typeof code === "number" && code < this.#sections.size;
  }

  /** The last good place to cut the first `wanted` characters, among a few. */
  #findCut(): { readonly at: number; readonly before: string; readonly codes: number } | undefined {
    let at = this.#wanted;
    for (let tried = 0; tried < 20; tried++) {
      at = lastWordEnd(this.#open, at - 1);
      if (at < this.#wanted / 2) return undefined;
      const before = wholePairs(this.#open.slice(Math.max(0, at - behind), at));
      const codes = this.#sections.encode(before);
      const together = this.#sections.encode(before + this.#open.slice(at, at + ahead));
      if (codes.every((code, index) => code === together[index])) return { at, before, codes: codes.length };
    }
    return undefined;
  }

  #refuse(text: string): never {
    const { where, name, encode } = this.#sections;
    // The shortest beginning of the text that has the unknown in it ends with it.
    let [low, high] = [0, text.length];
    while (high - low > 1) {
      const middle = betweenCharacters(text, (low + high) >> 1, high);
      if (middle === high) break;
      const codes = encode(this.#before + text.slice(0, middle)).slice(this.#beforeCodes);
      if (codes.every((code) => this.#isCode(code))) low = middle;
      else high = middle;
    }
    return fail(`${where}, line ${this.#line + linesIn(text.slice(0, high))}`, {
      expected: `text that ${name} has tokens for`,
      got: `${JSON.stringify(wholePairs(text.slice(Math.max(0, high - 20), high)))}, at the end of which it has none`,
      fix: "remove it, or use a tokenizer that has a token for the unknown",
    });
  }
}

const linesIn = (text: string) => text.split("\n").length - 1;

/** Characters around a cut that are looked at: more than a tokenizer's rules look back or ahead. */
const behind = 256;
const ahead = 256;

/** The last place up to `from` between a letter or digit and a line end, else a blank, else a stop; −1 where there is none. */
function lastWordEnd(text: string, from: number): number {
  for (const separator of ["\n", " ", "。", "，", "."]) {
    let at = text.lastIndexOf(separator, from);
    while (at > from / 2 && !/[\p{L}\p{N}]/u.test(text[at - 1] ?? ""))
      at = text.lastIndexOf(separator, at - 1);
    if (at > from / 2) return at;
  }
  return -1;
}

/** Without the second half of a pair whose first half was cut off. */
function wholePairs(text: string): string {
  const first = text.charCodeAt(0);
  return first >= 0xdc00 && first < 0xe000 ? text.slice(1) : text;
}

/** A position, or the next one where it is inside a pair. */
const betweenCharacters = (text: string, at: number, high: number) =>
  at < high && text.charCodeAt(at) >= 0xdc00 && text.charCodeAt(at) < 0xe000 ? at + 1 : at;

function append(list: number[], more: readonly number[]): void {
  for (const each of more) list.push(each);
}
