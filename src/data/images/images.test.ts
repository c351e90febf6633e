import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import sharp from "sharp";
import { temporaryFolder } from "../../../test/temporary-folder.ts";
import { cached } from "../cache/cache.ts";
import { allSamples } from "../samples.ts";
import type { Piece } from "../source.ts";
import { split } from "../split.ts";
import { type Images, images, imagesSource, type UnlabelledColumns } from "./images.ts";

const base = temporaryFolder();
const size = [2, 3] as const;

/** A grey image of one value, in a format that keeps it. */
function plain(value: number, format: "png" | "webp" | "tiff" = "png"): Promise<Uint8Array> {
  const background = { r: value, g: value, b: value };
  const image = sharp({ create: { width: 4, height: 4, channels: 3, background } });
  return image.toFormat(format, { lossless: true }).toBuffer();
}

/** A folder of files: a number is a plain image, a text is written as it is. */
async function folderOf(files: Readonly<Record<string, number | string | Uint8Array>>): Promise<string> {
  const folder = await mkdtemp(join(base, "images-"));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), typeof content === "number" ? await plain(content) : content);
  }
  return folder;
}

/** The first pixel of every sample. */
async function values(data: Images<UnlabelledColumns>): Promise<number[]> {
  const pixels = new Uint8Array(data.size * 3 * 2 * 3);
  await data.read("image", allSamples(data), pixels);
  return Array.from({ length: data.size }, (_, sample) => pixels[sample * 18]!);
}

async function classes(data: Images): Promise<string[]> {
  const codes = new Int32Array(data.size);
  await data.read("class", allSamples(data), codes);
  return [...codes].map((code) => data.columns.class.categories[code]!);
}

/** What an error says, with FOLDER for the path of the folder. */
async function messageOf(folder: string, doing: () => Promise<unknown>): Promise<string> {
  try {
    await doing();
  } catch (error) {
    return error instanceof Error ? error.message.replaceAll(folder, "FOLDER") : String(error);
  }
  return "nothing was thrown";
}

test("folders are classes, and samples come in the order of the code points of their paths", async () => {
  const folder = await folderOf({
    "b/2.png": 12,
    "b/10.png": 11,
    "b/deep/down/1.png": 13,
    "a/z.png": 2,
    "a-1/x.png": 1,
    "Z/x.png": 0,
    "é/x.png": 20,
    "\uFB00/x.png": 21, // a code point below that of the next, but a unit of UTF-16 above
    "😀/x.png": 22,
  });
  const data = await images(folder, { size });
  assert.deepEqual(data.columns, {
    image: { dtype: "uint8", shape: [3, 2, 3] },
    class: { dtype: "int32", shape: [], categories: ["Z", "a", "a-1", "b", "é", "\uFB00", "😀"] },
  });
  assert.deepEqual(data.report, {
    files: [
      ...["Z/x.png", "a-1/x.png", "a/z.png", "b/10.png", "b/2.png", "b/deep/down/1.png"],
      ...["é/x.png", "\uFB00/x.png", "😀/x.png"],
    ],
    skipped: [],
  });
  assert.deepEqual(await values(data), [0, 1, 2, 11, 12, 13, 20, 21, 22]);
  assert.deepEqual(await classes(data), ["Z", "a-1", "a", "b", "b", "b", "é", "\uFB00", "😀"]);
  assert.equal(data.name, folder);
});

test("a file is what its bytes say, whatever it is called", async () => {
  const folder = await folderOf({
    "a/1.JPG": await plain(1, "tiff"),
    "a/2.txt": await plain(2, "webp"),
    "a/3": await plain(3),
    "b/4.Png": 4,
  });
  assert.deepEqual(await values(await images(folder, { size })), [1, 2, 3, 4]);
});

test("hidden files, what systems leave behind, and texts beside the classes are left alone", async () => {
  const folder = await folderOf({
    "a/1.png": 1,
    "a/.hidden": "no image",
    "a/Thumbs.db": "no image",
    "b/desktop.ini": "no image",
    "b/1.png": 2,
    ".git/config": "no image",
    "__MACOSX/a/._1.png": "no image",
    "LICENSE.txt": "a licence",
    "labels.csv": "a list",
  });
  const data = await images(folder, { size });
  assert.deepEqual(data.report.files, ["a/1.png", "b/1.png"]);
});

test("without labels all files are samples, however deep", async () => {
  const folder = await folderOf({ "2.png": 2, "a/1.png": 3, "1.png": 1 });
  const data = await images(folder, { size, labels: false });
  assert.deepEqual(data.columns, { image: { dtype: "uint8", shape: [3, 2, 3] } });
  assert.deepEqual(await values(data), [1, 2, 3]);
});

test("a second folder takes the classes of the first, and may lack some", async () => {
  const training = await images(await folderOf({ "a/1.png": 1, "b/1.png": 2, "c/1.png": 3 }), { size });
  const { categories } = training.columns.class;
  const folder = await folderOf({ "c/1.png": 4, "b/1.png": 5 });
  const test = await images(folder, { size, classes: categories });
  assert.deepEqual(test.columns, training.columns);
  assert.deepEqual(await classes(test), ["b", "c"]);
  const other = await folderOf({ "c/1.png": 4, "d/1.png": 5 });
  assert.equal(
    await messageOf(other, () => images(other, { size, classes: categories })),
    'images in FOLDER: expected folders of the classes a, b, c, got the folder "d". ' +
      "Fix: move it elsewhere, or train with a folder that has it",
  );
});

test("images are split by class like any dataset", async () => {
  const files = Array.from({ length: 40 }, (_, at) => [`${at % 4 === 0 ? "rare" : "usual"}/${at}.png`, at]);
  const data = await images(await folderOf(Object.fromEntries(files)), { size });
  const { training, validation } = split(data, { validation: 0.25, stratify: "class" });
  assert.equal(training.size + validation.size, 40);
});

test("symbolic links are followed to files and folders, and in no circle", async () => {
  const elsewhere = await folderOf({ "1.png": 7, "below/2.png": 8 });
  const folder = await folderOf({ "a/1.png": 1 });
  await symlink(elsewhere, join(folder, "b"));
  await symlink(join(elsewhere, "1.png"), join(folder, "a", "2.png"));
  const data = await images(folder, { size });
  assert.deepEqual(data.report.files, ["a/1.png", "a/2.png", "b/1.png", "b/below/2.png"]);
  assert.deepEqual(await values(data), [1, 7, 7, 8]);
  await symlink(folder, join(folder, "a", "up"));
  assert.equal(
    await messageOf(folder, () => images(folder, { size })),
    "FOLDER/a/up: expected a symbolic link to other images, got one back to FOLDER, which it is in. Fix: remove the link",
  );
});

test("folders that make no classes are refused", async () => {
  const cases: readonly (readonly [Readonly<Record<string, number | string>>, string])[] = [
    [
      {},
      "images in FOLDER: expected at least one image, got no file. " +
        "Fix: check that it is the right folder, and that the images were unpacked",
    ],
    [
      { "a/1.png": 1, "a/2.png": 2 },
      'images in FOLDER: expected a folder per class, at least two, got "a" alone. Fix: without classes, pass labels: false',
    ],
    [
      { "1.png": 1, "2.png": 2 },
      "images in FOLDER: expected a folder per class, at least two, got none, and 2 files directly in it. " +
        "Fix: without classes, pass labels: false",
    ],
    [
      { "a/1.png": 1, "b/.keep": "" },
      'images in FOLDER: expected images in the folder of every class, got none in "b". ' +
        "Fix: put its images there, or remove the folder",
    ],
  ];
  for (const [files, message] of cases) {
    const folder = await folderOf(files);
    assert.equal(await messageOf(folder, () => images(folder, { size })), message);
  }
  const folder = await folderOf({ ".hidden": "" });
  const asked = [
    () => imagesSource(folder, { size, labels: false }),
    () => imagesSource(folder, { size, classes: ["a"] }),
  ];
  for (const ask of asked) assert.equal(await messageOf(folder, ask), cases[0]![1]);
});

test("a folder that is none is refused", async () => {
  const folder = await folderOf({ "a/1.png": 1 });
  assert.equal(
    await messageOf(folder, () => images(join(folder, "b"), { size })),
    "images in FOLDER/b: expected a folder, got nothing of that name. Fix: check the name; the folder looked in is FOLDER",
  );
  assert.equal(
    await messageOf(folder, () => images(join(folder, "a", "1.png"), { size })),
    "images in FOLDER/a/1.png: expected a folder, got a file. Fix: name the folder it is in",
  );
  const nothing: string = JSON.parse("3"); // as JavaScript may pass
  assert.equal(
    await messageOf(folder, () => images(nothing, { size })),
    "images: expected the path of a folder, got 3. Fix: pass a text that is not empty",
  );
});

test("a file that is no image is named", async () => {
  const text = await folderOf({ "a/1.png": 1, "b/1.png": 2, "b/page.jpg": "<html>not found</html>" });
  assert.equal(
    await messageOf(text, () => images(`${text}/`, { size })),
    "FOLDER/b/page.jpg: expected an image (JPEG, PNG, WebP, GIF, TIFF or AVIF), got a file of another kind. " +
      "Fix: repair or remove the file, or leave such files out: onBadFile: { skip: 10 }",
  );
  const beside = await folderOf({ "a/1.png": 1, "b/1.png": 2, "stray.PNG": 3 });
  assert.match(
    await messageOf(beside, () => images(beside, { size })),
    /^FOLDER\/stray.PNG: .*, got one in no class's folder\. Fix: /,
  );
});

test("bad files are left out up to a limit, counted and listed", async () => {
  const folder = await folderOf({
    "a/1.png": 1,
    "a/empty.png": "",
    "a/cut.png": (await plain(9)).subarray(0, 60),
    "b/2.png": 2,
    "b/text.png": "text",
    "stray.png": 3,
  });
  await symlink("nowhere", join(folder, "b", "broken.png"));
  spawnSync("mkfifo", [join(folder, "b", "pipe.png")]);
  const data = await images(folder, { size, onBadFile: { skip: 6 } });
  assert.deepEqual(data.report.files, ["a/1.png", "b/2.png"]);
  assert.deepEqual(await values(data), [1, 2]);
  assert.deepEqual(await classes(data), ["a", "b"]);
  assert.deepEqual(
    data.report.skipped.filter(({ file }) => file !== "a/cut.png"),
    [
      { file: "a/empty.png", reason: "an empty file" },
      { file: "b/broken.png", reason: "a symbolic link that leads nowhere" },
      { file: "b/pipe.png", reason: "a device or a pipe" },
      { file: "b/text.png", reason: "a file of another kind" },
      { file: "stray.png", reason: "one in no class's folder" },
    ],
  );
  assert.equal(data.report.skipped.length, 6);
  assert.equal(
    (await messageOf(folder, () => images(folder, { size, onBadFile: { skip: 5 } }))).replace(
      /cut.png \([^)]*\)/,
      "cut",
    ),
    "images in FOLDER: expected at most 5 files that are no images, as onBadFile says, got one more: " +
      "a/cut, a/empty.png (an empty file), b/broken.png (a symbolic link that leads nowhere), … " +
      "stray.png (one in no class's folder). Fix: repair or remove them, or raise skip",
  );
});

test("a class of which no file is an image is refused, also where bad files are left out", async () => {
  const folder = await folderOf({ "a/1.png": 1, "b/1.png": "text" });
  assert.equal(
    await messageOf(folder, () => images(folder, { size, onBadFile: { skip: 1 } })),
    'images in FOLDER: expected an image of every class, got only files that are none in "b". Fix: repair or remove them',
  );
});

test("a source comes in pieces, the same every time, and can be left in the middle", async () => {
  const files = Array.from({ length: 60 }, (_, at) => [`${at % 2}/${at + 10}.png`, at]);
  const folder = await folderOf({ ...Object.fromEntries(files), "1/zz.png": "text" });
  // 4 MiB a piece: 21 images of 3 · 256 · 256 bytes.
  const source = await imagesSource(folder, { size: [256, 256], onBadFile: { skip: 1 } });
  assert.equal(source.size, undefined);
  assert.throws(() => source.report(), {
    message: `report of the images in ${folder}: expected a reading that came to its end, got none yet. Fix: read all pieces() first`,
  });
  for (let time = 0; time < 2; time++) {
    const pieces: Piece[] = [];
    for await (const piece of source.pieces()) pieces.push(piece);
    assert.deepEqual(
      pieces.map(({ samples }) => samples),
      [21, 21, 18],
    );
    const codes = pieces.flatMap(({ columns }) => [...(columns.class as Int32Array)]);
    assert.deepEqual(codes, [...Array<number>(30).fill(0), ...Array<number>(30).fill(1)]);
    assert.equal(source.report().skipped.length, 1);
  }
  for await (const { samples } of source.pieces()) {
    assert.equal(samples, 21);
    break;
  }
  assert.throws(() => source.report());
  const known = await imagesSource(folder, { size: [1, 1] });
  assert.equal(known.size, 61);
});

test("the fingerprint changes with a file, its name, the options and the folder, and with nothing else", async () => {
  const folder = await folderOf({ "a/1.png": 1, "b/1.png": 2 });
  const fingerprint = async (options = {}) =>
    (await imagesSource(folder, { size: [1, 2], ...options })).fingerprint();
  const first = await fingerprint();
  assert.match(first, /^[0-9a-f]{64}$/);
  assert.equal(await fingerprint(), first);
  const seen = new Set([first]);
  const differs = async (options = {}) => {
    const next = await fingerprint(options);
    assert.equal(seen.has(next), false);
    seen.add(next);
  };
  await differs({ size: [2, 1] });
  await differs({ channels: 1 });
  await differs({ fit: "fill" });
  await differs({ background: [0, 0, 0] });
  await differs({ labels: false });
  await differs({ onBadFile: { skip: 1 } });
  await utimes(join(folder, "a", "1.png"), 1, 1);
  await differs();
  await truncate(join(folder, "b", "1.png"), 3);
  await differs();
  await writeFile(join(folder, "b", "2.png"), await plain(3));
  await differs();
});

test("whatever lies in a folder, each file becomes a sample or is listed", async () => {
  const good = await Promise.all([plain(5), plain(6, "webp"), plain(7, "tiff")]);
  const name = fc.constantFrom(
    "a/1",
    "a/2.png",
    "a/x/3.jpg",
    "b/1",
    "b/2.gif",
    "c/é.png",
    "c/ .png",
    "c/.x",
    "d.png",
    "e",
  );
  const content = fc.oneof(
    fc.constantFrom(...good),
    fc.uint8Array({ maxLength: 40 }),
    fc
      .constantFrom(...good)
      .chain((bytes) => fc.nat(bytes.length).map((length) => bytes.subarray(0, length))),
  );
  await fc.assert(
    fc.asyncProperty(fc.dictionary(name, content, { minKeys: 1 }), async (files) => {
      const folder = await folderOf({ ...files, "ok/1.png": 9 });
      const counted = Object.keys(files).filter((path) => !path.includes("/."));
      const data = await images(folder, { size, labels: false, onBadFile: { skip: 100 } });
      const { report } = data;
      const all = [...report.files, ...report.skipped.map(({ file }) => file)].sort();
      assert.deepEqual(all, [...counted, "ok/1.png"].sort());
      assert.equal(data.size, report.files.length);
    }),
    { numRuns: 60 },
  );
});

test("a cache of images has their report, whenever it is opened", async () => {
  const folder = await folderOf({ "a/1.png": 1, "a/2.png": "no image", "b/1.png": 3, "b/2.png": 4 });
  const options = { size, onBadFile: { skip: 1 } } as const;
  const memory = await images(folder, options);
  for (const time of ["first", "second"]) {
    const disk = await cached(await imagesSource(folder, options), { folder: join(base, "cache") });
    assert.deepEqual(disk.report, memory.report, time);
    assert.deepEqual(await values(disk), await values(memory));
    assert.deepEqual(await classes(disk), ["a", "b", "b"]);
  }
});
