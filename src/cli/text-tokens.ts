/** What the tokens of a text's model are, in the metadata of its file: `generate` reads and writes by it. */
import { byteVocabulary, characterVocabulary } from "../data/text/characters.ts";
import { tokenizerFrom } from "../data/text/tokenizer.ts";
import type { Vocabulary } from "../data/text/vocabulary.ts";
import { fail, shorten } from "../errors.ts";
import { tokensKey as key } from "./text-model.ts";

/** Bytes need no list; characters are theirs, in the order of their codes; a tokenizer is its whole tokenizer.json. */
export type SavedTokens =
  | { readonly kind: "bytes" }
  | { readonly kind: "characters"; readonly characters: string }
  | { readonly kind: "tokenizer"; readonly definition: string };

/** One key, "microbatch.tokens", whose value is JSON. */
export function tokensToMetadata(tokens: SavedTokens): Record<string, string> {
  return { [key]: JSON.stringify({ version: 1, ...tokens }) };
}

/** The vocabulary of a text's model. Throws for a model that has none, and for one that cannot be read. */
export async function vocabularyOf(
  file: string,
  metadata: Readonly<Record<string, string>>,
): Promise<Vocabulary> {
  const text = Object.hasOwn(metadata, key) ? metadata[key]! : undefined;
  if (text === undefined) {
    return fail(file, {
      expected: "a model of a text, which knows its tokens",
      got: "one that does not say",
      fix: "train one: microbatch train book.txt",
    });
  }
  const { version, kind, characters, definition } = parsed(text);
  if (version === 1 && kind === "bytes") return byteVocabulary();
  if (version === 1 && kind === "characters" && typeof characters === "string" && characters !== "")
    return characterVocabulary(characters);
  if (version === 1 && kind === "tokenizer" && typeof definition === "string")
    return tokenizerFrom(`${file}, metadata "${key}"`, new TextEncoder().encode(definition));
  return fail(`${file}, metadata "${key}"`, {
    expected: "the tokens of a text, as version 1 of this package writes them",
    got: shorten(text),
    fix: "train the model again with this version of microbatch",
  });
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
