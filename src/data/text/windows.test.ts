import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { collect } from "../collect.ts";
import { allSamples } from "../samples.ts";
import { characterVocabulary } from "./characters.ts";
import { collectCodes, windowPieces } from "./pieces.ts";
import {
  allocateCodes,
  countWindows,
  type TextData,
  textColumns,
  type WindowOptions,
  windows,
} from "./windows.ts";

const vocabulary = characterVocabulary("abcdefghij");
const codesOf = (length: number) => Uint8Array.from({ length }, (_, at) => (at * 7 + (at >> 3)) % 10);

/** All samples, one list of codes each. */
function samplesOf(data: TextData, column: "tokens" | "next"): number[][] {
  const context = data.columns.tokens.shape[0];
  const into = new Int32Array(data.size * context);
  data.read(column, allSamples(data), into);
  return Array.from({ length: data.size }, (_, sample) => [
    ...into.subarray(sample * context, (sample + 1) * context),
  ]);
}

/** The same by cutting the list. */
function cut(
  codes: ArrayLike<number>,
  { context, stride = context }: WindowOptions,
  shift: number,
): number[][] {
  const all = Array.from(codes);
  const found: number[][] = [];
  for (let from = 0; from + context + 1 <= all.length; from += stride)
    found.push(all.slice(from + shift, from + shift + context));
  return found;
}

const cases = fc.record({
  length: fc.integer({ min: 2, max: 60 }),
  context: fc.integer({ min: 1, max: 12 }),
  stride: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
});
const optionsOf = ({ context, stride }: { context: number; stride: number | undefined }): WindowOptions => ({
  context,
  ...(stride !== undefined && { stride }),
});

test("windows are slices of the text, and next is the same one further on", () => {
  fc.assert(
    fc.property(cases, (each) => {
      fc.pre(each.length > each.context);
      const [codes, options] = [codesOf(each.length), optionsOf(each)];
      const data = windows("text", codes, vocabulary, options);
      assert.deepEqual(samplesOf(data, "tokens"), cut(codes, options, 0));
      assert.deepEqual(samplesOf(data, "next"), cut(codes, options, 1));
      assert.equal(data.size, countWindows(codes.length, options));
      const last = (data.size - 1) * (each.stride ?? each.context) + each.context + 1;
      assert.deepEqual(data.report, { codes: each.length, leftOver: each.length - last, unknown: 0 });
    }),
  );
});

test("without a stride every code but the first is to be predicted exactly once", () => {
  const data = windows("text", codesOf(41), vocabulary, { context: 8 });
  assert.deepEqual(samplesOf(data, "next").flat(), [...codesOf(41).subarray(1)]);
});

test("windows that come in pieces are those in memory, however the codes are cut", async () => {
  const sizes = fc.array(fc.nat(9), { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(cases, sizes, async (each, turns) => {
      fc.pre(each.length > each.context && Math.max(...turns) > 0);
      const [codes, options] = [codesOf(each.length), optionsOf(each)];
      async function* pieces() {
        for (let at = 0, turn = 0; at < codes.length; turn++) {
          const size = turns[turn % turns.length]!;
          yield codes.subarray(at, at + size);
          at += size;
        }
      }
      const memory = windows("text", codes, vocabulary, options);
      const collected = await collect({
        name: "text",
        columns: textColumns(vocabulary, each.context),
        fingerprint: async () => "",
        pieces: () => windowPieces("text", pieces(), options),
      });
      assert.equal(collected.size, memory.size);
      for (const column of ["tokens", "next"] as const) {
        const into = new Int32Array(memory.size * each.context);
        await collected.read(column, allSamples(memory), into);
        assert.deepEqual([...into], samplesOf(memory, column).flat());
      }
      assert.deepEqual(await collectCodes("text", vocabulary.size, pieces()), codes);
      assert.deepEqual(await collectCodes("text", vocabulary.size, pieces(), codes.length), codes);
    }),
  );
});

test("pieces of windows are small, whatever the context", async () => {
  async function* codes() {
    for (let piece = 0; piece < 30; piece++) yield new Uint8Array(100_000);
  }
  for (const [context, stride] of [
    [64, 1],
    [300_000, 300_000],
  ] as const) {
    let samples = 0;
    for await (const piece of windowPieces("text", codes(), { context, stride })) {
      assert.ok(piece.samples * context <= Math.max(2 ** 18, context));
      samples += piece.samples;
      if (samples > 100_000) break;
    }
    assert.ok(samples >= 9);
  }
});

test("codes are kept in the smallest array that holds them", () => {
  for (const [size, bytes] of [
    [256, 1],
    [257, 2],
    [65_536, 2],
    [65_537, 4],
  ] as const) {
    assert.equal(allocateCodes(size, 1).BYTES_PER_ELEMENT, bytes);
  }
});

test("a window reads only where it lies, whichever the order, and wrong reads are refused", () => {
  const data = windows("text", codesOf(20), vocabulary, { context: 3, stride: 2 });
  const into = new Int32Array(10).fill(-1);
  data.read("next", Uint32Array.of(4, 0, 4), into);
  const [first, fifth] = [
    cut(codesOf(20), { context: 3, stride: 2 }, 1)[0]!,
    cut(codesOf(20), { context: 3, stride: 2 }, 1)[4]!,
  ];
  assert.deepEqual([...into], [...fifth, ...first, ...fifth, -1]);
  assert.throws(() => data.read("tokens", Uint32Array.of(9), into), {
    message: "text: expected samples from 0 to 8, got 9. Fix: draw samples below the dataset's size",
  });
  assert.throws(() => data.read("tokens", new Uint32Array(4), into), {
    message:
      "text: expected room for 12 int32 elements, got 10 elements in a Int32Array. " +
      "Fix: read into a typed array of 12 int32 elements",
  });
  const wrong: "next" = JSON.parse('"target"'); // as JavaScript may pass
  assert.throws(() => data.read(wrong, new Uint32Array(1), into), {
    message: 'text: expected one of the columns tokens, next, got "target". Fix: read one of those',
  });
});

test("the fingerprint changes with the text, the windows and the vocabulary, and with nothing else", async () => {
  const made = (codes: Uint8Array, options: WindowOptions, letters = "abcdefghij") =>
    windows("text", codes, characterVocabulary(letters), options).fingerprint();
  const other = codesOf(30);
  other[29] = (other[29]! + 1) % 10;
  const seen = new Set([
    await made(codesOf(30), { context: 4 }),
    await made(codesOf(30), { context: 4, stride: 4 }),
    await made(other, { context: 4 }),
    await made(codesOf(30), { context: 5 }),
    await made(codesOf(30), { context: 4, stride: 1 }),
    await made(codesOf(30), { context: 4 }, "abcdefghik"),
  ]);
  assert.equal(seen.size, 5);
});

test("a split is by position, and no window is on both sides", () => {
  const codes = codesOf(100);
  const data = windows("text", codes, vocabulary, { context: 4, stride: 1 });
  const { training, validation, test: last } = data.split({ validation: 0.2, test: 0.1 });
  const options = { context: 4, stride: 1 };
  assert.deepEqual(samplesOf(training, "next"), cut(codes.subarray(0, 70), options, 1));
  assert.deepEqual(samplesOf(validation, "tokens"), cut(codes.subarray(70, 90), options, 0));
  assert.deepEqual(samplesOf(last!, "next"), cut(codes.subarray(90), options, 1));
  assert.equal(validation.name, "validation part of text");
  assert.equal(training.vocabulary, vocabulary);
  const halves = data.split();
  assert.deepEqual(
    [halves.training.report.codes, halves.validation.report.codes, halves.test],
    [80, 20, undefined],
  );
});

test("shares that leave a part without a window are refused", () => {
  const data = windows("text", codesOf(20), vocabulary, { context: 4 });
  assert.throws(() => data.split({ validation: 0.1 }), {
    message:
      "split of text: expected a validation part of at least 5 codes: a context and the code behind it, got 2 of 20. " +
      "Fix: a larger share for it, a smaller context, or a longer text",
  });
  assert.throws(() => data.split({ validation: 2 }), {
    message:
      "split of text: expected validation as a share between 0 and 1, both excluded, got 2. Fix: validation: 0.1",
  });
  assert.throws(
    () => data.split({ validation: 0.5, test: 0.5 }),
    /expected validation and test together below 1/,
  );
});

test("a text that does not fit in memory is told what to do", async () => {
  const nothing = async function* () {};
  await assert.rejects(collectCodes("text", 10, nothing(), 2 ** 53), {
    message:
      "text: expected a text that fits in memory, got 9007199254740992 codes. " +
      "Fix: keep its windows on disk: cached(await charactersSource(…)), or bytesSource, or tokensSource",
  });
});

test("a text without a window is refused", () => {
  assert.throws(() => windows("text", codesOf(4), vocabulary, { context: 4 }), {
    message:
      "text: expected at least 5 codes: a context of 4 and the code behind it, got 4. " +
      "Fix: a context of at most 3, or a longer text",
  });
  assert.throws(() => windows("text", codesOf(0), vocabulary, { context: 4 }), {
    message: "text: expected a text, got an empty one. Fix: check that it was written to its end",
  });
});
