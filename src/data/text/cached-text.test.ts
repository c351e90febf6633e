import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../../test/temporary-folder.ts";
import { cached } from "../cache/cache.ts";
import { allSamples } from "../samples.ts";
import type { TextWindows } from "./cached-text.ts";
import { bytes, bytesSource, characters, charactersSource, tokens, tokensSource } from "./text.ts";

const folder = temporaryFolder();
const goldenFile = (name: string) => new URL(`../../../test/golden/${name}`, import.meta.url);
const path = join(folder, "text.txt");
const text = readFileSync(goldenFile("loomings.txt"), "utf8").slice(0, 3000);
await writeFile(path, text);
const { tokenizers } = JSON.parse(readFileSync(goldenFile("tokenizers.json"), "utf8"));
const tokenizer = join(folder, "tokenizer.json");
await writeFile(tokenizer, JSON.stringify(tokenizers[0].definition));

async function codesOf(data: TextWindows, column: "tokens" | "next"): Promise<number[]> {
  const [context] = data.columns.tokens.shape;
  const codes = new Int32Array(data.size * context);
  await data.read(column, allSamples(data), codes);
  return [...codes];
}

test("a cache of a text has its windows, vocabulary and report, whenever it is opened", async () => {
  const like = (await characters(path, { context: 10 })).vocabulary;
  const unknown = join(folder, "unknown.txt");
  await writeFile(unknown, `${text.slice(0, 500)} ☃☃ ${text.slice(500, 900)}`);
  for (const stride of [3, 7, 11]) {
    const options = { context: 7, stride };
    const lacking = { ...options, like, unknown: " " };
    const pairs = [
      [await characters(path, options), () => charactersSource(path, options)],
      [await characters(unknown, lacking), () => charactersSource(unknown, lacking)],
      [await bytes(path, options), () => bytesSource(path, options)],
      [await tokens(path, { ...options, tokenizer }), () => tokensSource(path, { ...options, tokenizer })],
    ] as const;
    for (const [memory, open] of pairs) {
      for (const time of ["first", "second"]) {
        const disk = await cached(await open(), { folder: join(folder, "cache") });
        assert.deepEqual(disk.report, memory.report, time);
        assert.deepEqual(await codesOf(disk, "tokens"), await codesOf(memory, "tokens"));
        assert.deepEqual(await codesOf(disk, "next"), await codesOf(memory, "next"));
        assert.equal(disk.vocabulary.decode(disk.vocabulary.encode("Call me")), "Call me");
      }
    }
  }
});

test("parts of a cached text share no code to predict, keep their order, and lack only what lies across a cut", async () => {
  const numbered = join(folder, "numbered.txt");
  // Every character once, so that it says where it stands.
  await writeFile(numbered, String.fromCodePoint(...Array.from({ length: 1000 }, (_, at) => 0x4e00 + at)));
  for (const [context, stride] of [
    [8, 8],
    [8, 3],
    [5, 9],
  ] as const) {
    const data = await cached(await charactersSource(numbered, { context, stride }), {
      folder: join(folder, "numbered"),
    });
    const parts = data.split({ validation: 0.2, test: 0.1 });
    const cuts = [0, 700, 900, 1000];
    let kept = 0;
    for (const [index, part] of [parts.training, parts.validation, parts.test!].entries()) {
      const [inside, ahead] = [await codesOf(part, "tokens"), await codesOf(part, "next")];
      assert.ok(Math.min(...inside) >= cuts[index]! && Math.max(...ahead) < cuts[index + 1]!);
      assert.deepEqual(
        inside.filter((_, at) => at % context === 0),
        inside.filter((_, at) => at % context === 0).sort((a, b) => a - b),
      );
      assert.equal(part.vocabulary, data.vocabulary);
      kept += part.size;
    }
    // A window over one of the two cuts begins at one of the context places before it.
    assert.ok(data.size - kept <= 2 * Math.ceil(context / stride), `${data.size - kept}`);
    // A part is divided again by its own length.
    const again = parts.training.split({ validation: 0.5 });
    assert.ok(Math.max(...(await codesOf(again.training, "next"))) < 350);
    assert.ok(Math.min(...(await codesOf(again.validation, "tokens"))) >= 350);
    assert.equal(again.training.name, `training part of training part of ${numbered}`);
  }
});

test("a part without a window is refused", async () => {
  const short = join(folder, "short.txt");
  await writeFile(short, "abcdefghijklmnopqrstuvwxyz");
  const open = async (context: number, stride: number) =>
    cached(await charactersSource(short, { context, stride }), { folder: join(folder, "short") });
  const data = await open(5, 5);
  assert.throws(() => data.split({ validation: 0.1 }), {
    message:
      `split of ${short}: expected a validation part of at least 6 codes: a context and the code behind it, got 3 of 26. ` +
      "Fix: a larger share for it, a smaller context, or a longer text",
  });
  const sparse = await open(5, 12);
  assert.throws(() => sparse.split({ validation: 0.3 }), {
    message:
      `validation part of ${short}: expected a window that lies in it as a whole, got none in 8 codes, of 6 each, 12 apart. ` +
      "Fix: a larger share for it, or a longer text",
  });
});
