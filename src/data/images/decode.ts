/** One image file's bytes → the pixels of a sample. The only file that knows the image library. */
import type { Sharp } from "sharp";
import { bug, fail, messageOf } from "../../errors.ts";
import type { ImageSettings } from "./options.ts";

/** Turns the bytes of image files into samples. */
export interface Decoder {
  /** The versions of everything that has a say in the pixels. */
  readonly versions: string;
  /** Pixels [channels, height, width], or what is wrong with the image. */
  decode(bytes: Uint8Array): Promise<Uint8Array | { readonly problem: string }>;
}

/** What may be in a file, for people. */
export const formats = "JPEG, PNG, WebP, GIF, TIFF or AVIF";

/**
 * The decoder for these settings. Loads the image library, which nothing else needs.
 * Throws where it is not installed for this platform.
 */
export async function openDecoder(settings: ImageSettings): Promise<Decoder> {
  const { default: sharp } = await import("sharp").catch((error: unknown) =>
    fail(
      "images",
      {
        expected: "the image library sharp for this platform",
        got: messageOf(error).split("\n")[0]!,
        fix: "run npm install again on this machine, with optional dependencies",
      },
      { cause: error },
    ),
  );
  // Warnings of a decoder (cut off, damaged inside) are errors: the pixels behind them would be made up.
  const read = async (bytes: Uint8Array, failOn: "warning" | "error" = "warning") => {
    const image = sharp(bytes, { failOn });
    const { format, space, depth } = await image.metadata();
    const problem = problemOf(format, space, depth);
    return problem === undefined ? pixelsOf(image, settings) : { problem };
  };
  return {
    versions: JSON.stringify(sharp.versions),
    async decode(bytes) {
      if (bytes.length === 0) return { problem: "an empty file" };
      try {
        return await read(bytes).catch((error) =>
          isHarmless(error) ? read(bytes, "error") : Promise.reject(error),
        );
      } catch (error) {
        return { problem: reasonOf(error) };
      }
    },
  };
}

/** What a decoder says, each thing once and without what is said of every damaged file. */
function complaintsOf(error: unknown): string[] {
  const lines = messageOf(error)
    .split("\n")
    .map((line) =>
      line
        .replace("Input buffer has corrupt header:", "")
        .replace(/^\s*Vips\w+: /, "")
        .trim(),
    );
  return [...new Set(lines)].filter((line) => line !== "" && !/due to failOn|bad seek/.test(line));
}

/** Many telephones write this into photos that are whole: numbers that a JPEG of this kind has no use for. */
function isHarmless(error: unknown): boolean {
  const [complaint, ...others] = complaintsOf(error);
  return complaint === "Invalid SOS parameters for sequential JPEG" && others.length === 0;
}

function reasonOf(error: unknown): string {
  const complaints = complaintsOf(error);
  const all = complaints.join(" ");
  if (all.includes("unsupported image format")) return "a file of another kind";
  if (all.includes("exceeds pixel limit")) return "more than 268 million pixels";
  return complaints.length === 0 ? "damaged bytes" : `damaged bytes (${complaints.slice(0, 2).join(", ")})`;
}

/**
 * SVG would be drawn with the fonts of the machine; other than 8 and 16 bits have no agreed black and white, and would be
 * cut off at 255 without a word.
 */
function problemOf(format: string, space: string, depth: string): string | undefined {
  if (!pixelFormats.has(format)) return `one in ${format.toUpperCase()}`;
  if (depth !== "uchar" && depth !== "ushort") return `pixels of type ${depth}, which have no 0 … 255`;
  return spaces.has(space) ? undefined : `colours of the kind "${space}"`;
}

const pixelFormats: ReadonlySet<string> = new Set(["jpeg", "png", "webp", "gif", "tiff", "heif"]);
const spaces: ReadonlySet<string> = new Set(["srgb", "rgb", "rgb16", "b-w", "grey16", "cmyk"]);

/** The order in which the library works: upright, on the background, resized, in the colours wanted, 8 bits. */
async function pixelsOf(image: Sharp, settings: ImageSettings): Promise<Uint8Array> {
  const { height, width, channels, fit } = settings;
  const [r, g, b] = settings.background;
  const { data, info } = await image
    .autoOrient()
    .flatten({ background: { r, g, b } })
    // Shrinking while a JPEG is decoded gives other pixels than the same picture as PNG, and was measured to save a fifth.
    .resize({ height, width, fit, background: { r, g, b }, kernel: "lanczos3", fastShrinkOnLoad: false })
    .toColourspace(channels === 1 ? "b-w" : "srgb")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  if (info.height !== height || info.width !== width || info.channels !== channels)
    bug(`an image came out as ${info.height} × ${info.width} × ${info.channels}`);
  const pixels = new Uint8Array(data.buffer, data.byteOffset, data.length);
  return channels === 1 ? pixels : planes(pixels, channels);
}

/** Colours side by side → one plane per colour: the layout of convolutions.   [pixels, channels] → [channels, pixels] */
function planes(interleaved: Uint8Array, channels: number): Uint8Array {
  const pixels = interleaved.length / channels;
  const result = new Uint8Array(interleaved.length);
  for (let channel = 0; channel < channels; channel++) {
    for (let pixel = 0, at = channel; pixel < pixels; pixel++, at += channels)
      result[channel * pixels + pixel] = interleaved[at]!;
  }
  return result;
}
