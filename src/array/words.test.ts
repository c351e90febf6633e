import assert from "node:assert/strict";
import { test } from "node:test";
import { hasMoreWords, normalWord, splitWords, wordCodesOf, wordSeparators } from "./words.ts";

test("a text is cut at blanks and signs, and as many words are kept as are wanted", () => {
  const text = 'Subject: "Win $100"\r\n\r\n\tDon\'t miss it (now!)... user@example.com, e-mail <b>';
  const words = [
    "Subject",
    "Win",
    "$100",
    "Don't",
    "miss",
    "it",
    "now",
    "user@example",
    "com",
    "e",
    "mail",
    "b",
  ];
  assert.deepEqual(splitWords(text, 100), words);
  assert.deepEqual(splitWords(text, 4), words.slice(0, 4));
  assert.deepEqual(splitWords("", 4), []);
  assert.deepEqual(splitWords(" \t.,", 4), []);
  // Of the parts of one piece the first count, empty ones too: as many as words, between signs at most 16.
  assert.deepEqual(splitWords("a,,,,b c", 4), ["a", "c"]);
  assert.deepEqual(splitWords(`${"-".repeat(15)}a ${"-".repeat(16)}b`, 100), ["a"]);
  assert.deepEqual(splitWords(`${"\n".repeat(99)}a ${"\n".repeat(100)}b`, 100), ["a"]);
  assert.deepEqual(splitWords("a     b c", 2), ["a", "b"]);
});

test("a text has more words than were found where the last ones are not among them, whatever has hidden them", () => {
  const found = (text: string, length: number) => splitWords(text, length).length;
  assert.equal(hasMoreWords("a - b - c", found("a - b - c", 4)), true); // a sign that stands alone is a piece
  assert.equal(hasMoreWords("a - b - c", found("a - b - c", 8)), false);
  assert.equal(hasMoreWords(`${"-".repeat(16)}b`, 0), true);
  assert.equal(hasMoreWords(wordSeparators.join(""), 0), false);
  assert.equal(hasMoreWords("\\ ^ ] | a", 3), true);
  assert.equal(hasMoreWords("\\ ^ ] | a", 4), false);
});

test("a word has one code in lower case, in capitals and with a capital first letter, and no other spelling has it", () => {
  const codes = wordCodesOf(["[unknown]", "free", "ßa", "iPhone", "3"]);
  assert.deepEqual(
    [...codes],
    [
      ["[unknown]", 0],
      ["[UNKNOWN]", 0],
      ["free", 1],
      ["Free", 1],
      ["FREE", 1],
      ["ßa", 2],
      ["iPhone", 3],
      ["3", 4],
    ],
  );
  assert.deepEqual(["Free", "FREE", "fREE", "ÜBEL", "SSa"].map(normalWord), [
    "free",
    "free",
    "fREE",
    "übel",
    "SSa",
  ]);
  for (const [spelling, code] of codes) assert.equal(codes.get(normalWord(spelling)), code);
});
