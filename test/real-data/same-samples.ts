/** Whether two datasets hold the same, byte for byte. */
import assert from "node:assert/strict";
import { allocate, type TypedArray } from "../../src/array/dtype.ts";
import { elementCount } from "../../src/array/shape.ts";
import { type CacheOptions, cached } from "../../src/data/cache/cache.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import type { Source } from "../../src/data/source.ts";

const bytesOf = ({ buffer, byteOffset, byteLength }: TypedArray) =>
  Buffer.from(buffer, byteOffset, byteLength);

/** One column of the given samples. */
export async function readColumn(data: Dataset, column: string, samples: Uint32Array): Promise<TypedArray> {
  const { dtype, shape } = data.columns[column]!;
  const into = allocate(dtype, samples.length * elementCount(shape));
  await data.read(column, samples, into);
  return into;
}

/** Compares every sample in order, and some of them shuffled. */
export async function assertSameSamples(found: Dataset, expected: Dataset): Promise<void> {
  assert.equal(found.size, expected.size);
  assert.deepEqual(found.columns, expected.columns);
  const compare = async (samples: Uint32Array) => {
    for (const column of Object.keys(expected.columns)) {
      const [one, other] = [
        await readColumn(found, column, samples),
        await readColumn(expected, column, samples),
      ];
      assert.ok(bytesOf(one).equals(bytesOf(other)), `column ${column}, samples ${samples[0]} and on`);
    }
  };
  for (let first = 0; first < expected.size; first += 16384) {
    const length = Math.min(16384, expected.size - first);
    await compare(Uint32Array.from({ length }, (_, at) => first + at));
  }
  // A stride without a factor in common with any size visits samples all over the file.
  await compare(Uint32Array.from({ length: 1000 }, (_, at) => (at * 7_368_787) % expected.size));
}

/**
 * Puts a source into a cache and reads it back twice, from disk and from memory. The second time it must be found, not
 * made.
 */
export async function assertCached(
  open: () => Source | Promise<Source>,
  expected: Dataset,
  folder: string,
): Promise<void> {
  await assertMadeOnce(async (options) => cached(await open(), options), expected, folder);
}

/** The same for whatever opens a cache. */
export async function assertMadeOnce(
  open: (options: CacheOptions) => Promise<Dataset>,
  expected: Dataset,
  folder: string,
): Promise<void> {
  let builds = 0;
  const onBuild = () => builds++;
  const onRebuild = (reason: string) => assert.fail(reason);
  for (const bytesInMemory of [0, 2 ** 31]) {
    await assertSameSamples(await open({ folder, bytesInMemory, onBuild, onRebuild }), expected);
    assert.equal(builds, 1);
  }
}
