import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { temporaryFolder } from "../../../test/temporary-folder.ts";
import { blockShuffled } from "../draw/block-shuffled.ts";
import type { Source } from "../source.ts";
import { BlockReader, samplesPerBlock } from "./block-reader.ts";
import { cached } from "./cache.ts";
import { Prefetcher } from "./prefetch.ts";
import { RecordFile } from "./record-file.ts";

const folder = temporaryFolder();
const columns = { row: { dtype: "float32", shape: [300] }, label: { dtype: "int32", shape: [] } } as const;

/** 20 000 samples of 1204 bytes: more than a ring holds. Each says which it is. */
const source: Source<typeof columns> = {
  name: "rows",
  columns,
  fingerprint: async () => "rows",
  async *pieces() {
    for (let first = 0; first < 20_000; first += 500) {
      const row = Float32Array.from(
        { length: 500 * 300 },
        (_, at) => first + Math.floor(at / 300) + (at % 300) / 512,
      );
      const label = Int32Array.from({ length: 500 }, (_, at) => first + at);
      yield { samples: 500, columns: { row, label } };
    }
  },
};
const open = () => cached(source, { folder, bytesInMemory: 0 });

async function requireRows(
  data: Awaited<ReturnType<typeof open>>,
  samples: readonly number[],
): Promise<void> {
  const [row, label] = [new Float32Array(300 * samples.length), new Int32Array(samples.length)];
  // As a microbatch does: all columns at once.
  await Promise.all([
    data.read("row", Uint32Array.from(samples), row),
    data.read("label", Uint32Array.from(samples), label),
  ]);
  assert.deepEqual([...label], [...samples]);
  for (const [at, sample] of samples.entries()) {
    assert.equal(row[300 * at], sample);
    assert.equal(row[300 * at + 299], sample + 299 / 512);
  }
}

const chunks = (list: readonly number[], size: number) =>
  Array.from({ length: Math.ceil(list.length / size) }, (_, at) => list.slice(at * size, (at + 1) * size));
const order = (length: number, factor: number) => Array.from({ length }, (_, at) => (at * factor) % 20_000);

test("what was hinted comes, through more samples than a ring holds, hinted at once or bit by bit", async () => {
  const list = order(60_000, 7919);
  const atOnce = await open();
  atOnce.prefetch!(Uint32Array.from(list));
  for (const part of chunks(list, 640)) await requireRows(atOnce, part);
  const bits = await open();
  const parts = chunks(list.slice(0, 20_000), 32);
  for (const [at, part] of parts.entries()) {
    if (at % 4 === 0) bits.prefetch!(Uint32Array.from(parts.slice(at, at + 4).flat()));
    await requireRows(bits, part);
  }
});

test("a block shuffle reads whole blocks, and every sample comes once", async () => {
  const data = await open();
  const samplesOfABlock = samplesPerBlock(1204);
  const sampler = blockShuffled({ samplesPerBlock: samplesOfABlock, blocks: 16 });
  const order = sampler.epoch(data.size, 5, 0);
  const list = Array.from({ length: data.size }, (_, position) => order.at(position));
  data.prefetch!(Uint32Array.from(list));
  for (const part of chunks(list, 500)) await requireRows(data, part);
  assert.equal(new Set(list).size, 20_000);
});

test("blocks and single records are the same records", () => {
  const found = readdirSync(folder)[0]!;
  const { dataOffset } = JSON.parse(readFileSync(join(folder, found, "manifest.json"), "utf8"));
  const file = new RecordFile(join(folder, found, "samples.npy"), columns, { samples: 20_000, dataOffset });
  const reader = new BlockReader(file);
  const stride = file.layout.stride;
  fc.assert(
    fc.property(fc.nat(19_000), fc.integer({ min: 1, max: 900 }), fc.nat(50), (first, spread, seed) => {
      // Many of few neighbours, few of many, the last block, and blocks that were forgotten meanwhile.
      const samples = Uint32Array.from({ length: 64 }, (_, at) =>
        Math.min(19_999, first + ((at * 7919 + seed) % spread)),
      );
      const [blocks, single] = [new Uint8Array(64 * stride), new Uint8Array(64 * stride)];
      reader.read(samples, blocks);
      file.read(samples, single);
      assert.ok(Buffer.from(blocks).equals(single));
    }),
    { numRuns: 400 },
  );
  file.close();
});

test("whatever is hinted and whatever is read, the numbers are the samples' own", async () => {
  const data = await open();
  const samples = fc.array(fc.nat(19_999), { minLength: 1, maxLength: 60 });
  const action = fc.record({ kind: fc.constantFrom("hint", "follow", "skip", "other"), samples });
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 30 }), async (actions) => {
      let hinted: number[] = [];
      for (const { kind, samples } of actions) {
        if (kind === "hint") {
          data.prefetch!(Uint32Array.from(samples));
          hinted.push(...samples);
        } else if (kind === "other" || hinted.length === 0) {
          await requireRows(data, samples);
          hinted = [];
        } else {
          const next = hinted.splice(0, samples.length);
          const kept = kind === "skip" ? next.filter((_, at) => at % 3 !== 1) : next;
          if (kept.length > 0) await requireRows(data, kept);
        }
      }
    }),
    { numRuns: 150 },
  );
});

test("what was hinted outlasts an evaluation in between, and is forgotten once more was read than nobody comes for", async () => {
  const found = readdirSync(folder)[0]!;
  const { dataOffset } = JSON.parse(readFileSync(join(folder, found, "manifest.json"), "utf8"));
  const file = new RecordFile(join(folder, found, "samples.npy"), columns, { samples: 20_000, dataOffset });
  const ahead = new Prefetcher(file, columns);
  const into = new Uint8Array(100 * file.layout.stride);
  const take = async (first: number) =>
    ahead.take(
      Uint32Array.from({ length: 100 }, (_, at) => first + at),
      into,
    );
  ahead.hint(Uint32Array.from({ length: 400 }, (_, at) => at));
  const taken = [await take(0), await take(5000), await take(6000), await take(100)];
  assert.deepEqual(taken, [true, false, false, true]);
  for (const first of [5000, 6000, 7000]) assert.equal(await take(first), false);
  assert.equal(await take(200), false);
  ahead.hint(Uint32Array.from({ length: 100 }, (_, at) => 300 + at));
  assert.equal(await take(300), true);
  ahead.close();
  file.close();
});

test("reads that overlap in time do not mix", async () => {
  const data = await open();
  const list = order(4000, 31);
  data.prefetch!(Uint32Array.from(list));
  await Promise.all([
    ...chunks(list, 100).map((part) => requireRows(data, part)),
    requireRows(data, [5, 4, 3]),
  ]);
});

test("a hint that no sample of the file answers to is no harm", async () => {
  const data = await open();
  data.prefetch!(Uint32Array.of(1, 2, 1_000_000));
  await requireRows(data, [1, 2]);
  await requireRows(data, [3]);
  assert.throws(
    () => data.read("label", Uint32Array.of(1_000_000), new Int32Array(1)),
    /expected samples from 0 to 19999/,
  );
});
