import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SectionEncoding } from "./sections.ts";

/** A tokenizer by a regular expression: the codes tell the tokens by their first character and length. */
const cutter = (token: RegExp) => (text: string) =>
  Array.from(text.matchAll(token), ([found]) => (found.codePointAt(0)! % 1000) + 1000 * found.length);

function inSections(encode: (text: string) => number[], text: string, length: number, piece: number) {
  const encoding = new SectionEncoding({ where: "test", name: "test", size: 1e6, encode, length });
  const early: number[] = [];
  for (let at = 0; at < text.length; at += piece) early.push(...encoding.push(text.slice(at, at + piece)));
  return { early, all: [...early, ...encoding.finish()] };
}

const texts = fc
  .array(fc.constantFrom("a", "be", "c1", "d.", "é", "whale", "鯨", " ", "  ", "\n", "\r\n"), {
    minLength: 200,
    maxLength: 900,
  })
  .map((parts) => parts.join(""));

test("a text is cut only where its tokens do not depend on what follows", () => {
  const tokenizers = [
    / ?[\p{L}\p{N}]+|[^\p{L}\p{N}]/gu, // blanks belong to the word behind them
    /[\p{L}\p{N}]+ ?|[^\p{L}\p{N}]/gu, // or to the word before them: no cut at a blank is good
    /[\p{L}\p{N}]*[bde1]\n|[\p{L}\p{N}]+|[^\p{L}\p{N}]/gu, // some words take the end of their line with them
  ];
  fc.assert(
    fc.property(
      texts,
      fc.integer({ min: 10, max: 300 }),
      fc.integer({ min: 1, max: 400 }),
      (text, length, piece) => {
        for (const token of tokenizers) {
          assert.deepEqual(
            inSections(cutter(token), text, length, piece).all,
            cutter(token)(text),
            String(token),
          );
        }
      },
    ),
  );
});

test("sections come before the end of the text, unless no cut is good", () => {
  const text = "the white whale ".repeat(500);
  const cuts = inSections(cutter(/ ?\w+| /g), text, 300, 1000);
  assert.ok(cuts.early.length > 1000);
  const chinese = inSections(cutter(/\p{L}+|[^\p{L}]/gu), "鯨是魚，也不是。".repeat(500), 300, 1000);
  assert.ok(chinese.early.length > 1000);
  const none = inSections(cutter(/\w+ ?| /g), text, 300, 1000);
  assert.equal(none.early.length, 0);
  assert.equal(none.all.length, 1500);
});

test("what is done at the beginning of a text is done there alone", () => {
  const encode = (text: string) => [7, ...cutter(/ ?\w+| /g)(text)];
  const text = "the white whale ".repeat(200);
  assert.deepEqual(inSections(encode, text, 200, 700).all, encode(text));
});

test("what has no code is told with what stands before it", () => {
  const encode = (text: string) => [...text].map((character) => (character === "x" ? undefined : 5));
  const encoding = new SectionEncoding({ where: "a.txt", name: "test", size: 10, encode });
  encoding.push("only good\nand then one b");
  encoding.push("ad x, and x");
  assert.throws(() => encoding.finish(), {
    message:
      'a.txt, line 2: expected text that test has tokens for, got "d\\nand then one bad x", at the end of which it has none. ' +
      "Fix: remove it, or use a tokenizer that has a token for the unknown",
  });
});
