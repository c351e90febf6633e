/** A tokenizer.json as a vocabulary. The only file that knows the tokenizer library. */
import { fail, kindOf, messageOf } from "../../errors.ts";
import { readFile } from "../files.ts";
import { noSuchCode, requireText } from "./characters.ts";
import { type Encode, SectionEncoding } from "./sections.ts";
import { normalizerFor, preTokenizerFor, type Rule, unsupportedModel } from "./tokenizer-rules.ts";
import { encodeWhole, type Vocabulary } from "./vocabulary.ts";

/**
 * The vocabulary of a tokenizer, from its tokenizer.json (Hugging Face's format: byte-pair encoding, WordPiece, Unigram or
 * whole words). Texts are encoded as they are: no tokens are added for their beginning and end, but the text of a special
 * token becomes that token. Nothing is downloaded, and no other file is read.
 *
 *   const vocabulary = await tokenizerVocabulary("tokenizer.json");
 *   vocabulary.decode(vocabulary.encode("Call me Ishmael."));
 *
 * The size is the highest number of a token plus one; a number without a token is called "[no token 17]". Decoding joins
 * tokens by the tokenizer's own rules and may not give back what its normalizer has dropped, such as capitals. The compiled
 * normalizer of SentencePiece models (T5, XLM-R) is taken for NFKC with all blanks alike, which it nearly is.
 * Throws when the file is missing or no tokenizer, and, when encoding, for a text that the tokenizer has no tokens for
 * where it has none for unknown ones either: other readers drop such characters without a word.
 */
export async function tokenizerVocabulary(path: string): Promise<Vocabulary> {
  return tokenizerFrom(path, await readFile(path));
}

/** The same from the bytes of a tokenizer.json. path: what errors call them. */
export async function tokenizerFrom(path: string, bytes: Uint8Array): Promise<Vocabulary> {
  const definition = parse(path, bytes);
  const tokens = tokensOf(path, definition);
  const { Tokenizer } = await import("@huggingface/tokenizers");
  const parts = forLibrary(path, definition, tokens.length);
  // Its types do not resolve under Node's rules; this is what is used of them.
  const library: Library = orRefuse(path, () => new Tokenizer(...parts));
  return vocabularyOf(path, definition, tokens, library);
}

/** What is used of the library. An unknown token has no number where the tokenizer has none for unknown ones. */
interface Library {
  encode(text: string, options: { add_special_tokens: false }): { readonly ids: readonly unknown[] };
  decode(ids: number[], options: { skip_special_tokens: false; clean_up_tokenization_spaces: false }): string;
}

/** What is read here of the file; the rest is the library's. */
interface Definition {
  readonly model: Rule & { readonly vocab: Rule | readonly unknown[] };
  readonly added_tokens?: readonly unknown[] | null;
  readonly padding?: { readonly pad_id?: unknown } | null;
  readonly normalizer?: unknown;
  readonly pre_tokenizer?: unknown;
}

const whatItIs = "a tokenizer in Hugging Face's format (tokenizer.json)";

function parse(path: string, bytes: Uint8Array): Definition {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    const got = `no JSON (${messageOf(error)})`;
    fail(path, { expected: whatItIs, got, fix: "check that it was downloaded whole" }, { cause: error });
  }
  const refuse = (got: string) =>
    fail(path, { expected: whatItIs, got, fix: "name the file tokenizer.json" });
  if (!isRecord(parsed)) return refuse(kindOf(parsed));
  const { model, added_tokens = [] } = parsed;
  if (!isRecord(model) || !(isRecord(model.vocab) || Array.isArray(model.vocab)))
    return refuse("JSON without model.vocab");
  if (added_tokens !== null && !Array.isArray(added_tokens)) return refuse("added_tokens that are no list");
  return parsed as unknown as Definition; // checked as far as it is used
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** More tokens than any tokenizer has: a number beyond this is damage, and would take all memory. */
const mostTokens = 2 ** 24;

/** The text of every token by its number; undefined for numbers without one. */
function tokensOf(path: string, { model, added_tokens }: Definition): (string | undefined)[] {
  const entries: (readonly [unknown, unknown])[] = Array.isArray(model.vocab)
    ? model.vocab.map((entry: unknown, id) => [Array.isArray(entry) ? entry[0] : entry, id])
    : Object.entries(model.vocab);
  for (const token of added_tokens ?? [])
    entries.push(isRecord(token) ? [token.content, token.id] : [token, -1]);
  const tokens: (string | undefined)[] = [];
  for (const [text, id] of entries) {
    if (typeof text === "string" && Number.isInteger(id) && Number(id) >= 0 && Number(id) < mostTokens) {
      while (tokens.length <= Number(id)) tokens.push(undefined);
      tokens[Number(id)] = text;
      continue;
    }
    const expected = `tokens that are texts with numbers from 0 to ${mostTokens - 1}`;
    fail(path, { expected, got: `${kindOf(text)} with ${kindOf(id)}`, fix: "check the file" });
  }
  if (tokens.length === 0) {
    fail(path, { expected: "a tokenizer with tokens", got: "none", fix: "check the file" });
  }
  return tokens;
}

/** A token that no text has, for what byte-pair encoding would drop without a word. */
const dropped = "\u0000[dropped]";

/** The definition as the library wants it: fields that may be missing there, and a token for what would be dropped. */
function forLibrary(path: string, definition: Definition, size: number): [object, object] {
  const { model, normalizer, pre_tokenizer } = definition;
  const refuse = (got: string) =>
    fail(path, { expected: "rules that give the tokens they should", got, fix: "use another tokenizer" });
  const unsupported = unsupportedModel(model);
  if (unsupported !== undefined) refuse(unsupported);
  const isBytePair = model.type === "BPE" || (model.type === undefined && "merges" in model);
  const own = isBytePair && (model.unk_token === undefined || model.unk_token === null);
  const complete = {
    post_processor: null,
    decoder: null,
    ...definition,
    normalizer: normalizerFor(normalizer),
    pre_tokenizer: preTokenizerFor(pre_tokenizer, refuse),
    added_tokens: definition.added_tokens ?? [],
    ...(own && { model: { ...model, unk_token: dropped, vocab: { ...model.vocab, [dropped]: size } } }),
  };
  // For whole words the library looks for the unknown token beside the file.
  return [complete, { unk_token: model.unk_token }];
}

function vocabularyOf(
  path: string,
  definition: Definition,
  tokens: readonly (string | undefined)[],
  library: Library,
): Vocabulary {
  const name = `the tokenizer ${path}`;
  const size = tokens.length;
  const encode: Encode = (text) =>
    orRefuse(path, () => library.encode(text, { add_special_tokens: false }).ids);
  const encoder = (where: string) => new SectionEncoding({ where, name, size, encode });
  const unknown = unknownOf(definition, tokens);
  const padding = definition.padding?.pad_id;
  return Object.freeze({
    name,
    size,
    categories: Object.freeze(categoriesOf(tokens)),
    ...(unknown !== undefined && { unknown }),
    ...(typeof padding === "number" && tokens[padding] !== undefined && { padding }),
    encode(text: string) {
      requireText("encode", text);
      return encodeWhole(encoder("encode"), text);
    },
    decode(codes: ArrayLike<number>) {
      const ids = Array.from(codes, (code, at) =>
        Number.isInteger(code) && code >= 0 && code < size ? code : noSuchCode(name, size, code, at),
      ).filter((code) => tokens[code] !== undefined);
      const options = { skip_special_tokens: false, clean_up_tokenization_spaces: false } as const;
      return ids.length === 0 ? "" : orRefuse(path, () => library.decode(ids, options));
    },
    encoder,
  } satisfies Vocabulary);
}

/** What the library throws once it works is the fault of a file that it took for a tokenizer. */
function orRefuse<Result>(path: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    const got = messageOf(error).split("\n")[0]!;
    return fail(
      path,
      { expected: whatItIs, got, fix: "check that it is a whole tokenizer.json" },
      { cause: error },
    );
  }
}

/** Names of codes, each once: two tokens may look alike, and a number may have none. */
function categoriesOf(tokens: readonly (string | undefined)[]): string[] {
  const seen = new Set<string>();
  return tokens.map((token, code) => {
    let category = token === undefined || token === "" ? `[no token ${code}]` : token;
    while (seen.has(category)) category += ` (${code})`;
    seen.add(category);
    return category;
  });
}

function unknownOf({ model }: Definition, tokens: readonly (string | undefined)[]): number | undefined {
  if (typeof model.unk_id === "number" && tokens[model.unk_id] !== undefined) return model.unk_id;
  const code = typeof model.unk_token === "string" ? tokens.indexOf(model.unk_token) : -1;
  return code < 0 ? undefined : code;
}
