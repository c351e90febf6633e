/** 70 000 images, as IDX files, as NumPy files and as a folder of images. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import sharp from "sharp";
import { idx, idxSource } from "../../src/data/idx.ts";
import { images, imagesSource } from "../../src/data/images/images.ts";
import { npy, npySource } from "../../src/data/npy.ts";
import { allSamples } from "../../src/data/samples.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { fashionMnist, testWith } from "./installed.ts";
import { assertCached, readColumn } from "./same-samples.ts";

const folder = temporaryFolder();
const fileOf = (name: string) => join(fashionMnist.folder, `${name}-ubyte.gz`);

/** What a file holds behind its header of 4 bytes per axis and 4 more, by the format's description alone. */
const numbersOf = (name: string) => {
  const bytes = gunzipSync(readFileSync(fileOf(name)));
  return bytes.subarray(4 + 4 * bytes[3]!);
};

for (const [part, samples] of [
  ["train", 60_000],
  ["t10k", 10_000],
] as const) {
  testWith(fashionMnist, `${part}: ${samples} images and labels are those of the files`, async () => {
    const files = { image: fileOf(`${part}-images-idx3`), label: fileOf(`${part}-labels-idx1`) };
    const data = await idx(files);
    assert.equal(data.size, samples);
    assert.deepEqual(data.columns.image, { dtype: "uint8", shape: [28, 28] });
    const all = allSamples(data);
    assert.ok(
      numbersOf(`${part}-images-idx3`).equals(Buffer.from((await readColumn(data, "image", all)).buffer)),
    );
    const labels = Array.from(await readColumn(data, "label", all), Number);
    assert.deepEqual(labels, [...numbersOf(`${part}-labels-idx1`)]);
    // Its authors: ten classes of 7000 images each, 6000 of them to train on.
    for (let label = 0; label < 10; label++) {
      assert.equal(labels.filter((one) => one === label).length, samples / 10);
    }
    await assertCached(() => idxSource(files), data, join(folder, "idx"));
  });
}

testWith(fashionMnist, "10 000 images as NumPy files are those of the IDX files", async () => {
  const header = (descr: string, shape: string) => {
    const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }`.padEnd(117);
    return Buffer.concat([Buffer.from("\x93NUMPY\x01\x00\x76\x00", "latin1"), Buffer.from(`${text}\n`)]);
  };
  const files = { image: join(folder, "images.npy"), label: join(folder, "labels.npy") };
  const [image, label] = [numbersOf("t10k-images-idx3"), numbersOf("t10k-labels-idx1")];
  await writeFile(files.image, Buffer.concat([header("|u1", "10000, 28, 28"), image]));
  await writeFile(
    files.label,
    Buffer.concat([header("<i8", "10000,"), Buffer.from(BigInt64Array.from(label, BigInt).buffer)]),
  );
  const data = await npy(files);
  assert.ok(image.equals(Buffer.from((await readColumn(data, "image", allSamples(data))).buffer)));
  assert.deepEqual(Array.from(await readColumn(data, "label", allSamples(data)), Number), [...label]);
  await assertCached(() => npySource(files), data, join(folder, "npy"));
});

testWith(fashionMnist, "1000 images in folders of their classes come back with the same pixels", async () => {
  const [pixels, labels] = [numbersOf("t10k-images-idx3"), numbersOf("t10k-labels-idx1")];
  const classes = [
    "T-shirt",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Boot",
  ];
  const root = join(folder, "clothes");
  for (const name of classes) mkdirSync(join(root, name), { recursive: true });
  const written = new Map<string, Buffer>();
  const write = async (sample: number) => {
    const image = pixels.subarray(784 * sample, 784 * (sample + 1));
    const path = `${classes[labels[sample]!]}/${sample}.png`;
    written.set(path, image);
    const raw = { width: 28, height: 28, channels: 1 } as const;
    await sharp(image, { raw }).toColourspace("b-w").png({ compressionLevel: 1 }).toFile(join(root, path));
  };
  for (let first = 0; first < 1000; first += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, at) => write(first + at)));
  }
  const options = { size: [28, 28], channels: 1 } as const;
  const data = await images(root, options);
  assert.equal(data.size, 1000);
  const all = allSamples(data);
  const [found, codes] = [await readColumn(data, "image", all), await readColumn(data, "class", all)];
  for (const [sample, path] of data.report.files.entries()) {
    assert.deepEqual(
      found.subarray(784 * sample, 784 * (sample + 1)),
      new Uint8Array(written.get(path)!),
      path,
    );
    assert.equal(data.columns.class.categories[Number(codes[sample])], path.split("/")[0]);
  }
  await assertCached(() => imagesSource(root, options), data, join(folder, "images"));
  // In colours, every plane is the grey one.
  const coloured = await images(root, { size: [28, 28] });
  const planes = await readColumn(coloured, "image", Uint32Array.of(789));
  const path = coloured.report.files[789]!;
  assert.deepEqual(Buffer.from(planes.buffer), Buffer.concat(Array(3).fill(written.get(path)!)));
});
