/** Columns of texts as codes of one length, which a model reads by their names. */
import { fail, kindOf } from "../../../errors.ts";
import { byteVocabulary } from "../../text/characters.ts";
import { tokenizerVocabulary } from "../../text/tokenizer.ts";
import type { Cells } from "../cells/cells.ts";
import type { ValueColumn } from "./values.ts";

/** How a column of texts becomes codes. Plain data, so that a cache is known by it. */
export interface EncodedText {
  /**
   * "bytes": the bytes of UTF-8, which every text has; else the path of a tokenizer.json. Nothing is fitted
   * on the table.
   */
  readonly tokens: string;
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

/**
 * int32 [length]: the codes of the text, whose categories say what they stand for, then padding: the
 * vocabulary's own code for it, else the number of categories, which is no code of a text. A missing text is
 * all padding.
 */
export async function textValues(
  cells: Cells,
  name: string,
  { tokens, length, keep }: EncodedText,
): Promise<ValueColumn> {
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
  return Object.values(texts).flatMap(({ tokens }) => (tokens === "bytes" ? [] : [tokens]));
}

/** Throws for what is no such option. */
export function checkTexts(path: string, texts: object): void {
  for (const [name, column] of Object.entries(texts)) {
    const where = `${path}, option texts, "${name}"`;
    if (!isTextColumn(column)) {
      fail(where, {
        expected:
          '{ tokens: "bytes" or the path of a tokenizer.json, length: a whole number from 1 on }, and at most keep: "end"',
        got: typeof column === "object" && column !== null ? JSON.stringify(column) : kindOf(column),
        fix: 'for example { tokens: "bytes", length: 200 }',
      });
    }
  }
}

function isTextColumn(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { tokens, length, keep, ...others } = value as Readonly<Record<string, unknown>>; // checked here
  return (
    typeof tokens === "string" &&
    tokens !== "" &&
    Number.isSafeInteger(length) &&
    Number(length) >= 1 &&
    (keep === undefined || keep === "start" || keep === "end") &&
    Object.keys(others).length === 0
  );
}
