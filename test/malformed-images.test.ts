/** Damaged image files are listed, or have lost nothing: a cut file never comes with pixels that were made up. */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { crc32, deflateSync, inflateSync } from "node:zlib";
import fc from "fast-check";
import sharp from "sharp";
import { images } from "../src/data/images/images.ts";
import { allSamples } from "../src/data/samples.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const folder = temporaryFolder();
const [height, width] = [24, 32];
/** A picture without flat places: every lost byte shows. */
const pixels = Uint8Array.from({ length: height * width * 3 }, (_, at) => (at * 7919 + (at >> 3) * 31) % 251);
const raw = { width, height, channels: 3 } as const;

const formats = ["png", "jpeg", "webp", "gif", "tiff", "avif"] as const;
type Format = (typeof formats)[number] | "progressive" | "webp-lossless";
const whole = new Map<Format, Buffer>();

before(async () => {
  for (const format of formats) whole.set(format, await sharp(pixels, { raw }).toFormat(format).toBuffer());
  whole.set("progressive", await sharp(pixels, { raw }).jpeg({ progressive: true }).toBuffer());
  whole.set("webp-lossless", await sharp(pixels, { raw }).webp({ lossless: true }).toBuffer());
});

/** What becomes of files, by name: pixels [3, height, width], or why there are none. */
async function read(files: ReadonlyMap<string, Uint8Array>): Promise<Map<string, Uint8Array | string>> {
  const own = join(folder, String(folders++));
  await mkdir(own);
  for (const [name, content] of files) await writeFile(join(own, name), content);
  await writeFile(join(own, "sound.png"), whole.get("png")!); // so that there is a sample
  const size = [height, width] as const;
  const data = await images(own, { size, labels: false, onBadFile: { skip: files.size } });
  const values = new Uint8Array(data.size * 3 * height * width);
  await data.read("image", allSamples(data), values);
  const found = new Map<string, Uint8Array | string>();
  const length = 3 * height * width;
  for (const [sample, file] of data.report.files.entries()) {
    found.set(file, values.subarray(sample * length, (sample + 1) * length));
  }
  for (const { file, reason } of data.report.skipped) found.set(file, reason);
  assert.equal(found.size, files.size + 1);
  return found;
}
let folders = 0;

const isPlain = (reason: string) => assert.match(reason, /^[^\n]{5,300}$/);

test("of 200 image files that are cut, each is listed with a reason, or has lost nothing that shows", async () => {
  const cuts = fc.sample(
    fc.tuple(fc.constantFrom(...whole.keys()), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
    { numRuns: 200, seed: 11 },
  );
  const files = new Map<string, Uint8Array>();
  for (const [format, bytes] of whole) files.set(`${format}.whole`, bytes);
  for (const [at, [format, share]] of cuts.entries()) {
    const bytes = whole.get(format)!;
    // Half of them lose a few bytes only: what a broken download lacks is often its end.
    const length =
      at % 2 === 0 ? Math.floor(share * bytes.length) : bytes.length - 1 - Math.floor(share * 40);
    files.set(`${format}.${at}.${length}`, bytes.subarray(0, Math.max(0, length)));
  }
  const found = await read(files);
  let refused = 0;
  for (const [name, result] of found) {
    if (name === "sound.png") continue;
    if (typeof result !== "string") assert.deepEqual(result, found.get(`${name.split(".")[0]}.whole`), name);
    else {
      isPlain(result);
      refused++;
    }
  }
  assert.ok(refused > 150, String(refused));
});

interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
}

const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");

function writePng(chunks: readonly Chunk[]): Buffer {
  const parts = chunks.map(({ type, data }) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const named = Buffer.concat([Buffer.from(type, "latin1"), data]);
    const check = Buffer.alloc(4);
    check.writeUInt32BE(crc32(named));
    return Buffer.concat([length, named, check]);
  });
  return Buffer.concat([signature, ...parts]);
}

/** The chunks up to the first that is not whole, and whether all is as it should be. */
function chunksOf(bytes: Uint8Array): { readonly chunks: readonly Chunk[]; readonly isSound: boolean } {
  const file = Buffer.from(bytes);
  const chunks: Chunk[] = [];
  let isSound = file.subarray(0, 8).equals(signature);
  let at = 8;
  while (at + 12 <= file.length && chunks.at(-1)?.type !== "IEND") {
    const end = at + 8 + file.readUInt32BE(at);
    if (end + 4 > file.length) break;
    isSound &&= crc32(file.subarray(at + 4, end)) === file.readUInt32BE(end);
    chunks.push({ type: file.toString("latin1", at + 4, at + 8), data: file.subarray(at + 8, end) });
    at = end + 4;
  }
  return { chunks, isSound: isSound && at === file.length && chunks.at(-1)?.type === "IEND" };
}

/**
 * A second reader of PNG, after its specification, for the one kind that is written here: 8 bits, red, green and blue, not
 * interlaced. Does not mind wrong checksums. Gives pixels [3, height, width], or undefined where they are not all there.
 */
function readPng(bytes: Uint8Array): Uint8Array | undefined {
  const { chunks } = chunksOf(bytes);
  const header = chunks.find(({ type }) => type === "IHDR")?.data;
  const wanted = Buffer.from([0, 0, 0, width, 0, 0, 0, height, 8, 2, 0, 0, 0]);
  if (header === undefined || !wanted.equals(header)) return undefined;
  let lines: Buffer;
  try {
    lines = inflateSync(Buffer.concat(chunks.filter(({ type }) => type === "IDAT").map(({ data }) => data)));
  } catch {
    return undefined;
  }
  const stride = 3 * width;
  if (lines.length < height * (stride + 1)) return undefined; // more is nobody's
  const image = new Uint8Array(height * stride);
  for (let y = 0; y < height; y++) {
    const filter = lines[y * (stride + 1)]!;
    if (filter > 4) return undefined;
    for (let x = 0; x < stride; x++) {
      const [left, up] = [x >= 3 ? image[y * stride + x - 3]! : 0, y > 0 ? image[(y - 1) * stride + x]! : 0];
      const corner = x >= 3 && y > 0 ? image[(y - 1) * stride + x - 3]! : 0;
      const guess = left + up - corner;
      const near = [left, up, corner].reduce((a, b) => (Math.abs(guess - b) < Math.abs(guess - a) ? b : a));
      const predicted = [0, left, up, (left + up) >> 1, near][filter]!;
      image[y * stride + x] = lines[y * (stride + 1) + 1 + x]! + predicted;
    }
  }
  return Uint8Array.from({ length: image.length }, (_, at) => {
    const [channel, pixel] = [Math.floor(at / (width * height)), at % (width * height)];
    return image[3 * pixel + channel]!;
  });
}

/** What is done to a PNG: to its bytes, or to its chunks, whose checksums are then right again. */
const damage = fc.oneof(
  fc.record({ kind: fc.constant("byte"), at: fc.nat(1e6), by: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ kind: fc.constant("insert"), at: fc.nat(1e6), by: fc.nat(255) }),
  fc.record({ kind: fc.constant("remove"), at: fc.nat(1e6), by: fc.nat(20) }),
  fc.record({
    kind: fc.constantFrom("header", "data"),
    at: fc.nat(1e6),
    by: fc.integer({ min: 1, max: 255 }),
  }),
  fc.record({
    kind: fc.constantFrom("less", "more", "split", "extra", "drop", "double", "swap"),
    at: fc.nat(1e6),
    by: fc.nat(255),
  }),
);

function damaged(bytes: Buffer, { kind, at, by }: { kind: string; at: number; by: number }): Buffer {
  const place = at % bytes.length;
  const { chunks } = chunksOf(bytes);
  const which = at % chunks.length;
  const changed = (type: string, change: (data: Uint8Array) => Uint8Array) =>
    writePng(chunks.map((chunk) => (chunk.type === type ? { type, data: change(chunk.data) } : chunk)));
  const flip = (data: Uint8Array) =>
    data.map((byte, index) => (index === at % data.length ? byte ^ by : byte));
  const repacked = (change: (lines: Buffer) => Uint8Array) =>
    changed("IDAT", (data) => deflateSync(change(inflateSync(data))));
  switch (kind) {
    case "byte":
      return Buffer.from(bytes.map((byte, index) => (index === place ? byte ^ by : byte)));
    case "insert":
      return Buffer.concat([bytes.subarray(0, place), Buffer.of(by), bytes.subarray(place)]);
    case "remove":
      return Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + by)]);
    case "header":
      return changed("IHDR", flip);
    case "data":
      return changed("IDAT", flip);
    case "less":
      return repacked((lines) => lines.subarray(0, lines.length - 1 - by));
    case "more":
      return repacked((lines) => Buffer.concat([lines, Buffer.alloc(1 + by)]));
    case "split":
      return writePng(
        chunks.flatMap((chunk) =>
          chunk.type !== "IDAT"
            ? [chunk]
            : [chunk.data.subarray(0, by), chunk.data.subarray(by)].map((data) => ({ type: "IDAT", data })),
        ),
      );
    case "extra":
      return writePng([chunks[0]!, { type: "teSt", data: Buffer.of(by) }, ...chunks.slice(1)]);
    case "drop":
      return writePng(chunks.filter((_, index) => index !== which));
    case "double":
      return writePng(chunks.flatMap((chunk, index) => (index === which ? [chunk, chunk] : [chunk])));
    default:
      return writePng([...chunks.slice(1), chunks[0]!]);
  }
}

test("of 300 damaged PNGs each is listed, or has the pixels that a second reader finds in it", async () => {
  const sound = writePng(chunksOf(whole.get("png")!).chunks.filter(({ type }) => /^I/.test(type)));
  assert.deepEqual(readPng(sound), (await read(new Map([["a", sound]]))).get("a"), "the second reader");
  const files = new Map(
    fc
      .sample(damage, { numRuns: 300, seed: 12 })
      .map((each, index) => [`${index} ${JSON.stringify(each)}`, damaged(sound, each)] as const),
  );
  const found = await read(files);
  const counts = { refused: 0, accepted: 0 };
  for (const [name, bytes] of files) {
    const result = found.get(name)!;
    const simple = readPng(bytes);
    if (chunksOf(bytes).isSound && simple !== undefined && !/drop|double|swap/.test(name)) {
      assert.equal(typeof result, "object", `${name}: ${result}`);
    }
    if (typeof result === "string") isPlain(result);
    // A header that says other numbers, with the right checksum, is that of another picture.
    else if (!/header/.test(name)) assert.deepEqual(result, simple, name);
    counts[typeof result === "string" ? "refused" : "accepted"]++;
  }
  assert.ok(counts.refused > 150 && counts.accepted > 20, JSON.stringify(counts));
});

test("headers that say absurd sizes are refused at once, without room being made for them", {
  timeout: 60_000,
}, async () => {
  const files = new Map<string, Uint8Array>();
  const png = chunksOf(whole.get("png")!).chunks;
  const sizes = [0, 1, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff];
  for (const [wide, high] of sizes.flatMap((wide) => sizes.map((high) => [wide, high] as const))) {
    if (wide <= 1 && high <= 1 && wide + high > 1) continue; // a picture of one pixel, whose data is there
    const header = Buffer.from(png[0]!.data);
    header.writeUInt32BE(wide, 0);
    header.writeUInt32BE(high, 4);
    files.set(`png ${wide} ${high}`, writePng([{ type: "IHDR", data: header }, ...png.slice(1)]));
    if (wide > 0xffff || high > 0xffff) continue;
    const jpeg = Buffer.from(whole.get("jpeg")!);
    const frame = jpeg.indexOf(Buffer.of(0xff, 0xc0)); // marker, length, precision, height, width
    jpeg.writeUInt16BE(high, frame + 5);
    jpeg.writeUInt16BE(wide, frame + 7);
    files.set(`jpeg ${wide} ${high}`, jpeg);
    const gif = Buffer.from(whole.get("gif")!);
    const image = gif.lastIndexOf(Buffer.of(0x2c, 0, 0, 0, 0)); // left, top, width, height
    for (const at of [6, image + 5]) {
      gif.writeUInt16LE(wide, at);
      gif.writeUInt16LE(high, at + 2);
    }
    files.set(`gif ${wide} ${high}`, gif);
  }
  const before = process.memoryUsage().rss;
  const found = await read(files);
  for (const name of files.keys()) {
    const result = found.get(name)!;
    const [format, wide, high] = name.split(" ");
    // JPEG and GIF have no checksums, and one that says a size that could be is taken at its word.
    const mustBeRefused = format === "png" || Number(wide) * Number(high) > 2 ** 28;
    if (mustBeRefused) assert.equal(typeof result, "string", name);
    if (typeof result === "string") isPlain(result);
  }
  assert.ok(process.memoryUsage().rss - before < 2 ** 30);
});

test("a file under another format's name is what its bytes say, and what is none says so", async () => {
  const files = new Map<string, Uint8Array>();
  const others: readonly Format[] = ["png", "jpeg", "webp", "gif", "tiff", "avif"];
  for (const [at, format] of others.entries())
    files.set(`${format}.${others[(at + 1) % 6]}`, whole.get(format)!);
  for (const format of others) files.set(`plain.${format}`, whole.get(format)!);
  const none = [
    "",
    "\0".repeat(1000),
    "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
    "BM",
    "%PDF-1.7",
  ];
  for (const [at, content] of none.entries()) files.set(`none ${at}.png`, Buffer.from(content, "latin1"));
  for (const format of others)
    files.set(`half ${format}.png`, Buffer.concat([whole.get(format)!.subarray(0, 16), Buffer.alloc(500)]));
  const found = await read(files);
  for (const [at, format] of others.entries()) {
    assert.deepEqual(found.get(`${format}.${others[(at + 1) % 6]}`), found.get(`plain.${format}`), format);
  }
  for (const name of files.keys()) {
    if (!/^(none|half)/.test(name)) continue;
    assert.equal(typeof found.get(name), "string", name);
    isPlain(String(found.get(name)));
  }
});
