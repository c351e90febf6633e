/** Columns of texts as codes of one length, which a model reads by their names. */
import { hasMoreWords, normalWord, splitWords, unknownWord, wordCodesOf } from "../../../array/words.ts";
import { fail, kindOf } from "../../../errors.ts";
import { byteVocabulary } from "../../text/characters.ts";
import { tokenizerVocabulary } from "../../text/tokenizer.ts";
import type { Cells } from "../cells/cells.ts";
import type { ValueColumn } from "./values.ts";

/** How a column of texts becomes codes. Plain data, so that a cache is known by it. */
export interface EncodedText {
  /**
   * "bytes": the bytes of UTF-8, which every text has. "words": what stands between blanks and signs; the
   * commonest are listed, and the saved model takes the texts themselves. Else the path of a tokenizer.json.
   */
  readonly tokens: string;
  /**
   * For words: those that are listed, as the categories of another table's column without its first. Default:
   * the words of two texts or more, at most 20 000, the commonest first.
   */
  readonly words?: readonly string[];
  /**
   * How many codes each text becomes: a whole number from 1 on. Longer texts are cut, and counted in
   * `report.truncated`.
   */
  readonly length: number;
  /** Which part of a long text is kept. Default "start". */
  readonly keep?: "start" | "end";
}

/** By column. */
export type EncodedTexts = Readonly<Record<string, EncodedText>>;

/** How texts are encoded where they are read. */
export interface TextCodes {
  readonly padding: number;
  /** At most `length` codes. */
  encode(text: string): ArrayLike<number>;
  /** How many texts were longer. */
  truncated(): number;
}

/** How many words of a column are listed at most: beyond, a word is rare in any table, and its vector is never used. */
const listedWords = 20_000;

/**
 * int32 [length]: the codes of the text, whose categories say what they stand for, then padding: the
 * vocabulary's own code for it, else the number of categories, which is no code of a text. A missing text is
 * all padding.
 */
export async function textValues(cells: Cells, name: string, text: EncodedText): Promise<ValueColumn> {
  const { tokens, length, keep } = text;
  if (tokens === "words") return wordValues(cells, name, text);
  const vocabulary = tokens === "bytes" ? byteVocabulary() : await tokenizerVocabulary(tokens);
  const { categories, padding = categories.length } = vocabulary;
  const where = `${cells.path}, column "${name}"`;
  let truncated = 0;
  const encode = (text: string) => {
    const encoding = vocabulary.encoder(where);
    const codes = [...encoding.push(text), ...encoding.finish()];
    if (codes.length <= length) return codes;
    truncated++;
    return keep === "end" ? codes.slice(-length) : codes.slice(0, length);
  };
  return {
    name,
    spec: { dtype: "int32", shape: [length], categories },
    sql: cells.text(name),
    text: { padding, encode, truncated: () => truncated },
  };
}

/**
 * int32 [length]: the codes of the first words, 0 for one that is not listed; behind the end, and in a missing text, the number of
 * categories.
 */
async function wordValues(cells: Cells, name: string, { length, words }: EncodedText): Promise<ValueColumn> {
  const categories = [unknownWord, ...(words ?? (await commonWords(cells, name, length)))];
  const codes = wordCodesOf(categories);
  let truncated = 0;
  const encode = (text: string) => {
    const found = splitWords(text, length);
    if (hasMoreWords(text, found.length)) truncated++;
    return found.map((word) => codes.get(word) ?? 0);
  };
  return {
    name,
    spec: { dtype: "int32", shape: [length], categories, isWords: true },
    sql: cells.text(name),
    text: { padding: categories.length, encode, truncated: () => truncated },
  };
}

/** The words of two texts or more, those of most texts first. */
async function commonWords(cells: Cells, name: string, length: number): Promise<string[]> {
  const counts = new Map<string, number>();
  for await (const { columns } of cells.database.pieces(`select ${cells.text(name)} from ${cells.kept}`)) {
    for (const text of columns[0]!) {
      if (text === null) continue;
      for (const word of new Set(splitWords(String(text), length).map(normalWord)))
        counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  }
  return [...counts]
    .filter(([, count]) => count >= 2)
    .sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
    .slice(0, listedWords)
    .map(([word]) => word);
}

/** Texts that were cut, by column, where there are any. */
export function truncatedOf(columns: readonly ValueColumn[]): {
  readonly truncated?: Record<string, number>;
} {
  const counts = columns.map(({ name, text }) => [name, text?.truncated() ?? 0] as const);
  const found = counts.filter(([, count]) => count > 0);
  return found.length === 0 ? {} : { truncated: Object.fromEntries(found) };
}

/** The files that texts are encoded by. */
export function tokenizersOf(texts: EncodedTexts = {}): string[] {
  return Object.values(texts).flatMap(({ tokens }) =>
    tokens === "bytes" || tokens === "words" ? [] : [tokens],
  );
}

/** Throws for what is no such option. */
export function checkTexts(path: string, texts: object): void {
  for (const [name, column] of Object.entries(texts)) {
    const where = `${path}, option texts, "${name}"`;
    if (!isTextColumn(column)) {
      fail(where, {
        expected:
          '{ tokens: "bytes", "words" or the path of a tokenizer.json, length: a whole number from 1 on }, and at most keep: "end", or the list of words',
        got: typeof column === "object" && column !== null ? JSON.stringify(column) : kindOf(column),
        fix: 'for example { tokens: "bytes", length: 200 }',
      });
    }
  }
}

function isTextColumn(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { tokens, length, keep, words, ...others } = value as Readonly<Record<string, unknown>>; // checked here
  if (tokens === "words" ? keep !== undefined || !areWords(words) : words !== undefined) return false;
  return (
    typeof tokens === "string" &&
    tokens !== "" &&
    Number.isSafeInteger(length) &&
    Number(length) >= 1 &&
    (keep === undefined || keep === "start" || keep === "end") &&
    Object.keys(others).length === 0
  );
}

const areWords = (value: unknown) =>
  value === undefined ||
  (Array.isArray(value) &&
    value.every((word) => typeof word === "string" && word !== "" && word !== unknownWord) &&
    new Set(value).size === value.length);
