import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { splitWords, wordCodesOf } from "../array/words.ts";
import { input } from "../graph/tensor.ts";
import { wordCodes } from "./index.ts";

const strings = input("strings", ["batch"], "string");
const listed = ["[unknown]", "free", "money", "über", "iPhone", "漢"];
const length = 20;

refuses("words", [
  [
    "numbers for strings",
    () => wordCodes(input("x", ["batch"]), listed, { length }),
    "wordCodes: expected a string tensor [batch], got float32 [batch]. Fix: pass one text per sample",
  ],
  [
    "no length",
    () => wordCodes(strings, listed, { length: 0 }),
    "wordCodes: expected a length that is a whole number from 1 on, got 0. Fix: for example 256",
  ],
  [
    "a word twice",
    () => wordCodes(strings, ["a", "b", "a"], { length }),
    "wordCodes: expected words that are not empty, each once, got 3 words, of which 2 differ. Fix: pass the categories of the column",
  ],
]);

test("ONNX Runtime cuts any texts into the words that a table has of them", async () => {
  const codes = wordCodes(strings, listed, { length });
  const known = wordCodesOf(listed);
  const part = fc.constantFrom(
    ...["free", "FREE", "Free", "fREE", "money", "ÜBER", "iPhone", "IPHONE", "漢", "x", "[unknown]", "😀"],
    ...[" ", "  ", "\n", "\r\n", "\t", ".", "...", ",", "!", "-", "'", "$", "\u00a0", "/=/"],
    ...["\n".repeat(5), "\n".repeat(21), "-".repeat(15), "-".repeat(16)], // at the limits of parts, and beyond
  );
  const texts = fc.array(
    fc.array(part, { maxLength: 30 }).map((parts) => parts.join("")),
    { minLength: 1, maxLength: 6 },
  );
  await fc.assert(
    fc.asyncProperty(texts, async (some) => {
      const { codes: got } = await runTensors(
        { codes },
        new Map([[strings, { shape: [some.length], data: some }]]),
      );
      const expected = some.flatMap((text) => {
        const found = splitWords(text, length).map((word) => known.get(word) ?? 0);
        return [...found, ...Array(length - found.length).fill(listed.length)];
      });
      assert.deepEqual(Array.from(got.data, Number), expected, JSON.stringify(some));
    }),
    { numRuns: 60 },
  );
});
