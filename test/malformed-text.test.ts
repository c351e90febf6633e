/** Damaged gzip files, texts and tokenizers end in one clear error, or are read as a second reader reads them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { crc32, gzipSync, inflateRawSync } from "node:zlib";
import fc from "fast-check";
import { readUnpacked } from "../src/data/gzip.ts";
import { allSamples } from "../src/data/samples.ts";
import { bytes, characters, tokens } from "../src/data/text/text.ts";
import { tokenizerVocabulary } from "../src/data/text/tokenizer.ts";
import { MicrobatchError } from "../src/errors.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const folder = temporaryFolder();
const path = join(folder, "damaged");

/** What a reading gives, or the error, which must be one that says what to do. */
async function outcome<Result>(reading: Promise<Result>): Promise<Result | MicrobatchError> {
  try {
    return await reading;
  } catch (error) {
    assert.ok(error instanceof MicrobatchError, error instanceof Error ? error.stack : String(error));
    for (const part of [error.where, error.expected, error.got, error.fix])
      assert.match(part, /^[^\n]{1,500}$/);
    return error;
  }
}

const place = fc.nat(2 ** 30);
const change = fc.oneof(
  fc.record({ kind: fc.constant("flip"), at: place, value: fc.nat(7) }),
  fc.record({ kind: fc.constantFrom("byte", "insert"), at: place, value: fc.nat(255) }),
  fc.record({
    kind: fc.constantFrom("cut", "remove", "behind", "double"),
    at: place,
    value: fc.integer({ min: 1, max: 30 }),
  }),
);
type Change = typeof change extends fc.Arbitrary<infer Value> ? Value : never;

function damage(content: Buffer, { kind, at, value }: Change): Buffer {
  const from = at % content.length;
  const changed = Buffer.from(content);
  switch (kind) {
    case "flip":
      changed[from]! ^= 1 << value;
      return changed;
    case "byte":
      changed[from] = value;
      return changed;
    case "insert":
      return Buffer.concat([content.subarray(0, from), Buffer.of(value), content.subarray(from)]);
    case "cut":
      return content.subarray(0, from);
    case "remove":
      return Buffer.concat([content.subarray(0, from), content.subarray(from + value)]);
    case "behind":
      return Buffer.concat([content, Buffer.alloc(value, at)]);
    default:
      return Buffer.concat([content, content]);
  }
}

/** A second reader of gzip, after RFC 1952: members with their checksums, and nothing behind but zeros, as tape drives leave. */
function unpackSimply(packed: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  let at = 0;
  do {
    const member = memberAt(packed.subarray(at));
    if (member === undefined) return undefined;
    parts.push(member.content);
    at += member.length;
  } while (at < packed.length && packed.subarray(at).some((byte) => byte !== 0));
  return Buffer.concat(parts);
}

function memberAt(packed: Buffer): { readonly content: Buffer; readonly length: number } | undefined {
  const flags = packed[3] ?? 0xff;
  if (packed.length < 18 || packed.readUInt16BE(0) !== 0x1f8b || packed[2] !== 8 || (flags & 0xe0) !== 0)
    return undefined;
  let at = 10;
  if ((flags & 4) !== 0) at += 2 + packed.readUInt16LE(at);
  for (const flag of [8, 16]) if ((flags & flag) !== 0) at = packed.indexOf(0, at) + 1 || packed.length;
  if ((flags & 2) !== 0) {
    if (packed.length < at + 2 || packed.readUInt16LE(at) !== (crc32(packed.subarray(0, at)) & 0xffff))
      return undefined;
    at += 2;
  }
  try {
    const { buffer, engine } = inflateRawSync(packed.subarray(at), { info: true }) as unknown as {
      buffer: Buffer;
      engine: { bytesWritten: number };
    }; // with `info` Node gives both, which its types do not say
    const end = at + engine.bytesWritten;
    if (packed.length < end + 8) return undefined;
    const isRight =
      packed.readUInt32LE(end) === crc32(buffer) && packed.readUInt32LE(end + 4) === buffer.length;
    return isRight ? { content: buffer, length: end + 8 } : undefined;
  } catch {
    return undefined;
  }
}

const loomings = readFileSync(new URL("./golden/loomings.txt", import.meta.url));

test("of 300 damaged gzip files each is refused, or gives what a second reader unpacks", async () => {
  const whole = Buffer.concat([
    gzipSync(loomings.subarray(0, 3000)),
    gzipSync(loomings.subarray(3000, 5000)),
  ]);
  assert.ok(unpackSimply(whole)!.equals(loomings.subarray(0, 5000)), "the second reader");
  const counts = { refused: 0, read: 0 };
  for (const [at, each] of fc.sample(change, { numRuns: 300, seed: 21 }).entries()) {
    const packed = damage(whole, each);
    await writeFile(path, packed);
    const found = await outcome(unpack());
    // What does not begin like gzip is not gzip, and is given as it is.
    const isGzip = packed[0] === 0x1f && packed[1] === 0x8b;
    const expected = isGzip ? unpackSimply(packed) : packed;
    const what = `${at} ${JSON.stringify(each)}`;
    if (expected === undefined) assert.ok(found instanceof MicrobatchError, what);
    else assert.ok(Buffer.isBuffer(found) && found.equals(expected), `${what}: ${found}`);
    counts[found instanceof MicrobatchError ? "refused" : "read"]++;
  }
  assert.ok(counts.refused > 150 && counts.read > 20, JSON.stringify(counts));
});

async function unpack(): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const piece of (await readUnpacked(path)).pieces) parts.push(piece);
  return Buffer.concat(parts);
}

test("of 200 damaged texts each is refused at its byte, or gives the characters that are in it", async () => {
  const whole = Buffer.from("Call me Ishmael. Größe – 鯨 🐳 \r\n\u0000 end".repeat(4));
  const damages = fc.tuple(fc.array(change, { minLength: 1, maxLength: 3 }), fc.boolean());
  const counts = { refused: 0, read: 0 };
  for (const [changes, isPacked] of fc.sample(damages, { numRuns: 200, seed: 22 })) {
    const content = changes.reduce(damage, whole);
    if (content.length === 0) continue;
    await writeFile(path, isPacked ? gzipSync(content) : content);
    const found = await outcome(characters(path, { context: 1 }));
    const expected = decodeSimply(content);
    if (expected === undefined || expected.length < 2) {
      assert.ok(found instanceof MicrobatchError, JSON.stringify(changes));
      // In front of the byte that is named all is well, and with the next ones no more.
      const at = Number(/, byte (\d+)$/.exec(found.where)?.[1] ?? Number.NaN);
      if (expected === undefined) {
        assert.ok(decodeSimply(content.subarray(0, at)) !== undefined, found.message);
        assert.ok(decodeSimply(content.subarray(0, at + 4)) === undefined, found.message);
      }
      counts.refused++;
      continue;
    }
    assert.ok(!(found instanceof MicrobatchError), `${JSON.stringify(changes)}: ${found}`);
    const [codes, next] = [new Int32Array(found.size), new Int32Array(found.size)];
    await found.read("tokens", allSamples(found), codes);
    await found.read("next", allSamples(found), next);
    assert.equal(found.vocabulary.decode([...codes, next.at(-1)!]), expected.join(""));
    counts.read++;
  }
  assert.ok(counts.refused > 50 && counts.read > 30, JSON.stringify(counts));
});

/** The characters of UTF-8, by the platform's own decoder for the whole. */
function decodeSimply(content: Buffer): string[] | undefined {
  try {
    return [...new TextDecoder("utf-8", { fatal: true }).decode(content)];
  } catch {
    return undefined;
  }
}

const golden: { readonly tokenizers: readonly { readonly name: string; readonly definition: object }[] } =
  JSON.parse(readFileSync(new URL("./golden/tokenizers.json", import.meta.url), "utf8"));

test("of 200 damaged tokenizer files each is refused, or gives tokens that it has and texts again", async () => {
  const texts = golden.tokenizers.map(({ definition }) => Buffer.from(JSON.stringify(definition)));
  const damages = fc.tuple(fc.nat(texts.length - 1), fc.array(change, { minLength: 1, maxLength: 2 }));
  const counts = { refused: 0, read: 0 };
  for (const [which, changes] of fc.sample(damages, { numRuns: 200, seed: 23 })) {
    await writeFile(path, changes.reduce(damage, texts[which]!));
    const found = await outcome(tokenizerVocabulary(path));
    if (found instanceof MicrobatchError) {
      counts.refused++;
      continue;
    }
    counts.read++;
    assert.equal(found.categories.length, found.size);
    assert.equal(new Set(found.categories).size, found.size);
    const codes = await outcome(
      Promise.resolve().then(() => found.encode("Call me Ishmael <|end|> naïve 鯨")),
    );
    if (codes instanceof MicrobatchError) continue;
    assert.ok(codes.every((code) => code >= 0 && code < found.size));
    assert.equal(typeof (await outcome(Promise.resolve().then(() => found.decode(codes)))), "string");
  }
  assert.ok(counts.refused > 50 && counts.read > 5, JSON.stringify(counts));
});

test("what is no tokenizer and no text at all is refused in one line", async () => {
  const contents = [
    "",
    "{",
    "null",
    "[]",
    '"x"',
    "1",
    "[".repeat(100_000),
    "\u0000",
    "\uFEFF{}",
    '{"model":{"vocab":{}}}',
  ];
  const vocabularies = [
    '{"a":0,"b":9e15}',
    '{"a":-1}',
    '{"a":"0"}',
    '{"":0}',
    '{"__proto__":0}',
    "[[]]",
    '[["a"]]',
    "[null]",
  ];
  contents.push(...vocabularies.map((vocab) => `{"model":{"type":"WordLevel","vocab":${vocab}}}`));
  for (const content of contents) {
    await writeFile(path, content);
    const found = await outcome(tokenizerVocabulary(path));
    if (!(found instanceof MicrobatchError)) assert.equal(found.categories.length, found.size, content);
  }
  await writeFile(path, "");
  for (const reading of [characters, bytes]) {
    const found = await outcome(reading(path, { context: 1 }));
    assert.ok(found instanceof MicrobatchError && /got an empty one/.test(found.message));
  }
  const tokenizer = join(folder, "tokenizer.json");
  await writeFile(tokenizer, JSON.stringify(golden.tokenizers[0]!.definition));
  const found = await outcome(tokens(path, { tokenizer, context: 1 }));
  assert.ok(found instanceof MicrobatchError && /got an empty one/.test(found.message));
});
