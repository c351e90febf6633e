import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { temporaryFolder } from "../../../test/temporary-folder.ts";
import { collect } from "../collect.ts";
import type { Dataset } from "../dataset.ts";
import { allSamples } from "../samples.ts";
import { characterVocabulary } from "./characters.ts";
import {
  bytes,
  bytesSource,
  type CharactersOptions,
  characters,
  charactersSource,
  tokens,
  tokensSource,
} from "./text.ts";
import { tokenizerVocabulary } from "./tokenizer.ts";
import type { TextColumns } from "./windows.ts";

const folder = temporaryFolder();
const goldenFile = (name: string) => new URL(`../../../test/golden/${name}`, import.meta.url);
const loomings = readFileSync(goldenFile("loomings.txt"), "utf8");
const { tokenizers } = JSON.parse(readFileSync(goldenFile("tokenizers.json"), "utf8"));
const tokenizer = join(folder, "tokenizer.json");
await writeFile(tokenizer, JSON.stringify(tokenizers[0].definition));

let written = 0;
/** The path of a new file. */
async function fileOf(content: string | Uint8Array): Promise<string> {
  const path = join(folder, `${written++}.txt`);
  await writeFile(path, content);
  return path;
}

/** Every code of a column, sample after sample. */
async function codesOf(
  data: Dataset<TextColumns>,
  column: "tokens" | "next" = "tokens",
): Promise<Int32Array> {
  const into = new Int32Array(data.size * data.columns.tokens.shape[0]);
  await data.read(column, allSamples(data), into);
  return into;
}

test("a text is read as characters, and its windows decode to it", async () => {
  const text = await characters(await fileOf(loomings), { context: 64 });
  const { vocabulary } = text;
  assert.deepEqual(vocabulary.categories, [...new Set(loomings)].sort());
  assert.deepEqual(text.columns, {
    tokens: { dtype: "int32", shape: [64], categories: vocabulary.categories },
    next: { dtype: "int32", shape: [64], categories: vocabulary.categories },
  });
  const all = [...loomings];
  assert.equal(text.size, Math.floor((all.length - 1) / 64));
  assert.equal(text.report.codes, all.length);
  assert.equal(vocabulary.decode(await codesOf(text)), all.slice(0, 64 * text.size).join(""));
  assert.equal(vocabulary.decode(await codesOf(text, "next")), all.slice(1, 64 * text.size + 1).join(""));
});

test("a text is read as bytes, whatever they mean", async () => {
  const content = Uint8Array.of(0xef, 0xbb, 0xbf, 0x61, 0xff, 0x00, 0x0d, 0x0a, 0x62);
  const data = await bytes(await fileOf(content), { context: 8 });
  assert.deepEqual([...(await codesOf(data))], [...content.subarray(0, 8)]);
  assert.deepEqual([...(await codesOf(data, "next"))], [...content.subarray(1)]);
  assert.equal(data.columns.tokens.categories.length, 256);
});

test("a text is read as tokens of a tokenizer, from its file or loaded before", async () => {
  const path = await fileOf(loomings);
  const vocabulary = await tokenizerVocabulary(tokenizer);
  const expected = vocabulary.encode(loomings);
  for (const given of [tokenizer, vocabulary]) {
    const text = await tokens(path, { tokenizer: given, context: 10, stride: 3 });
    assert.equal(text.report.codes, expected.length);
    assert.equal(text.size, Math.floor((expected.length - 11) / 3) + 1);
    const read = await codesOf(text, "next");
    assert.deepEqual(
      [...read.subarray(-10)],
      [...expected.subarray((text.size - 1) * 3 + 1).subarray(0, 10)],
    );
    assert.equal(
      text.vocabulary.decode([...read.subarray(0, 10)]),
      vocabulary.decode(expected.subarray(1, 11)),
    );
  }
});

test("packed text is the same text, and so is one with a byte order mark; line ends stay", async () => {
  const content = "A\r\nb\rc\n é😀 end";
  const plain = await characters(await fileOf(content), { context: 3 });
  for (const other of [gzipSync(content), `\uFEFF${content}`, gzipSync(`\uFEFF${content}`)]) {
    const data = await characters(await fileOf(other), { context: 3 });
    assert.deepEqual(data.vocabulary.categories, plain.vocabulary.categories);
    assert.equal(await data.fingerprint(), await plain.fingerprint());
  }
  assert.ok(plain.vocabulary.categories.includes("\r"));
});

test("a second text is read by the vocabulary of the first", async () => {
  const first = await characters(await fileOf("abcabc d"), { context: 2 });
  const second = await characters(await fileOf("cab"), { context: 2, like: first.vocabulary });
  assert.deepEqual(second.columns, first.columns);
  assert.deepEqual([...(await codesOf(second))], [3, 1]);
  const path = await fileOf("ab\ncaxb");
  await assert.rejects(characters(path, { context: 2, like: first.vocabulary }), {
    message:
      `${path}, line 1: expected characters of the vocabulary of 5 characters, got "\\n" (U+000A), character 2 of the text. ` +
      'Fix: make the vocabulary of both texts, or let one of its characters stand in, as in unknown: " "',
  });
  const forgiving = await characters(path, { context: 6, like: first.vocabulary, unknown: " " });
  assert.equal(forgiving.vocabulary.decode(await codesOf(forgiving)), "ab ca ");
  assert.equal(forgiving.report.unknown, 2);
});

test("a source gives the windows that are in memory, in pieces", async () => {
  const path = await fileOf(gzipSync(loomings));
  const options = { context: 100, stride: 30 };
  const pairs = [
    [await characters(path, options), await charactersSource(path, options)],
    [await bytes(path, options), await bytesSource(path, options)],
    [await tokens(path, { tokenizer, ...options }), await tokensSource(path, { tokenizer, ...options })],
  ] as const;
  for (const [memory, source] of pairs) {
    const collected = await collect(source);
    assert.deepEqual(source.columns, memory.columns);
    assert.equal(source.vocabulary.size, memory.vocabulary.size);
    assert.equal(source.size ?? memory.size, memory.size);
    for (const column of ["tokens", "next"] as const)
      assert.deepEqual(await codesOf(collected, column), await codesOf(memory, column));
  }
  assert.equal(pairs[0][1].size, pairs[0][0].size);
});

test("a source's fingerprint changes with the file, the windows and what codes mean, and with nothing else", async () => {
  const path = await fileOf("abcabc");
  const print = async (options: CharactersOptions) => (await charactersSource(path, options)).fingerprint();
  const first = await print({ context: 2 });
  assert.equal(await print({ context: 2, stride: 2 }), first);
  const others = [
    await print({ context: 3 }),
    await print({ context: 2, stride: 1 }),
    await print({ context: 2, like: characterVocabulary("abcd") }),
    await print({ context: 2, like: characterVocabulary("abcd"), unknown: "d" }),
    await (await bytesSource(path, { context: 2 })).fingerprint(),
    await (await tokensSource(path, { context: 2, tokenizer })).fingerprint(),
  ];
  await utimes(path, 1, 1);
  others.push(await print({ context: 2 }));
  assert.equal(new Set([first, ...others]).size, 8);
});

test("a file that changes between the two readings of a text is told", async () => {
  const path = await fileOf("abcabc");
  const source = await charactersSource(path, { context: 2 });
  for (const [content, got] of [
    ["abca", "the 6 codes that were counted at first, got 4"],
    ["abcabca", "the 6 codes that were counted at first, got more"],
    ["abcxbc", 'characters of the vocabulary of 3 characters, got "x" (U+0078), character 3 of the text'],
  ] as const) {
    await writeFile(path, content);
    await assert.rejects(collect(source), (error: Error) =>
      error.message.includes(`: expected ${got}. Fix: `),
    );
  }
});

test("texts without a window are refused, whichever way they are read", async () => {
  const [empty, short] = [await fileOf(""), await fileOf("abc")];
  const emptied = await fileOf(gzipSync(""));
  const context = 64;
  const readers = [
    (path: string) => characters(path, { context }),
    (path: string) => bytes(path, { context }),
    (path: string) => tokens(path, { tokenizer, context }),
    async (path: string) => collect(await charactersSource(path, { context })),
    async (path: string) => collect(await bytesSource(path, { context })),
    async (path: string) => collect(await tokensSource(path, { tokenizer, context })),
  ];
  for (const read of readers) {
    for (const path of [empty, emptied]) {
      await assert.rejects(read(path), {
        message: `${path}: expected a text, got an empty one. Fix: check that it was written to its end`,
      });
    }
    await assert.rejects(read(short), (error: Error) =>
      error.message.startsWith(
        `${short}: expected at least 65 codes: a context of 64 and the code behind it, got `,
      ),
    );
  }
});

test("what cannot be read is told", async () => {
  const latin = await fileOf(Uint8Array.of(0x61, 0xe9, 0x62, 0x63));
  await assert.rejects(characters(latin, { context: 1 }), (error: Error) =>
    error.message.startsWith(`${latin}, byte 1: expected UTF-8, got E9 62 63. Fix: convert it`),
  );
  await assert.rejects(tokens(latin, { context: 1, tokenizer }), /byte 1: expected UTF-8/);
  const cut = await fileOf(gzipSync(loomings).subarray(0, 3000));
  await assert.rejects(
    characters(cut, { context: 1 }),
    /expected a whole gzip file, got one that ends too early/,
  );
  await assert.rejects(
    characters(join(folder, "none"), { context: 1 }),
    /expected a file, got nothing of that name/,
  );
  await assert.rejects(bytes(folder, { context: 1 }), /expected a file, got a folder of that name/);
});

test("wrong options are refused before the text is read", async () => {
  const vocabulary = characterVocabulary("ab");
  const cases: readonly (readonly [unknown, string])[] = [
    [undefined, "options: expected a context, got none. Fix: for example { context: 64 }"],
    [{ stride: 3 }, "options: expected a context, got none. Fix: for example { context: 64 }"],
    [
      { context: 64, length: 3 },
      'options: expected context, and at most stride, like, unknown, got "length". Fix: rename or remove it',
    ],
    [
      { context: 0 },
      "option context: expected a whole number from 1 on, got 0. Fix: correct it, or leave it out",
    ],
    [
      { context: 64, stride: 1.5 },
      "option stride: expected a whole number from 1 on, got 1.5. Fix: correct it, or leave it out",
    ],
    [
      { context: 64, like: "abc" },
      'option like: expected a vocabulary, such as training.vocabulary, got "abc". Fix: correct it, or leave it out',
    ],
    [{ context: 64, unknown: 3 }, "option unknown: expected a text, got 3. Fix: correct it, or leave it out"],
    [
      { context: 64, unknown: "?" },
      "option unknown: expected a vocabulary that may lack characters: like, got none, and that of a text lacks none of its own. Fix: remove it, or pass like: training.vocabulary",
    ],
  ];
  for (const [options, message] of cases) {
    const given = options as CharactersOptions; // as JavaScript may pass
    await assert.rejects(characters("nowhere.txt", given), { message: `nowhere.txt, ${message}` });
  }
  await assert.rejects(characters("nowhere.txt", { context: 1, like: vocabulary, unknown: "?" }), {
    message:
      'characterVocabulary, unknown: expected a character of the vocabulary, got "?". Fix: choose one that the texts have',
  });
  const without: string = JSON.parse("null"); // as JavaScript may pass
  await assert.rejects(tokens("nowhere.txt", { context: 1, tokenizer: without }), {
    message:
      "nowhere.txt, option tokenizer: expected the path of a tokenizer.json, or a vocabulary, got null. Fix: correct it, or leave it out",
  });
});
