import assert from "node:assert/strict";
import { readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { MicrobatchError } from "../errors.ts";
import { idx, idxSource } from "./idx.ts";
import { allSamples } from "./samples.ts";

const folder = temporaryFolder();
const path = join(folder, "t.idx");
const fashion = (name: string) =>
  fileURLToPath(new URL(`../../test/data/fashion-mnist/first-50-${name}.gz`, import.meta.url));
const files = { images: fashion("images-idx3-ubyte"), labels: fashion("labels-idx1-ubyte") };

/** A file of a type and sizes with bytes behind them. */
function idxOf(type: number, sizes: readonly number[], data: Uint8Array): Buffer {
  const header = Buffer.alloc(4 + 4 * sizes.length);
  header.set([0, 0, type, sizes.length]);
  for (const [axis, size] of sizes.entries()) header.writeUInt32BE(size, 4 + 4 * axis);
  return Buffer.concat([header, data]);
}
async function refusal(
  content: Uint8Array,
  given: Readonly<Record<string, string>> = { t: path },
): Promise<string> {
  await writeFile(path, content);
  return failure(idx(given));
}
async function failure(reading: Promise<unknown>): Promise<string> {
  const error: unknown = await reading.then(
    () => assert.fail("the file was read"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof MicrobatchError, String(error));
  return error.message.replaceAll(`${folder}/`, "");
}

test("real images and labels are read as they stand in their files", async () => {
  const data = await idx(files);
  assert.deepEqual(data.columns, {
    images: { dtype: "uint8", shape: [28, 28] },
    labels: { dtype: "int32", shape: [] },
  });
  assert.equal(data.size, 50);
  const [images, labels] = [new Uint8Array(50 * 784), new Int32Array(50)];
  await data.read("images", allSamples(data), images);
  await data.read("labels", allSamples(data), labels);
  const unpacked = gunzipSync(await readFile(files.images));
  assert.ok(unpacked.subarray(16).equals(images));
  assert.deepEqual([...labels.subarray(0, 12)], [9, 2, 1, 1, 6, 1, 4, 6, 5, 7, 4, 5]);
  // The first is an ankle boot: nothing above it, and the tip of its sole on the left.
  assert.deepEqual([...images.subarray(0, 28)], Array<number>(28).fill(0));
  assert.deepEqual([...images.subarray(19 * 28, 19 * 28 + 5)], [70, 169, 129, 104, 98]);
});

test("a file is the same unpacked", async () => {
  const plain = { images: join(folder, "images"), labels: join(folder, "labels") };
  for (const name of ["images", "labels"] as const) {
    await writeFile(plain[name], gunzipSync(await readFile(files[name])));
  }
  const [packed, unpacked] = [await idx(files), await idx(plain)];
  assert.equal(await unpacked.fingerprint(), await packed.fingerprint());
  assert.equal((await idxSource(plain)).size, 50);
  assert.equal((await idxSource(files)).size, undefined); // known when it is unpacked
});

test("every type of the format is read, largest byte first", async () => {
  const read = async (type: number, data: readonly number[], shape: readonly number[]) => {
    await writeFile(path, idxOf(type, shape, Uint8Array.from(data)));
    const source = await idxSource({ t: path });
    const values: number[] = [];
    for await (const { columns } of source.pieces()) values.push(...Array.from(columns.t, Number));
    return [source.columns.t.dtype, source.columns.t.shape, values];
  };
  assert.deepEqual(await read(8, [0, 255, 7], [3]), ["int32", [], [0, 255, 7]]);
  assert.deepEqual(await read(8, [0, 255, 7, 1], [2, 2]), ["uint8", [2], [0, 255, 7, 1]]);
  assert.deepEqual(await read(9, [128, 255], [2, 1]), ["int32", [1], [-128, -1]]);
  assert.deepEqual(await read(11, [0x80, 0, 1, 2], [2]), ["int32", [], [-32_768, 258]]);
  assert.deepEqual(await read(12, [0xff, 0xff, 0xff, 0xfe, 0, 1, 0, 0], [1, 2]), [
    "int32",
    [2],
    [-2, 65_536],
  ]);
  assert.deepEqual(await read(13, [0x40, 0x49, 0x0f, 0xdb], [1]), ["float32", [], [Math.fround(Math.PI)]]);
  assert.deepEqual(await read(14, [0x40, 9, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18], [1, 1, 1]), [
    "float32",
    [1, 1],
    [Math.fround(Math.PI)],
  ]);
});

test("pieces together are the file, however many they are", async () => {
  const [samples, width] = [90_000, 31];
  const data = Uint8Array.from({ length: samples * width }, (_, at) => (at * 7) % 251);
  const labels = Int32Array.from({ length: samples }, (_, at) => at);
  const [x, y] = [join(folder, "x"), join(folder, "y")];
  await writeFile(x, gzipSync(idxOf(8, [samples, width], data)));
  await writeFile(y, idxOf(12, [samples], new Uint8Array(Buffer.from(labels.buffer).swap32())));
  let at = 0;
  let pieces = 0;
  for await (const { samples: count, columns } of (await idxSource({ x, y })).pieces()) {
    assert.deepEqual(columns.x, data.subarray(at * width, (at + count) * width));
    assert.equal(columns.y[0], at);
    assert.equal(columns.y[count - 1], at + count - 1);
    at += count;
    pieces++;
  }
  assert.equal(at, samples);
  assert.ok(pieces > 2);
});

test("what is no IDX file is refused at its byte", async () => {
  const fix = "Fix: check the name; other formats have readers of their own";
  assert.equal(
    await refusal(Buffer.from("x,y\n1,2\n")),
    `t.idx, byte 0: expected an IDX file, which begins with two bytes 0, got 78 2c 79 0a. ${fix}`,
  );
  assert.match(await refusal(Buffer.of()), /^t\.idx, byte 0: .* got an empty file\. Fix/);
  assert.match(await refusal(Buffer.of(0)), /^t\.idx, byte 0: .* got 00\. Fix/);
  assert.equal(
    await refusal(Buffer.of(0, 0, 8)),
    "t.idx: expected 4 bytes of header, got a file of 3 bytes. Fix: copy or download it again",
  );
  assert.equal(
    await refusal(Buffer.of(0, 0, 8, 2, 0, 0, 0, 1, 0)),
    "t.idx: expected 12 bytes of header, got a file of 9 bytes. Fix: copy or download it again",
  );
  assert.equal(
    await refusal(Buffer.of(0, 0, 10, 1, 0, 0, 0, 0)),
    `t.idx, byte 2: expected the type 8, 9, 11, 12, 13 or 14, got 10. ${fix}`,
  );
  assert.equal(
    await refusal(Buffer.of(0, 0, 8, 0)),
    `t.idx, byte 3: expected at least one axis, got 0. ${fix}`,
  );
});

test("a file that has not the bytes its header says is refused, packed or not", async () => {
  const expected = (got: string) =>
    `t.idx: expected 18 bytes: a header of 12 and 3 samples of 2, got ${got}. Fix: copy or download it again`;
  const short = idxOf(8, [3, 2], Uint8Array.of(1, 2, 3));
  assert.equal(await refusal(short), expected("15"));
  assert.equal(await refusal(gzipSync(short)), expected("15 in the packed file"));
  const long = idxOf(8, [3, 2], new Uint8Array(7));
  assert.equal(await refusal(long), expected("19"));
  assert.equal(await refusal(gzipSync(long)), expected("more in the packed file"));
  const huge = idxOf(8, [2 ** 32 - 1, 2], new Uint8Array(2));
  assert.equal(
    await refusal(huge),
    "t.idx: expected 8589934602 bytes: a header of 12 and 4294967295 samples of 2, got 14. " +
      "Fix: copy or download it again",
  );
  assert.match(await refusal(gzipSync(huge)), /got 14 in the packed file/);
  const packed = gzipSync(idxOf(8, [3, 2], new Uint8Array(6)));
  assert.match(
    await refusal(packed.subarray(0, 20)),
    /^t\.idx: expected a whole gzip file, got one that ends too early/,
  );
});

test("samples without a number or of more than a gigabyte, and no samples, are refused", async () => {
  const sizes = "t.idx: expected between 1 byte and 1 GiB of numbers per sample, got";
  const fix = "Fix: check that the file is an IDX file, whose first axis counts samples";
  const none = new Uint8Array();
  assert.equal(await refusal(idxOf(8, [3, 0], none)), `${sizes} 0 bytes in the shape [3, 0]. ${fix}`);
  assert.equal(
    await refusal(idxOf(14, [1, 2 ** 31, 2], none)),
    `${sizes} 34359738368 bytes in the shape [1, 2147483648, 2]. ${fix}`,
  );
  assert.equal(
    await refusal(idxOf(8, [0, 2], none)),
    "t.idx: expected at least one sample, got none. Fix: check that the source was written to its end",
  );
});

test("a float64 that float32 cannot hold is refused at its row", async () => {
  const numbers = Buffer.alloc(24);
  numbers.writeDoubleBE(-1e300, 16);
  assert.equal(
    await refusal(idxOf(14, [3], numbers)),
    "t.idx, row 2: expected numbers that fit float32, got -1e+300. Fix: scale them",
  );
});

test("files of different samples, and what is no object of paths, are refused", async () => {
  await writeFile(path, idxOf(8, [49], new Uint8Array(49)));
  assert.equal(
    (await failure(idx({ images: files.images, labels: path }))).replace(files.images, "images.gz"),
    "t.idx: expected 50 samples, as in images.gz, got 49. Fix: name files of the same samples",
  );
  const fix = 'Fix: for example idx({ images: "images-idx3-ubyte.gz", labels: "labels-idx1-ubyte.gz" })';
  const wrong = (given: unknown) => failure(idx(given as Record<string, string>)); // JavaScript may pass anything
  assert.equal(
    await wrong("images.gz"),
    `idx: expected an object of paths by column, got "images.gz". ${fix}`,
  );
  assert.equal(await wrong({}), `idx: expected an object of paths by column, got an object. ${fix}`);
  assert.equal(
    await wrong({ x: 1 }),
    `idx: expected an object of paths by column, got 1 as column "x". ${fix}`,
  );
  assert.match(
    await failure(idx({ x: join(folder, "none") })),
    /^read none: expected a file, got nothing of that name/,
  );
});

test("a damaged file is refused, or holds what stands in its bytes", async () => {
  const whole = idxOf(
    11,
    [5, 2, 3],
    Uint8Array.from({ length: 60 }, (_, at) => at * 4),
  );
  let refused = 0;
  const damage = fc.record({
    at: fc.nat(whole.length - 1),
    byte: fc.nat(255),
    end: fc.nat(whole.length + 3),
  });
  await fc.assert(
    fc.asyncProperty(damage, fc.boolean(), fc.boolean(), async ({ at, byte, end }, isCut, isPacked) => {
      const bytes = Buffer.concat([whole, Buffer.alloc(3)]).subarray(0, isCut ? end : whole.length);
      if (at < bytes.length) bytes[at] = byte;
      await writeFile(path, isPacked ? gzipSync(bytes) : bytes);
      const source = await idx({ t: path }).catch((error: unknown) => {
        assert.ok(error instanceof MicrobatchError, String(error));
      });
      if (source === undefined) {
        refused++;
        return;
      }
      const expected = Array.from({ length: 30 }, (_, element) => bytes.readInt16BE(16 + 2 * element));
      const values = new Int32Array(30);
      await source.read("t", allSamples(source), values);
      assert.deepEqual([...values], expected);
    }),
    { numRuns: 250, seed: 5 },
  );
  assert.ok(refused > 100 && refused < 240, String(refused));
});

test("a damaged gzip file is refused", async () => {
  const packed = gzipSync(
    idxOf(
      8,
      [200, 2],
      Uint8Array.from({ length: 400 }, (_, at) => (at * 37) % 256),
    ),
  );
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 10, max: packed.length - 9 }), fc.nat(255), async (at, byte) => {
      const bytes = Buffer.from(packed);
      if (bytes[at] === byte) return;
      bytes[at] = byte;
      await refusal(bytes);
    }),
    { numRuns: 100, seed: 6 },
  );
});

test("a file that changed after it was opened is refused, and its fingerprint is another", async () => {
  await writeFile(path, idxOf(8, [2], Uint8Array.of(1, 2)));
  const source = await idxSource({ t: path });
  const before = await source.fingerprint();
  assert.equal(await (await idxSource({ t: path })).fingerprint(), before);
  assert.notEqual(await (await idxSource({ u: path })).fingerprint(), before);
  await utimes(path, new Date(), new Date(2020, 1, 1));
  assert.notEqual(await source.fingerprint(), before);
  assert.match(
    await failure(source.pieces().next()),
    /^read t\.idx: expected the file as it was when it was opened/,
  );
});
