/** Columns of free text on the command line: which they are, how many of their words count, and which of these the training rows know. */
import { splitWords } from "../../array/words.ts";
import type { Dataset } from "../../data/dataset.ts";
import { cellOf } from "../../data/numbers.ts";
import { allSamples, withWeight } from "../../data/samples.ts";
import { rawRows } from "../../data/table/raw-rows.ts";
import type { EncodedTexts, Table } from "../../data/table/table.ts";
import { fail } from "../../errors.ts";
import { dialectOf } from "../dialect.ts";
import type { TrainFlags } from "./flags.ts";
import { isLarge } from "./read-table.ts";

/** The words of each text that count at most, and where nothing is known of the texts: memory and time grow with them. */
const mostWords = 256;
/** A column of texts that nearly all differ is free text from so many words each on; below, they are names or addresses. */
const leastWords = 5;

/**
 * Columns that `--type column=text` names, and those that are free text by the first rows of the file. Of large files and queries, which
 * would be read twice, only the former.
 */
export async function textsOf(path: string, flags: TrainFlags): Promise<EncodedTexts> {
  const asked = Object.keys(flags.type ?? {}).filter((name) => flags.type?.[name] === "text");
  const columns = await firstTexts(path, flags);
  const names = [...asked, ...freeIn(columns, flags)];
  requireUnfilled(names, flags);
  return Object.fromEntries(
    names.map((name) => [name, { tokens: "words", length: lengthOf(columns.get(name) ?? []) }]),
  );
}

/** Columns that are free text by the first rows of the file, and have no other use. */
export async function freeTexts(path: string, flags: TrainFlags): Promise<readonly string[]> {
  return freeIn(await firstTexts(path, flags), flags);
}

function freeIn(columns: ReadonlyMap<string, readonly string[]>, flags: TrainFlags): string[] {
  const used = new Set(usedColumns(flags));
  return [...columns]
    .filter(([name, texts]) => name !== "" && !used.has(name) && isFreeText(texts))
    .map(([name]) => name);
}

/** A text that is missing has no words, which is what the model is told. */
function requireUnfilled(names: readonly string[], { fill = {} }: TrainFlags): void {
  const filled = names.find((name) => Object.hasOwn(fill, name));
  if (filled === undefined) return;
  fail("--fill", {
    expected: "a column of numbers or categories",
    got: `"${filled}", free text`,
    fix: `leave it out, or take each text for a category: --type "${filled}=category"`,
  });
}

/** Columns that have a use already. */
function usedColumns({
  target = [],
  ignore = [],
  type = {},
  weight,
  group,
  time,
  sampling,
}: TrainFlags): string[] {
  const named = [weight, group, time, sampling?.column].filter((name) => name !== undefined);
  return [...target, ...ignore, ...Object.keys(type), ...named];
}

/** The texts of the first rows (2048 at most) that are not missing, by column. None where the file cannot be read: the table says why. */
async function firstTexts(path: string, flags: TrainFlags): Promise<ReadonlyMap<string, readonly string[]>> {
  if (/\.sql$/i.test(path) || (await isLarge(path))) return new Map();
  try {
    for await (const { names, texts } of rawRows(path, { columns: [], ...dialectOf(flags) }))
      return new Map(names.map((name, at) => [name, texts[at]!.map(cellOf).filter((text) => text !== null)]));
  } catch {
    // What is wrong with it is told where it is read for training, which may pass over it (--skip-bad-rows).
  }
  return new Map();
}

/** True for texts of five words or more in the mean, nearly all with letters, of which more than half differ. */
export function isFreeText(texts: readonly string[]): boolean {
  if (texts.length === 0 || 2 * new Set(texts).size <= texts.length) return false;
  const words = texts.flatMap((text) => text.slice(0, 10_000).match(/\S+/g) ?? []);
  const withLetters = words.filter((word) => /\p{L}/u.test(word));
  return words.length >= leastWords * texts.length && 2 * withLetters.length > words.length;
}

/** So many words that ninety-nine of a hundred texts are whole, a multiple of 8. */
function lengthOf(texts: readonly string[]): number {
  if (texts.length === 0) return mostWords;
  const lengths = texts.map(wholeLength).sort((a, b) => a - b);
  return lengths[Math.min(lengths.length - 1, Math.floor(0.99 * lengths.length))]!;
}

/** The least length, a multiple of 8, at which a text is whole: signs that stand alone count as words do where it is cut. */
function wholeLength(text: string): number {
  const words = splitWords(text, mostWords).length;
  let length = Math.max(8, 8 * Math.ceil(words / 8));
  while (length < mostWords && splitWords(text, length).length < words) length += 8;
  return length;
}

/** The same columns for another file, by the words of the first. */
export function textsLike(texts: EncodedTexts, { columns }: Pick<Table, "columns">): EncodedTexts {
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [
      name,
      { ...text, words: columns[name]!.categories!.slice(1) },
    ]),
  );
}

/** What the training rows say about a column of texts. */
export interface TextStatistics {
  readonly name: string;
  /** How many words of each text count. */
  readonly length: number;
  /** How many words have a vector of their own. */
  readonly known: number;
  /** vectors[code] is the vector of a code of the dataset: 0 for unknown words, and for what lies behind the end. */
  readonly vectors: Int32Array;
}

/** Words of two training rows or more are known: one row says nothing of a word that is not said of the row. */
export async function textStatistics(training: Dataset, name: string): Promise<TextStatistics> {
  const { shape, categories } = training.columns[name]!;
  const [length] = shape as readonly [number]; // as textsOf has asked for
  const counts = new Uint32Array(categories!.length + 1);
  const last = new Int32Array(counts.length).fill(-1); // the row that a word was seen in last
  const samples = await withWeight(training, allSamples(training));
  for (let start = 0; start < samples.length; start += rowsAtOnce) {
    const some = samples.subarray(start, start + rowsAtOnce);
    const codes = new Int32Array(some.length * length);
    await training.read(name, some, codes);
    for (const [at, code] of codes.entries()) {
      const row = start + Math.floor(at / length);
      if (last[code] === row) continue;
      last[code] = row;
      counts[code]!++;
    }
  }
  let known = 0;
  const vectors = Int32Array.from(counts, (count, code) =>
    code > 0 && code < categories!.length && count >= 2 ? ++known : 0,
  );
  return { name, length, known, vectors };
}

const rowsAtOnce = 4096;
