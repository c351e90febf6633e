/** Windows over one long list of codes: samples for models that say what comes next. */
import type { TypedArray } from "../../array/dtype.ts";
import { sha256OfParts } from "../../array/sha256.ts";
import { fail } from "../../errors.ts";
import type { Dataset } from "../dataset.ts";
import { noSuchColumn, noSuchSample } from "../memory.ts";
import { namedParts, partIntervals, type ShareOptions, type Split } from "../shares.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** How a text becomes samples. */
export interface WindowOptions {
  /** How many codes a model sees at once: a whole number from 1 on. */
  readonly context: number;
  /**
   * How many codes further on the next window begins. Default: context, so that every code is to be predicted
   * once in an epoch. 1: a window at every position.
   */
  readonly stride?: number;
}

/** A window and what follows each of its codes. The categories say what a code stands for. */
export type TextColumns = {
  readonly tokens: CodeColumn;
  /** tokens, one position further on. */
  readonly next: CodeColumn;
};

interface CodeColumn {
  readonly dtype: "int32";
  readonly shape: readonly [context: number];
  readonly categories: readonly string[];
}

/** The shares of the parts, by position. */
export type PositionSplitOptions = Pick<ShareOptions, "validation" | "test">;

/** What reading found, for people to see. */
export interface TextReport {
  /** How many codes the text has. */
  readonly codes: number;
  /** How many of them, at the end, are in no window. */
  readonly leftOver: number;
  /** How many stand for something that the vocabulary lacks. */
  readonly unknown: number;
}

/** A text, or part of one, in memory. */
export interface TextData extends Dataset<TextColumns> {
  readonly vocabulary: Vocabulary;
  readonly report: TextReport;
  /**
   * Divides the text by position: training is its beginning, then comes validation, then test where it is
   * asked for, each a share of the codes. No window is on both sides of a cut, and no code of one part is to
   * be predicted in another: what `split` would do to windows that overlap, or meet. Default validation: 0.2.
   */
  split(options?: PositionSplitOptions): Split<TextData>;
}

/** Codes of a text, in the smallest array that holds them. */
export type Codes = Uint8Array | Uint16Array | Int32Array;

/** An array for `length` codes below `size`. */
export function allocateCodes(size: number, length: number): Codes {
  return size <= 2 ** 8
    ? new Uint8Array(length)
    : size <= 2 ** 16
      ? new Uint16Array(length)
      : new Int32Array(length);
}

/** The columns of windows. */
export function textColumns({ categories }: Vocabulary, context: number): TextColumns {
  const column = Object.freeze({
    dtype: "int32",
    shape: Object.freeze([context] as const),
    categories,
  } as const);
  return Object.freeze({ tokens: column, next: column });
}

/** How many windows there are over so many codes: each needs the code behind it, too. */
export function countWindows(codes: number, { context, stride = context }: WindowOptions): number {
  return codes <= context ? 0 : Math.floor((codes - context - 1) / stride) + 1;
}

/** How many of the codes, of which there is at least one window, are behind the last one. */
export function countLeftOver(codes: number, options: WindowOptions): number {
  const { context, stride = context } = options;
  return codes - ((countWindows(codes, options) - 1) * stride + context + 1);
}

/**
 * The windows over codes, which are kept once: a sample is read from where it lies.
 * Throws when there are too few for one window.
 */
export function windows(
  name: string,
  codes: Codes,
  vocabulary: Vocabulary,
  options: WindowOptions,
): TextData {
  const { context, stride = context } = options;
  const size = countWindows(codes.length, options);
  if (size === 0) tooShort(name, codes.length, context);
  const columns = textColumns(vocabulary, context);
  return Object.freeze({
    name,
    size,
    columns,
    vocabulary,
    report: Object.freeze({
      codes: codes.length,
      leftOver: countLeftOver(codes.length, options),
      unknown: vocabulary.unknown === undefined ? 0 : countCodes(codes, vocabulary.unknown),
    }),
    read(column: "tokens" | "next", samples: Uint32Array, into: TypedArray): void {
      const shift =
        column === "tokens" ? 0 : column === "next" ? 1 : noSuchColumn(name, column, ["tokens", "next"]);
      const room = requireRoom(name, samples.length * context, into);
      for (let at = 0; at < samples.length; at++) {
        const sample = samples[at]!;
        if (sample >= size) noSuchSample(name, sample, size);
        const [from, to] = [sample * stride + shift, at * context];
        for (let place = 0; place < context; place++) room[to + place] = codes[from + place]!;
      }
    },
    fingerprint: () =>
      sha256OfParts([JSON.stringify({ context, stride, categories: vocabulary.categories }), codes]),
    split: (shares?: PositionSplitOptions) =>
      splitByPosition(name, codes.length, options, shares, (part, from, to) =>
        windows(`${part} part of ${name}`, codes.subarray(from, to), vocabulary, options),
      ),
  } satisfies TextData);
}

/** Throws where a text has no window. */
export function tooShort(name: string, codes: number, context: number): never {
  if (codes === 0) {
    fail(name, { expected: "a text", got: "an empty one", fix: "check that it was written to its end" });
  }
  return fail(name, {
    expected: `at least ${context + 1} codes: a context of ${context} and the code behind it`,
    got: String(codes),
    fix: codes > 1 ? `a context of at most ${codes - 1}, or a longer text` : "a longer text",
  });
}

/**
 * Parts of so many codes by position, each made of those from one place to another. Throws where a part is
 * too short for a window.
 */
export function splitByPosition<Part>(
  name: string,
  codes: number,
  { context }: WindowOptions,
  shares: PositionSplitOptions = {},
  make: (part: string, from: number, to: number) => Part,
): Split<Part> {
  partIntervals(`split of ${name}`, shares, codes); // for what it throws
  const { validation = 0.2, test = 0 } = shares;
  const [first, second] = [1 - validation - test, 1 - test].map((share) => Math.round(share * codes));
  const part = (called: string, from: number, to: number) => {
    if (to - from > context) return make(called, from, to);
    return fail(`split of ${name}`, {
      expected: `a ${called} part of at least ${context + 1} codes: a context and the code behind it`,
      got: `${to - from} of ${codes}`,
      fix: "a larger share for it, a smaller context, or a longer text",
    });
  };
  const parts = [part("training", 0, first!), part("validation", first!, second!)];
  return namedParts(test > 0 ? [...parts, part("test", second!, codes)] : parts);
}

/** How many of the codes are the wanted one. */
export function countCodes(codes: ArrayLike<number>, wanted: number): number {
  let found = 0;
  for (let at = 0; at < codes.length; at++) if (codes[at] === wanted) found++;
  return found;
}

function requireRoom(name: string, count: number, into: TypedArray): Int32Array {
  if (into instanceof Int32Array && into.length >= count) return into;
  return fail(name, {
    expected: `room for ${count} int32 elements`,
    got: `${into.length} elements in a ${into.constructor.name}`,
    fix: `read into a typed array of ${count} int32 elements`,
  });
}
