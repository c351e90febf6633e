import assert from "node:assert/strict";
import { test } from "node:test";
import { arrays } from "../arrays.ts";
import { byteVocabulary, characterVocabulary } from "./characters.ts";
import { padded } from "./padded.ts";

const vocabulary = characterVocabulary("abc");

test("short texts are filled up, long ones cut, and the mask says what is text", () => {
  const texts = ["ab", "", "cabca", "abc"];
  const { tokens, mask, truncated } = padded(texts, vocabulary, { length: 3, padding: 3 });
  assert.deepEqual(tokens, { data: Int32Array.of(0, 1, 3, 3, 3, 3, 2, 0, 1, 0, 1, 2), shape: [4, 3] });
  assert.deepEqual(mask, { data: Float32Array.of(1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1), shape: [4, 3] });
  assert.equal(truncated, 1);
  const end = padded(texts, vocabulary, { length: 3, keep: "end" });
  assert.deepEqual([...end.tokens.data], [0, 1, 0, 0, 0, 0, 1, 2, 0, 0, 1, 2]);
  assert.deepEqual(end.mask, mask);
});

test("the padding is the vocabulary's own, where it has one", () => {
  const { tokens } = padded(["a"], { ...vocabulary, padding: 2 }, { length: 2 });
  assert.deepEqual([...tokens.data], [0, 2]);
});

test("padded texts are columns of a dataset", async () => {
  const { tokens, mask } = padded(["ab", "c"], byteVocabulary(), { length: 4 });
  const data = arrays({ tokens, mask, label: Int32Array.of(1, 0) });
  const into = new Int32Array(4);
  await data.read("tokens", Uint32Array.of(1), into);
  assert.deepEqual([...into], [99, 0, 0, 0]);
});

test("what is no text, no length and no code is refused", () => {
  const nothing: string = JSON.parse("null"); // as JavaScript may pass
  assert.throws(() => padded(["a", nothing], vocabulary, { length: 2 }), {
    message:
      "padded, text 1: expected a text of whole characters, got null. Fix: pass a text, and cut texts between characters",
  });
  assert.throws(
    () => padded(["a", "ad"], vocabulary, { length: 2 }),
    /^MicrobatchError: padded, text 1, line 1: /,
  );
  assert.throws(() => padded(["a"], vocabulary, { length: 0 }), {
    message: "padded, length: expected a whole number from 1 on, got 0. Fix: for example 200",
  });
  assert.throws(() => padded(["a"], vocabulary, { length: 1, padding: -1 }), {
    message:
      "padded, padding: expected a code: those of the vocabulary of 3 characters are 0 to 2, a new one is 3, got -1. " +
      "Fix: leave it out to use the mask alone",
  });
  const middle: "start" = JSON.parse('"middle"');
  assert.throws(() => padded(["a"], vocabulary, { length: 1, keep: middle }), {
    message: 'padded, keep: expected "start" or "end", got middle. Fix: choose one',
  });
});
