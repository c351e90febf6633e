import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeUtf8 } from "./utf8.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

/** The text of bytes that come in pieces of the given sizes, which go round. */
async function decoded(bytes: Uint8Array, sizes: readonly number[] = [bytes.length || 1]): Promise<string> {
  async function* pieces() {
    const again = new Uint8Array(Math.max(...sizes)); // as a reader that uses its piece again
    for (let at = 0, turn = 0; at < bytes.length; turn++) {
      const piece = bytes.subarray(at, at + sizes[turn % sizes.length]!);
      again.fill(0xff).set(piece);
      yield again.subarray(0, piece.length);
      at += piece.length;
    }
  }
  let text = "";
  for await (const some of decodeUtf8("a.txt", pieces())) text += some;
  return text;
}

/** The first byte that begins no character, by trying each length that one may have. */
function firstWrong(bytes: Uint8Array): number {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const isCharacter = (some: Uint8Array) => {
    try {
      return [...decoder.decode(some)].length === 1;
    } catch {
      return false;
    }
  };
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((each) => isCharacter(bytes.subarray(at, at + each)));
    if (length === undefined) return at;
    at += length;
  }
  return -1;
}

test("a text comes back whole, wherever its bytes are cut", async () => {
  const texts = fc.string({ unit: "binary", maxLength: 60 });
  const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(texts, sizes, async (text, cut) => {
      const expected = text.startsWith("\uFEFF") ? text.slice(1) : text;
      assert.equal(await decoded(utf8(text), cut), expected);
    }),
    { numRuns: 40 },
  );
});

test("a byte order mark is dropped at the beginning alone", async () => {
  assert.equal(await decoded(utf8("\uFEFFa\uFEFFb"), [1]), "a\uFEFFb");
  assert.equal(await decoded(utf8("\uFEFF"), [2]), "");
});

test("what is not UTF-8 is refused with the byte where it begins, wherever the bytes are cut", async () => {
  const byte = fc.oneof(
    fc.constantFrom(
      0x41,
      0x80,
      0xbf,
      0xc0,
      0xc2,
      0xe0,
      0xed,
      0xef,
      0xf0,
      0xf4,
      0xf5,
      0xff,
      0x9f,
      0xa0,
      0x8f,
      0x90,
    ),
    fc.nat(255),
  );
  const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(byte, { maxLength: 12 }), sizes, async (list, cut) => {
      const bytes = Uint8Array.from(list);
      const wrong = firstWrong(bytes);
      if (wrong < 0) {
        await decoded(bytes, cut);
        return;
      }
      refused++;
      await assert.rejects(decoded(bytes, cut), (error: Error) =>
        error.message.startsWith(`a.txt, byte ${wrong}: expected UTF-8, got `),
      );
    }),
    { numRuns: 500 },
  );
  assert.ok(refused > 200);
});

test("the error tells the bytes and what they may be", async () => {
  await assert.rejects(decoded(Uint8Array.of(0x61, 0x0a, 0xe9, 0x74, 0x61, 0x62)), {
    message:
      "a.txt, byte 2: expected UTF-8, got E9 74 61 62. " +
      "Fix: convert it (iconv -f ISO-8859-1 -t UTF-8, if that is what it is), or read it as bytes",
  });
  await assert.rejects(decoded(Uint8Array.of(0xff, 0xfe, 0x61, 0x00)), {
    message:
      "a.txt, byte 0: expected UTF-8, got UTF-16. " +
      "Fix: convert it (iconv -f UTF-16 -t UTF-8, if that is what it is), or read it as bytes",
  });
  await assert.rejects(
    decoded(Uint8Array.of(0x61, 0xe2, 0x82)),
    /^MicrobatchError: a\.txt, byte 1: expected UTF-8, got E2 82\./,
  );
});
