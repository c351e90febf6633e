/** The whole of Moby-Dick (1851) as characters, as bytes and as tokens. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { collect } from "../../src/data/collect.ts";
import { allSamples } from "../../src/data/samples.ts";
import {
  bytes,
  bytesSource,
  characters,
  charactersSource,
  type TextData,
  tokens,
  tokensSource,
} from "../../src/data/text/text.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { fileList, mobyDick, testWith } from "./installed.ts";
import { assertCached, readColumn } from "./same-samples.ts";

const folder = temporaryFolder();
const path = join(folder, "moby-dick.txt");
const isThere = existsSync(mobyDick.folder);
const text = isThere
  ? Buffer.concat(fileList(mobyDick).map((name) => readFileSync(join(mobyDick.folder, name))))
  : Buffer.of();
await writeFile(path, text);

/** What the windows say when they are put one behind the other, and the last code that is to be predicted. */
async function codesOf(data: TextData): Promise<number[]> {
  const all = allSamples(data);
  const [current, next] = [await readColumn(data, "tokens", all), await readColumn(data, "next", all)];
  assert.deepEqual(next.subarray(0, -1), current.subarray(1)); // windows touch, so each is the other moved by one
  return [...Array.from(current, Number), Number(next.at(-1))];
}

testWith(mobyDick, "1 217 258 characters become windows and the text again", async () => {
  const whole = text.toString("utf8");
  const data = await characters(path, { context: 64 });
  const { codes, leftOver, unknown } = data.report;
  assert.deepEqual([codes, unknown], [1_217_258, 0]);
  assert.deepEqual(data.vocabulary.categories, [...new Set(whole)].sort()); // no character beyond UTF-16's first plane
  const found = await codesOf(data);
  assert.equal(found.length + leftOver, codes);
  assert.ok(whole.startsWith(data.vocabulary.decode(found)));
  assert.equal(data.vocabulary.decode(data.vocabulary.encode(whole)), whole);
  await assertCached(() => charactersSource(path, { context: 64 }), data, join(folder, "characters"));
});

testWith(mobyDick, "its bytes are those of the file", async () => {
  const data = await bytes(path, { context: 100 });
  const found = await codesOf(data);
  assert.equal(found.length + data.report.leftOver, text.length);
  assert.ok(text.subarray(0, found.length).equals(Buffer.from(found)));
  await assertCached(() => bytesSource(path, { context: 100 }), data, join(folder, "bytes"));
});

const json = (name: string) => JSON.parse(readFileSync(new URL(name, import.meta.url), "utf8"));
const golden: { readonly tokenizers: readonly { readonly name: string; readonly definition: object }[] } =
  json("../golden/tokenizers.json");
const recorded: {
  readonly tokens: Readonly<Record<string, { readonly count: number; readonly sha256: string }>>;
} = json("./tokens.json");

for (const { name, definition } of golden.tokenizers) {
  testWith(mobyDick, `${name}: its tokens are those of Hugging Face's own library`, async () => {
    const tokenizer = join(folder, `${name}.json`);
    await writeFile(tokenizer, JSON.stringify(definition));
    const { count, sha256 } = recorded.tokens[name]!;
    // A context of one: every code but the last is a window, and the last is what follows it.
    const data = await tokens(path, { tokenizer, context: 1 });
    assert.deepEqual([data.report.codes, data.report.leftOver], [count, 0]);
    const found = await codesOf(data);
    assert.equal(createHash("sha256").update(Int32Array.from(found)).digest("hex"), sha256);
    // What cuts bytes alone loses nothing: each token's letters stand for bytes, and they are those of the file.
    if (name === "like GPT-2")
      assert.ok(Buffer.from(found.flatMap((id) => bytesOf(data.vocabulary.categories[id]!))).equals(text));
  });
}

testWith(mobyDick, "windows of tokens come back from a cache", async () => {
  const tokenizer = join(folder, "cached.json");
  await writeFile(tokenizer, JSON.stringify(golden.tokenizers[0]!.definition));
  const open = () => tokensSource(path, { tokenizer, context: 128, stride: 50 });
  await assertCached(open, await collect(await open()), join(folder, "tokens"));
});

/** The letters by which GPT-2's tokenizer writes bytes: printable ones as they are, the others from U+0100 on, in order. */
const isPrintable = (byte: number) =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
const others = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => !isPrintable(byte));
function bytesOf(token: string): number[] {
  return Array.from(token, (letter) => {
    const point = letter.codePointAt(0)!;
    return point < 0x100 ? point : others[point - 0x100]!;
  });
}
