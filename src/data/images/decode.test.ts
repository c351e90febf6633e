import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import sharp from "sharp";
import { openDecoder } from "./decode.ts";
import { type ImagesOptions, settle } from "./options.ts";

interface Golden {
  readonly files: readonly {
    readonly name: string;
    readonly size: readonly [number, number];
    readonly tolerance: number;
    readonly bytes: string;
    readonly pixels: string;
  }[];
  readonly refused: readonly { readonly name: string; readonly bytes: string }[];
  readonly resized: readonly {
    readonly fit: "cover" | "contain" | "fill";
    readonly size: readonly [number, number];
    readonly pixels: string;
  }[];
}

const golden: Golden = JSON.parse(
  readFileSync(new URL("../../../test/golden/images.json", import.meta.url), "utf8"),
);
const bytesOf = (base64: string) => new Uint8Array(Buffer.from(base64, "base64"));
const file = (name: string) => bytesOf(golden.files.find((each) => each.name === name)!.bytes);

async function decode(bytes: Uint8Array, options: ImagesOptions): Promise<Uint8Array> {
  const result = await (await openDecoder(settle("test", options))).decode(bytes);
  if ("problem" in result) assert.fail(result.problem);
  return result;
}

async function problemOf(bytes: Uint8Array): Promise<string> {
  const result = await (await openDecoder(settle("test", { size: [4, 4] }))).decode(bytes);
  return "problem" in result ? result.problem : assert.fail("it was decoded");
}

/** Pixels side by side [height, width, 3] in planes [3, height, width]. */
const inPlanes = (pixels: Uint8Array) =>
  [0, 1, 2].flatMap((channel) => [...pixels.filter((_, at) => at % 3 === channel)]);

function distances(got: Uint8Array, expected: readonly number[]) {
  assert.equal(got.length, expected.length);
  const apart = expected.map((value, at) => Math.abs(value - got[at]!));
  return { largest: Math.max(...apart), mean: apart.reduce((sum, each) => sum + each, 0) / apart.length };
}

/** A PNG of pixels [height, width, channels]. */
const png = (width: number, height: number, channels: 1 | 2 | 3 | 4, pixels: readonly number[]) =>
  sharp(Uint8Array.from(pixels), { raw: { width, height, channels } }).png().toBuffer();

for (const { name, size, tolerance, bytes, pixels } of golden.files) {
  test(`${name} gives the pixels that Pillow reads`, async () => {
    const got = await decode(bytesOf(bytes), { size });
    assert.ok(distances(got, inPlanes(bytesOf(pixels))).largest <= tolerance);
  });
}

test("a smaller image is that of Pillow's Lanczos filter, in each way of fitting", async () => {
  for (const { fit, size, pixels } of golden.resized) {
    const got = await decode(file("photo.jpg"), { size, fit, background: [255, 0, 128] });
    const { largest, mean } = distances(got, inPlanes(bytesOf(pixels)));
    // libvips first averages whole pixels and then filters in fixed point; a shift by half a pixel gives a mean of 7.
    assert.ok(largest <= 5 && mean <= 0.6, `${fit} ${size}: ${largest}, ${mean}`);
  }
});

test("an enlarged image lies half a pixel further on, as libvips has it", async () => {
  const ramp = await png(
    10,
    1,
    1,
    Array.from({ length: 10 }, (_, at) => 20 * at),
  );
  for (const width of [20, 30, 80]) {
    const got = await decode(ramp, { size: [1, width], channels: 1, fit: "fill" });
    const scale = width / 10;
    for (let at = 2 * scale; at < 8 * scale; at++) {
      const expected = 20 * (at / scale - 0.5);
      assert.ok(Math.abs(got[at]! - expected) <= 1, `${width}: ${at} is ${got[at]}, not ${expected}`);
    }
  }
});

test("what is cut off or added is the same on both sides, but for an odd pixel", async () => {
  const wide = await png(5, 1, 1, [10, 20, 30, 40, 50]);
  assert.deepEqual([...(await decode(wide, { size: [1, 3], channels: 1 }))], [20, 30, 40]);
  assert.deepEqual([...(await decode(wide, { size: [1, 2], channels: 1 }))], [30, 40]);
  const background = [0, 0, 0] as const;
  const contained = { size: [2, 5], channels: 1, fit: "contain", background } as const;
  assert.deepEqual([...(await decode(wide, contained))], [10, 20, 30, 40, 50, 0, 0, 0, 0, 0]);
});

test("grey is the luminance in linear light, and grey in three channels is the same in each", async () => {
  const colours = await png(4, 1, 3, [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255]);
  const grey = await decode(colours, { size: [1, 4], channels: 1 });
  // ITU-R BT.709 weights and the curve of sRGB (IEC 61966-2-1); 8 bits may be rounded either way.
  const expected = [0.2126, 0.7152, 0.0722, 1].map((linear) => 255 * (1.055 * linear ** (1 / 2.4) - 0.055));
  for (const [at, value] of expected.entries()) assert.ok(Math.abs(grey[at]! - value) <= 1);
  const values = [0, 1, 127, 254, 255];
  const three = await decode(await png(5, 1, 1, values), { size: [1, 5] });
  assert.deepEqual([...three], [...values, ...values, ...values]);
  assert.deepEqual([...(await decode(await png(5, 1, 1, values), { size: [1, 5], channels: 1 }))], values);
});

test("what shows through transparency is the background, also in 16 bits", async () => {
  const pixels = [10, 20, 30, 0, 10, 20, 30, 255];
  const bytes = await png(2, 1, 4, pixels);
  const background = [1, 128, 255] as const;
  assert.deepEqual([...(await decode(bytes, { size: [1, 2] }))], [255, 10, 255, 20, 255, 30]);
  assert.deepEqual([...(await decode(bytes, { size: [1, 2], background }))], [1, 10, 128, 20, 255, 30]);
  const deep = await sharp(
    Uint16Array.from(pixels, (value) => 257 * value),
    {
      raw: { width: 2, height: 1, channels: 4 },
    },
  )
    .toColourspace("rgb16")
    .png()
    .toBuffer();
  const got = await decode(deep, { size: [1, 2], background });
  // The background is put there in 16 bits and rounded down to 8.
  assert.ok(distances(got, [1, 10, 128, 20, 255, 30]).largest <= 1, String(got));
  const grey = await png(2, 1, 2, [50, 0, 50, 255]);
  assert.deepEqual([...(await decode(grey, { size: [1, 2], channels: 1 }))], [255, 50]);
});

test("a file for a printing press comes out in colours that can be told apart", async () => {
  const colours = [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255];
  const blocks = Array.from({ length: 16 }, () => colours).flat();
  const raw = { width: 4, height: 16, channels: 3 } as const;
  const bytes = await sharp(Uint8Array.from(blocks), { raw }).toColourspace("cmyk").tiff().toBuffer();
  assert.equal((await sharp(bytes).metadata()).space, "cmyk");
  const got = await decode(bytes, { size: [1, 4], fit: "fill" });
  const pixel = (at: number) => [got[at]!, got[4 + at]!, got[8 + at]!];
  for (const [at, strongest] of [0, 1, 2].entries()) {
    assert.equal(pixel(at).indexOf(Math.max(...pixel(at))), strongest);
  }
  // No ink is white, up to the rounding of three conversions.
  assert.ok(Math.min(...pixel(3)) >= 253, String(pixel(3)));
  assert.equal((await decode(bytes, { size: [1, 4], channels: 1 })).length, 4);
});

test("files that are no images of pixels say what they are", async () => {
  const text = (content: string) => new TextEncoder().encode(content);
  const svg = text(
    '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><rect width="4" height="4"/></svg>',
  );
  assert.equal(await problemOf(new Uint8Array()), "an empty file");
  assert.equal(await problemOf(text("a text")), "a file of another kind");
  assert.equal(await problemOf(svg), "one in SVG");
  assert.equal(
    await problemOf(file("photo.jpg").subarray(0, 900)),
    "damaged bytes (premature end of JPEG image)",
  );
  assert.match(await problemOf(file("photo.png").subarray(0, 900)), /^damaged bytes/);
  const huge = file("photo.png").slice();
  new DataView(huge.buffer).setUint32(16, 100_000); // the width
  new DataView(huge.buffer).setUint32(20, 100_000);
  new DataView(huge.buffer).setUint32(29, crc32(huge.subarray(12, 29)));
  assert.equal(await problemOf(huge), "more than 268 million pixels");
  const problems = await Promise.all(golden.refused.map(({ bytes }) => problemOf(bytesOf(bytes))));
  const noFormat = "a file of another kind";
  assert.deepEqual(
    golden.refused.map(({ name }, at) => `${name}: ${problems[at]}`),
    [
      "float.tif: pixels of type float, which have no 0 … 255",
      "int.tif: pixels of type int, which have no 0 … 255",
      `windows.bmp: ${noFormat}`,
      `jpeg-2000.jp2: ${noFormat}`,
      `portable.pgm: ${noFormat}`,
    ],
  );
});

test("bytes that were decoded before and have changed since give their new pixels", async () => {
  const decoder = await openDecoder(settle("test", { size: [1, 1], channels: 1 }));
  const [dark, light] = await Promise.all([png(1, 1, 1, [3]), png(1, 1, 1, [250])]);
  assert.equal(dark.length, light.length);
  const bytes = new Uint8Array(dark);
  assert.deepEqual(await decoder.decode(bytes), Uint8Array.of(3));
  bytes.set(light);
  assert.deepEqual(await decoder.decode(bytes), Uint8Array.of(250));
});

test("a photo whose only fault is what many telephones write is whole", async () => {
  const bytes = file("photo.jpg").slice();
  const scan = bytes.findIndex((byte, at) => byte === 0xff && bytes[at + 1] === 0xda);
  const selection = scan + 5 + 2 * bytes[scan + 4]!; // spectral selection: 0 to 63 where all is right
  assert.deepEqual([...bytes.subarray(selection, selection + 2)], [0, 63]);
  bytes[selection + 1] = 0;
  await assert.rejects(sharp(bytes).raw().toBuffer(), /Invalid SOS parameters/);
  const size = [30, 40] as const;
  assert.deepEqual(await decode(bytes, { size }), await decode(file("photo.jpg"), { size }));
});

test("a PNG with any one byte changed is refused, or has lost nothing", async () => {
  const bytes = file("rgba.png");
  const decoder = await openDecoder(settle("test", { size: [9, 14] }));
  const whole = await decoder.decode(bytes);
  let refused = 0;
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice();
    changed[at]! ^= 1 << (at % 8);
    const result = await decoder.decode(changed);
    if ("problem" in result) refused++;
    else assert.deepEqual(result, whole, `byte ${at}`);
  }
  assert.ok(refused > bytes.length / 2, `${refused} of ${bytes.length}`);
});

test("damaged files of every format end in pixels of the right number or in words, never otherwise", async () => {
  const decoder = await openDecoder(settle("test", { size: [5, 7] }));
  const damaged = fc
    .tuple(
      fc.constantFrom(...golden.files),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.array(fc.tuple(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.nat(255)), {
        maxLength: 6,
      }),
    )
    .map(([{ bytes }, kept, changes]) => {
      const whole = bytesOf(bytes);
      const cut = whole.slice(0, kept > 0.5 ? whole.length : Math.ceil(whole.length * 2 * kept));
      for (const [place, value] of changes) cut[Math.floor(place * cut.length)] = value;
      return cut;
    });
  await fc.assert(
    fc.asyncProperty(damaged, async (bytes) => {
      const result = await decoder.decode(bytes);
      if ("problem" in result) assert.match(result.problem, /\S/);
      else assert.equal(result.length, 3 * 5 * 7);
    }),
    { numRuns: 300 },
  );
});

test("a picture of extreme proportions comes to any size", async () => {
  const line = await png(1, 5000, 1, Array<number>(5000).fill(77));
  for (const fit of ["cover", "contain", "fill"] as const) {
    assert.equal((await decode(line, { size: [3, 64], fit })).length, 3 * 3 * 64);
  }
});
