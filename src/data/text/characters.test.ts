import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { byteVocabulary, characterVocabulary } from "./characters.ts";

test("characters are code points, in their order, each once", () => {
  const vocabulary = characterVocabulary(["b\na", "😀é\uFB00", "ab"]);
  assert.deepEqual(vocabulary.categories, ["\n", "a", "b", "é", "\uFB00", "😀"]);
  assert.equal(vocabulary.size, 6);
  assert.deepEqual([...vocabulary.encode("a😀\nb")], [1, 5, 0, 2]);
  assert.deepEqual(characterVocabulary("b\na😀é\uFB00").categories, vocabulary.categories);
  assert.deepEqual(characterVocabulary(vocabulary.categories).categories, vocabulary.categories);
});

test("what is encoded is decoded again, whole or in pieces", () => {
  const text = fc.string({ unit: "binary", minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(text, fc.nat(50), (whole, cut) => {
      const vocabulary = characterVocabulary(whole);
      const codes = vocabulary.encode(whole);
      assert.equal(vocabulary.decode(codes), whole);
      assert.equal(codes.length, [...whole].length);
      const characters = [...whole];
      const encoding = vocabulary.encoder("test");
      const pieces = [characters.slice(0, cut).join(""), characters.slice(cut).join("")];
      const parts = [...pieces.flatMap((piece) => [...encoding.push(piece)]), ...encoding.finish()];
      assert.deepEqual(parts, [...codes]);
      const bytes = byteVocabulary();
      assert.equal(bytes.decode(bytes.encode(whole)), whole);
      assert.deepEqual([...bytes.encode(whole)], [...new TextEncoder().encode(whole)]);
    }),
    { numRuns: 40 },
  );
});

test("a character that the vocabulary lacks is told with its place, or has a stand-in", () => {
  const vocabulary = characterVocabulary("ab \n");
  const encoding = vocabulary.encoder("test.txt");
  encoding.push("ab\nb");
  assert.throws(() => encoding.push("a\naé"), {
    message:
      'test.txt, line 3: expected characters of the vocabulary of 4 characters, got "é" (U+00E9), character 7 of the text. ' +
      'Fix: make the vocabulary of both texts, or let one of its characters stand in, as in unknown: " "',
  });
  const forgiving = characterVocabulary(vocabulary.categories, { unknown: " " });
  assert.equal(forgiving.unknown, 1);
  assert.deepEqual(forgiving.categories, vocabulary.categories);
  assert.equal(forgiving.decode(forgiving.encode("aéb😀")), "a b ");
});

test("bytes have readable names, each its own", () => {
  const { categories, size } = byteVocabulary();
  assert.equal(size, 256);
  assert.equal(new Set(categories).size, 256);
  assert.deepEqual(
    [categories[0x0a], categories[0x20], categories[0x41], categories[0xff]],
    ["0x0A", "0x20", "A", "0xFF"],
  );
});

test("bytes that are no UTF-8 are decoded with marks in their places", () => {
  assert.equal(byteVocabulary().decode([0xe9, 0x61, 0xef, 0xbb, 0xbf]), "\uFFFDa\uFEFF");
});

test("what is no text, and what is no code, is refused", () => {
  const vocabulary = characterVocabulary("ab");
  const nothing: string = JSON.parse("null"); // as JavaScript may pass
  assert.throws(() => characterVocabulary([]), {
    message: "characterVocabulary: expected at least one character, got none. Fix: pass a text",
  });
  assert.throws(() => characterVocabulary(["a", nothing]), {
    message:
      "characterVocabulary: expected a text of whole characters, got null. Fix: pass a text, and cut texts between characters",
  });
  assert.throws(() => vocabulary.encode("\uD83D"), {
    message:
      "encode: expected a text of whole characters, got one with half a pair of surrogates. " +
      "Fix: pass a text, and cut texts between characters",
  });
  assert.throws(() => byteVocabulary().encode("\uD83D"), /half a pair/);
  assert.throws(() => characterVocabulary("ab", { unknown: "?" }), {
    message:
      'characterVocabulary, unknown: expected a character of the vocabulary, got "?". Fix: choose one that the texts have',
  });
  for (const code of [2, -1, 0.5, Number.NaN]) {
    assert.throws(() => vocabulary.decode([0, code]), {
      message:
        `decode by the vocabulary of 2 characters, position 1: expected a code from 0 to 1, got ${code}. ` +
        "Fix: decode codes of this vocabulary",
    });
  }
  assert.throws(() => byteVocabulary().decode([256]), /expected a code from 0 to 255, got 256/);
});
