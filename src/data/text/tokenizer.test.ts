import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { temporaryFolder } from "../../../test/temporary-folder.ts";
import { SectionEncoding } from "./sections.ts";
import { tokenizerVocabulary } from "./tokenizer.ts";
import type { Vocabulary } from "./vocabulary.ts";

interface Golden {
  readonly tokenizers: readonly {
    readonly name: string;
    readonly definition: { readonly model: Readonly<Record<string, unknown>> };
    readonly long: readonly number[];
    readonly cases: readonly {
      readonly text: string;
      readonly ids: readonly number[];
      readonly decoded: string;
    }[];
  }[];
  readonly words: readonly {
    readonly normalizer: unknown;
    readonly pre_tokenizer: unknown;
    readonly text: string;
    readonly words: readonly string[];
  }[];
}

const goldenFile = (name: string) =>
  readFileSync(new URL(`../../../test/golden/${name}`, import.meta.url), "utf8");
const golden: Golden = JSON.parse(goldenFile("tokenizers.json"));
const loomings = goldenFile("loomings.txt").slice(0, 4000);
const folder = temporaryFolder();
const path = join(folder, "tokenizer.json");

/** The vocabulary of a definition, or of a file with that content. */
async function vocabularyOf(definition: unknown): Promise<Vocabulary> {
  await writeFile(path, typeof definition === "string" ? definition : JSON.stringify(definition));
  return tokenizerVocabulary(path);
}

const named = (name: string) => golden.tokenizers.find((each) => each.name === name)!.definition;
/** A tokenizer of whole words, in which only those given are known. */
const wordsOnly = (words: readonly string[], rules: object = {}) => ({
  model: {
    type: "WordLevel",
    vocab: Object.fromEntries(words.map((word, id) => [word, id])),
    unk_token: words[0],
  },
  ...rules,
});

for (const { name, definition, long, cases } of golden.tokenizers) {
  test(`${name}: texts become the tokens of Hugging Face's own library, and texts again`, async () => {
    const vocabulary = await vocabularyOf(definition);
    for (const { text, ids, decoded } of cases) {
      assert.deepEqual([...vocabulary.encode(text)], ids, text);
      assert.equal(vocabulary.decode(ids), decoded);
    }
  });

  test(`${name}: a long text has the same tokens in sections and pieces of any length`, async () => {
    const vocabulary = await vocabularyOf(definition);
    assert.deepEqual([...vocabulary.encode(loomings)], long);
    for (const [length, piece] of [
      [100, 4000],
      [700, 333],
      [300, 1],
    ] as const) {
      const encode = (text: string) => [...vocabulary.encode(text)]; // all at once: it is shorter than a section
      const encoding = new SectionEncoding({ where: "test", name, size: vocabulary.size, encode, length });
      const codes: number[] = [];
      for (let at = 0; at < loomings.length; at += piece)
        codes.push(...encoding.push(loomings.slice(at, at + piece)));
      if (length < 700) assert.ok(codes.length > long.length / 2, "sections came before the end");
      codes.push(...encoding.finish());
      assert.deepEqual(codes, long, `${length}, ${piece}`);
    }
  });
}

for (const { normalizer, pre_tokenizer, text, words } of golden.words) {
  const { type, ...rule } = pre_tokenizer as { type: string };
  test(`${type} ${JSON.stringify({ ...rule, normalizer })} cuts where it should`, async () => {
    const known = [...new Set(["[UNK]", ...words])];
    const vocabulary = await vocabularyOf(wordsOnly(known, { normalizer, pre_tokenizer }));
    assert.deepEqual(
      [...vocabulary.encode(text)].map((code) => vocabulary.categories[code]),
      words,
    );
  });
}

test("a tokenizer tells its size, its unknown token and its padding", async () => {
  const bert = await vocabularyOf(named("like BERT"));
  assert.deepEqual([bert.size, bert.categories.length, bert.unknown, bert.padding], [251, 251, 1, 0]);
  assert.equal(bert.categories[1], "[UNK]");
  const gpt = await vocabularyOf(named("like GPT-2"));
  assert.deepEqual([gpt.unknown, gpt.padding], [undefined, undefined]);
  assert.equal(gpt.categories.at(-1), "<|end|>");
});

test("numbers without a token have a name of their own, and decode to nothing", async () => {
  const vocabulary = await vocabularyOf({
    ...wordsOnly(["[UNK]", "a", "b"]),
    added_tokens: [{ id: 5, content: "c", special: false }],
    pre_tokenizer: { type: "WhitespaceSplit" },
  });
  assert.deepEqual(vocabulary.categories, ["[UNK]", "a", "b", "[no token 3]", "[no token 4]", "c"]);
  assert.equal(vocabulary.decode([1, 3, 2, 4]), "a b");
  assert.equal(vocabulary.decode([4]), "");
  assert.equal(vocabulary.decode([]), "");
  assert.throws(() => vocabulary.decode([6]), /position 0: expected a code from 0 to 5, got 6/);
});

test("a text that a tokenizer would drop without a word is refused with its place", async () => {
  const { model, ...rules } = named("like GPT-2");
  const { vocab, merges } = model as { vocab: Record<string, number>; merges: unknown };
  // Without the second byte of é and of everything like it.
  const { "©": _, ...lacking } = vocab;
  const vocabulary = await vocabularyOf({ ...rules, model: { ...model, vocab: lacking, merges } });
  assert.equal(vocabulary.decode(vocabulary.encode("naive cafe")), "naive cafe");
  assert.throws(() => vocabulary.encode("a naïve café, and a whale"), {
    message:
      `encode, line 1: expected text that the tokenizer ${path} has tokens for, got "a naïve café", at the end of which it has none. ` +
      "Fix: remove it, or use a tokenizer that has a token for the unknown",
  });
});

test("a tokenizer without an unknown token refuses what it does not know", async () => {
  const { model, ...rules } = named("like T5");
  const vocabulary = await vocabularyOf({ ...rules, model: { ...model, unk_id: null } });
  assert.throws(() => vocabulary.encode("a whale 鯨"), /got "a whale 鯨", at the end of which it has none/);
});

test("what is no tokenizer is refused", async () => {
  const whatItIs = `${path}: expected a tokenizer in Hugging Face's format (tokenizer.json), got `;
  const cases: readonly (readonly [unknown, string])[] = [
    ["[1, 2]", `${whatItIs}a list. Fix: name the file tokenizer.json`],
    [{}, `${whatItIs}JSON without model.vocab. Fix: name the file tokenizer.json`],
    [
      { model: { vocab: {} }, added_tokens: 3 },
      `${whatItIs}added_tokens that are no list. Fix: name the file tokenizer.json`,
    ],
    [{ model: { vocab: {} } }, `${path}: expected a tokenizer with tokens, got none. Fix: check the file`],
    [
      { model: { vocab: { a: -1 } } },
      `${path}: expected tokens that are texts with numbers from 0 to 16777215, got "a" with -1. Fix: check the file`,
    ],
    [
      { model: { vocab: { a: 1e9 } } },
      `${path}: expected tokens that are texts with numbers from 0 to 16777215, got "a" with 1000000000. Fix: check the file`,
    ],
    [
      wordsOnly(["a"], { pre_tokenizer: { type: "UnicodeScripts" } }),
      `${whatItIs}Unknown PreTokenizer type: UnicodeScripts. Fix: check that it is a whole tokenizer.json`,
    ],
    [
      wordsOnly(["a"], {
        pre_tokenizer: { type: "Split", pattern: { String: "-" }, behavior: "Contiguous", invert: true },
      }),
      `${path}: expected rules that give the tokens they should, got a Split with the behavior Contiguous, inverted. ` +
        "Fix: use another tokenizer",
    ],
    [
      { model: { type: "Unigram", vocab: [["a", 0]], unk_id: 0, byte_fallback: true } },
      `${path}: expected rules that give the tokens they should, got a Unigram model with byte_fallback. ` +
        "Fix: use another tokenizer",
    ],
    [
      { model: { type: "BPE", vocab: { a: 0 }, merges: [], continuing_subword_prefix: "##" } },
      `${path}: expected rules that give the tokens they should, got byte-pair encoding with a continuing_subword_prefix. ` +
        "Fix: use another tokenizer",
    ],
  ];
  for (const [definition, message] of cases) await assert.rejects(vocabularyOf(definition), { message });
  await assert.rejects(
    vocabularyOf("{"),
    /^MicrobatchError: .*got no JSON \(.*\)\. Fix: check that it was downloaded whole/,
  );
  await assert.rejects(
    tokenizerVocabulary(join(folder, "none.json")),
    /expected a file, got nothing of that name/,
  );
});

test("damaged tokenizers end in words or in codes that there are", async () => {
  const texts = golden.tokenizers.map(({ definition }) => JSON.stringify(definition));
  const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const value = fc.constantFrom("null", "-1", "[]", "{}", '"x"', "1e99", "true", "0.5", "");
  const damaged = fc.tuple(fc.constantFrom(...texts), place, place, value).map(([text, at, much, by]) => {
    // A value somewhere in the file is another, or everything behind it is missing.
    const from = text.indexOf(":", Math.floor(at * text.length)) + 1;
    const end = much < 0.1 ? text.length : Math.max(from, text.slice(from).search(/[,}\]]/) + from);
    return text.slice(0, from) + by + text.slice(end);
  });
  await fc.assert(
    fc.asyncProperty(damaged, async (text) => {
      let vocabulary: Vocabulary;
      let codes: Int32Array;
      try {
        vocabulary = await vocabularyOf(text);
        codes = vocabulary.encode("Call me Ishmael <|end|> naïve");
      } catch (error) {
        assert.ok(error instanceof Error && error.name === "MicrobatchError", String(error));
        return;
      }
      assert.ok(codes.every((code) => code >= 0 && code < vocabulary.size));
      assert.equal(vocabulary.categories.length, vocabulary.size);
    }),
    { numRuns: 200 },
  );
});
