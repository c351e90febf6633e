/** Text files as samples for language models: characters, bytes, or the tokens of a tokenizer. */
import { fail, kindOf } from "../../errors.ts";
import { fingerprintOfFiles } from "../file-ranges.ts";
import { readUnpacked } from "../gzip.ts";
import type { Source } from "../source.ts";
import { type CachedText, cachedText } from "./cached-text.ts";
import { byteVocabulary, CharacterSet, characterVocabulary, vocabularyOf } from "./characters.ts";
import { collectCodes, counted, windowPieces } from "./pieces.ts";
import { tokenizerVocabulary } from "./tokenizer.ts";
import { decodeUtf8 } from "./utf8.ts";
import type { Vocabulary } from "./vocabulary.ts";
import {
  countCodes,
  countLeftOver,
  countWindows,
  type TextColumns,
  type TextData,
  type TextReport,
  textColumns,
  tooShort,
  type WindowOptions,
  windows,
} from "./windows.ts";

export type { CachedText, TextWindows } from "./cached-text.ts";
export type { PositionSplitOptions, TextColumns, TextData, TextReport, WindowOptions } from "./windows.ts";

/** Options of `characters`. */
export interface CharactersOptions extends WindowOptions {
  /** The vocabulary of the text that a model is trained on, for another text. Default: the characters of this text. */
  readonly like?: Vocabulary;
  /** With `like`: a character of it that stands for those it lacks. Default: none, and those are an error. */
  readonly unknown?: string;
}

/** Options of `tokens`. */
export interface TokensOptions extends WindowOptions {
  /** The path of a tokenizer.json, or what `tokenizerVocabulary` made of one. */
  readonly tokenizer: string | Vocabulary;
}

/** Windows of a text to be read, into memory or into a cache. */
export interface TextSource extends Source<TextColumns, CachedText> {
  readonly vocabulary: Vocabulary;
}

/**
 * A text file, packed with gzip or not, as windows of characters (Unicode code points):
 *
 *   const text = await characters("moby-dick.txt", { context: 64 });
 *   const { training, validation } = text.split({ validation: 0.1 });
 *   text.vocabulary.decode(text.vocabulary.encode("Call me Ishmael."));
 *
 * Columns of the dataset: tokens int32 [context], codes of characters, and next int32 [context], the same one
 * position further on: next[i] is what comes after tokens[0 … i]. Window w begins at character w · stride;
 * characters at the end that fill no window are counted in `report`. The vocabulary is the characters of the
 * text in the order of their code points; a second text is read by that of the first: { like: text.vocabulary
 * }.
 * Line ends stay as they are; a byte order mark at the beginning does not. The text is kept once, 1 byte per
 * character for up to 256 different ones, then 2, then 4, however much the windows overlap.
 *
 * Throws, naming the byte, for what is not UTF-8; with `like`, naming line and character, for one that it
 * lacks; and for a text that is empty or shorter than context + 1.
 */
export async function characters(path: string, options: CharactersOptions): Promise<TextData> {
  return collected(await openCharacters(path, options), options);
}

/**
 * The same, to be read piece by piece: for a cache on disk, where the text outgrows memory. It is read once
 * to know them.
 */
export async function charactersSource(path: string, options: CharactersOptions): Promise<TextSource> {
  return sourceOf(await openCharacters(path, options), options);
}

/**
 * A file, packed with gzip or not, as windows of its bytes, whatever they mean. Columns and windows are those of
 * `characters`; code b is byte b, so that every file has the same vocabulary. Decoding takes the bytes for UTF-8.
 * Throws for a file that is empty or shorter than context + 1.
 */
export async function bytes(path: string, options: WindowOptions): Promise<TextData> {
  return collected(openBytes(path, options), options);
}

/** The same, to be read piece by piece: for a cache on disk, where the file outgrows memory. */
export async function bytesSource(path: string, options: WindowOptions): Promise<TextSource> {
  return sourceOf(openBytes(path, options), options);
}

/**
 * A text file, packed with gzip or not, as windows of a tokenizer's tokens:
 *
 *   const text = await tokens("moby-dick.txt", { tokenizer: "tokenizer.json", context: 64 });
 *
 * Columns and windows are those of `characters`; what the codes mean is told by the tokenizer, see
 * `tokenizerVocabulary`. The text is encoded as a whole, nothing is added between its parts. A MB of text
 * takes one to a few seconds.
 * Throws, naming the byte, for what is not UTF-8; for what is no tokenizer; for a text that it has no tokens
 * for; and for one of no more than context tokens.
 */
export async function tokens(path: string, options: TokensOptions): Promise<TextData> {
  return collected(await openTokens(path, options), options);
}

/** The same, to be read piece by piece: for a cache on disk, where the text outgrows memory. */
export async function tokensSource(path: string, options: TokensOptions): Promise<TextSource> {
  return sourceOf(await openTokens(path, options), options);
}

/** A text whose vocabulary is known. */
interface OpenedText {
  readonly path: string;
  readonly kind: "characters" | "bytes" | "tokens";
  readonly vocabulary: Vocabulary;
  /** How many codes it has, where that is known already. */
  readonly length?: number;
  codes(): AsyncGenerator<ArrayLike<number>, void>;
}

async function openCharacters(path: string, options: CharactersOptions): Promise<OpenedText> {
  check(path, options, { like: isVocabulary, unknown: isText });
  const { like, unknown } = options;
  const opened = (vocabulary: Vocabulary) => {
    const codes = () => encodedText(path, vocabulary);
    return { path, kind: "characters", vocabulary, codes } as const;
  };
  if (like !== undefined)
    return opened(characterVocabulary(like.categories, unknown === undefined ? {} : { unknown }));
  if (unknown !== undefined) {
    fail(`${path}, option unknown`, {
      expected: "a vocabulary that may lack characters: like",
      got: "none, and that of a text lacks none of its own",
      fix: "remove it, or pass like: training.vocabulary",
    });
  }
  const seen = new CharacterSet();
  for await (const text of decodeUtf8(path, unpacked(path))) seen.add(text);
  const { count: length } = seen;
  if (length <= options.context) tooShort(path, length, options.context);
  const text = opened(vocabularyOf(seen));
  return { ...text, length, codes: () => counted(path, text.codes(), length) };
}

function openBytes(path: string, options: WindowOptions): OpenedText {
  check(path, options, {});
  return { path, kind: "bytes", vocabulary: byteVocabulary(), codes: () => unpacked(path) };
}

async function openTokens(path: string, options: TokensOptions): Promise<OpenedText> {
  check(path, options, { tokenizer: (value) => isText(value) || isVocabulary(value) });
  const { tokenizer } = options;
  if (tokenizer === undefined) {
    fail(`${path}, options`, {
      expected: "a tokenizer",
      got: "none",
      fix: 'for example tokenizer: "tokenizer.json"; or use characters, which needs none',
    });
  }
  const vocabulary = typeof tokenizer === "string" ? await tokenizerVocabulary(tokenizer) : tokenizer;
  return { path, kind: "tokens", vocabulary, codes: () => encodedText(path, vocabulary) };
}

async function collected(
  { path, vocabulary, codes, length }: OpenedText,
  options: WindowOptions,
): Promise<TextData> {
  const all = await collectCodes(path, vocabulary.size, codes(), length);
  return windows(path, all, vocabulary, options);
}

function sourceOf({ path, kind, vocabulary, codes, length }: OpenedText, options: WindowOptions): TextSource {
  const { context, stride = context } = options;
  const { categories, unknown } = vocabulary;
  let last: TextReport | undefined;
  return {
    name: path,
    columns: textColumns(vocabulary, context),
    ...(length !== undefined && { size: countWindows(length, options) }),
    vocabulary,
    fingerprint: () => fingerprintOfFiles([path], [kind, context, stride, categories, unknown]),
    async *pieces() {
      last = undefined;
      const found = { codes: 0, unknown: 0 };
      yield* windowPieces(path, watched(codes(), found, unknown), options);
      last = { ...found, leftOver: countLeftOver(found.codes, options) };
    },
    report: () => last ?? notRead(path),
    dataOf: (dataset, report) => cachedText(dataset, report as TextReport, vocabulary, options), // what report gave
  };
}

function notRead(path: string): never {
  return fail(`report of ${path}`, {
    expected: "a reading that came to its end",
    got: "none yet",
    fix: "read all pieces() first",
  });
}

/** The same codes, counted. */
async function* watched(
  pieces: AsyncIterable<ArrayLike<number>>,
  found: { codes: number; unknown: number },
  unknown: number | undefined,
): AsyncGenerator<ArrayLike<number>, void> {
  for await (const piece of pieces) {
    found.codes += piece.length;
    if (unknown !== undefined) found.unknown += countCodes(piece, unknown);
    yield piece;
  }
}

async function* encodedText(path: string, vocabulary: Vocabulary): AsyncGenerator<ArrayLike<number>, void> {
  const encoding = vocabulary.encoder(path);
  for await (const text of decodeUtf8(path, unpacked(path))) yield encoding.push(text);
  yield encoding.finish();
}

async function* unpacked(path: string): AsyncGenerator<Uint8Array, void> {
  yield* (await readUnpacked(path)).pieces;
}

const isText = (value: unknown) => typeof value === "string" && value !== "";
const isVocabulary = (value: unknown) =>
  typeof value === "object" && value !== null && "encoder" in value && "categories" in value;
const isCount = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 1;

/** Throws for an unknown option and for one of the wrong kind: JavaScript may pass whatever it likes. */
function check(
  path: string,
  options: unknown,
  more: Readonly<Record<string, (value: unknown) => boolean>>,
): void {
  const kinds = { context: isCount, stride: isCount, ...more };
  const given = Object.entries(typeof options === "object" && options !== null ? options : {});
  for (const [name, value] of given) {
    const holds = Object.entries(kinds).find(([known]) => known === name)?.[1];
    if (holds === undefined) {
      const expected = `context, and at most ${Object.keys(kinds).slice(1).join(", ")}`;
      fail(`${path}, options`, { expected, got: `"${name}"`, fix: "rename or remove it" });
    }
    if (value === undefined || holds(value)) continue;
    const expected = holds === isCount ? "a whole number from 1 on" : (expectations[name] ?? "a text");
    fail(`${path}, option ${name}`, { expected, got: kindOf(value), fix: "correct it, or leave it out" });
  }
  if (given.some(([name, value]) => name === "context" && value !== undefined)) return;
  fail(`${path}, options`, { expected: "a context", got: "none", fix: "for example { context: 64 }" });
}

const expectations: Readonly<Record<string, string>> = {
  like: "a vocabulary, such as training.vocabulary",
  tokenizer: "the path of a tokenizer.json, or a vocabulary",
};
