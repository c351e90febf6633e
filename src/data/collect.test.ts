import assert from "node:assert/strict";
import { test } from "node:test";
import { collect } from "./collect.ts";
import type { Source } from "./source.ts";

const columns = {
  pixels: { dtype: "uint8", shape: [2, 3] },
  label: { dtype: "int32", shape: [] },
} as const;

/** `count` samples in pieces of the given sizes; sample s holds the pixels 6s … 6s + 5 and the label −s. */
function source(sizes: readonly number[], size?: number): Source<typeof columns> {
  return {
    name: "made",
    columns,
    ...(size !== undefined && { size }),
    fingerprint: async () => "made",
    async *pieces() {
      let first = 0;
      for (const samples of sizes) {
        // Longer than it says, as a buffer that is used again is.
        const pixels = Uint8Array.from({ length: 6 * samples + 5 }, (_, index) => 6 * first + index);
        const label = Int32Array.from({ length: samples + 1 }, (_, index) => -(first + index));
        yield { samples, columns: { pixels, label } };
        first += samples;
      }
    },
  };
}

test("samples come out as they went in, whatever the pieces and whether or not the size was known", async () => {
  for (const sizes of [[700], [1, 699], Array<number>(700).fill(1), [300, 0, 400]]) {
    for (const size of [undefined, 700, 5]) {
      const data = await collect(source(sizes, size));
      assert.equal(data.size, 700);
      const [pixels, label] = [new Uint8Array(18), new Int32Array(3)];
      await data.read("pixels", Uint32Array.of(699, 0, 41), pixels);
      await data.read("label", Uint32Array.of(699, 0, 41), label);
      const expected = [699, 0, 41].flatMap((sample) =>
        Array.from({ length: 6 }, (_, at) => (6 * sample + at) % 256),
      );
      assert.deepEqual([...pixels], expected);
      assert.deepEqual(
        [...label],
        [-699, 0, -41].map((value) => value + 0),
      );
    }
  }
});

test("a source without samples is refused", async () => {
  await assert.rejects(collect(source([])), {
    message:
      "made: expected at least one sample, got none. Fix: check that the source was written to its end",
  });
});

test("samples that do not fit in memory are refused, and large ones of unknown number take no more than they are", async () => {
  await assert.rejects(collect(source([1], 2 ** 50)), {
    message:
      'made, column "pixels": expected samples that fit in memory, got 6755399441055744 bytes. ' +
      "Fix: keep them on disk: cached(source)",
  });
  const large = { x: { dtype: "uint8", shape: [2 ** 28] } } as const; // 256 of them would be 64 GiB
  const one = await collect<typeof large>({
    name: "large",
    columns: large,
    fingerprint: async () => "large",
    async *pieces() {
      yield { samples: 1, columns: { x: new Uint8Array(2 ** 28) } };
    },
  });
  assert.equal(one.size, 1);
});
