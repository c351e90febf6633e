/** Texts of many lengths as codes of one length. */
import { fail } from "../../errors.ts";
import { requireText } from "./characters.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** Options of `padded`. */
export interface PaddedOptions {
  /** How many codes each text becomes: a whole number from 1 on. */
  readonly length: number;
  /** The code behind the end of a short text. Default: that of the vocabulary, else 0: the mask says what is text. */
  readonly padding?: number;
  /** Which part of a long text is kept. Default "start". */
  readonly keep?: "start" | "end";
}

/** Texts as columns for `arrays`. */
export interface PaddedTexts {
  /** int32 [texts, length]. */
  readonly tokens: { readonly data: Int32Array; readonly shape: readonly [texts: number, length: number] };
  /** float32 [texts, length]: 1 where there is text, 0 behind its end. */
  readonly mask: { readonly data: Float32Array; readonly shape: readonly [texts: number, length: number] };
  /** How many texts lost something. */
  readonly truncated: number;
}

/**
 * A column of texts as codes of one length, filled up or cut off, with a mask that is a weight per token:
 *
 *   const vocabulary = characterVocabulary(messages);
 *   const { tokens, mask } = padded(messages, vocabulary, { length: 200 });
 *   const data = arrays({ tokens, mask, spam: Int32Array.from(labels) });
 *
 * Fit a vocabulary on the training texts, and read others by it. An empty text is all padding.
 * Throws, naming the text by its number, for what is no text and for what the vocabulary lacks.
 */
export function padded(
  texts: readonly string[],
  vocabulary: Vocabulary,
  { length, padding = vocabulary.padding ?? 0, keep = "start" }: PaddedOptions,
): PaddedTexts {
  check(vocabulary, length, padding, keep);
  const tokens = new Int32Array(texts.length * length).fill(padding);
  const mask = new Float32Array(texts.length * length);
  let truncated = 0;
  for (const [index, text] of texts.entries()) {
    requireText(`padded, text ${index}`, text);
    const encoding = vocabulary.encoder(`padded, text ${index}`);
    const codes = [...encoding.push(text), ...encoding.finish()];
    const kept = keep === "start" ? codes.slice(0, length) : codes.slice(-length);
    if (kept.length < codes.length) truncated++;
    tokens.set(kept, index * length);
    mask.fill(1, index * length, index * length + kept.length);
  }
  const shape = [texts.length, length] as const;
  return { tokens: { data: tokens, shape }, mask: { data: mask, shape }, truncated };
}

function check(vocabulary: Vocabulary, length: unknown, padding: unknown, keep: unknown): void {
  if (!(Number.isSafeInteger(length) && Number(length) >= 1)) {
    fail("padded, length", {
      expected: "a whole number from 1 on",
      got: String(length),
      fix: "for example 200",
    });
  }
  if (!(Number.isInteger(padding) && Number(padding) >= 0)) {
    fail("padded, padding", {
      expected: `a code: those of ${vocabulary.name} are 0 to ${vocabulary.size - 1}, a new one is ${vocabulary.size}`,
      got: String(padding),
      fix: "leave it out to use the mask alone",
    });
  }
  if (keep === "start" || keep === "end") return;
  fail("padded, keep", { expected: '"start" or "end"', got: String(keep), fix: "choose one" });
}
