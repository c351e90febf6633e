/** What `images` is told, and whether that is anything at all: JavaScript may pass whatever it likes. */
import { fail, kindOf } from "../../errors.ts";

/** How an image comes to its size, and what to do with a file that is none. */
export interface ImagesOptions {
  /** [height, width] of every image, in pixels: whole numbers from 1 to 8192. */
  readonly size: readonly [height: number, width: number];
  /**
   * 3: red, green, blue. 1: grey, the luminance of the colours (ITU-R BT.709, in linear light; a formula on the coded numbers
   * such as 0.299 red + 0.587 green + 0.114 blue gives others). Default 3.
   */
  readonly channels?: 1 | 3;
  /**
   * Where an image has other proportions than `size`. "cover": scaled until it fills the size, and what stands over is cut off
   * on both sides alike. "contain": scaled until it fits in, and the rest is background. "fill": stretched.
   * Default "cover": nothing is distorted and nothing invented.
   */
  readonly fit?: "cover" | "contain" | "fill";
  /** Red, green and blue, 0 … 255, of what shows through transparency and around a contained image. Default white. */
  readonly background?: readonly [red: number, green: number, blue: number];
  /** Whether folders are classes. Default true. */
  readonly labels?: boolean;
  /**
   * The classes, in the order of their codes, where another folder has said what they are: that of the training images. Some
   * may be without images here. Default: the names of the folders.
   */
  readonly classes?: readonly string[];
  /** A file that cannot be read or is no image: an error, or up to so many are left out and listed. Default "error". */
  readonly onBadFile?: "error" | { readonly skip: number };
}

/** The same with everything decided. */
export interface ImageSettings {
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3;
  readonly fit: "cover" | "contain" | "fill";
  readonly background: readonly [red: number, green: number, blue: number];
  readonly labels: boolean;
  readonly classes?: readonly string[];
  /** How many bad files are left out before it is an error. */
  readonly skip: number;
}

/** Throws for an unknown option and for one of the wrong kind; decides what was left out. */
export function settle(folder: string, options: ImagesOptions): ImageSettings {
  const where = `images in ${folder}`;
  const given = Object.entries(isObject(options) ? options : {}).filter(([, value]) => value !== undefined);
  const unknown = given.find(([name]) => !Object.hasOwn(kinds, name))?.[0];
  if (unknown !== undefined || !given.some(([name]) => name === "size")) {
    fail(`${where}, options`, {
      expected: `size, and at most ${Object.keys(kinds)
        .filter((name) => name !== "size")
        .join(", ")}`,
      got: unknown === undefined ? "no size" : `"${unknown}"`,
      fix: unknown === undefined ? "for example { size: [64, 64] }" : "rename or remove it",
    });
  }
  for (const [name, value] of given) {
    const [expected, holds, fix] = kinds[name as keyof typeof kinds]; // it is one of them, see above
    if (!holds(value)) fail(`${where}, option ${name}`, { expected, got: kindOf(value), fix });
  }
  const { size, channels = 3, fit = "cover", background = [255, 255, 255], labels = true } = options;
  const { classes, onBadFile = "error" } = options;
  if (classes !== undefined && !labels) {
    fail(`${where}, options`, {
      expected: "classes only where folders are classes",
      got: "labels: false too",
      fix: "remove one of the two",
    });
  }
  const skip = onBadFile === "error" ? 0 : onBadFile.skip;
  const [height, width] = size;
  return {
    height,
    width,
    channels,
    fit,
    background,
    labels,
    ...(classes && { classes: [...classes] }),
    skip,
  };
}

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isListOf = (length: number, holds: (value: number) => boolean) => (value: unknown) =>
  Array.isArray(value) &&
  value.length === length &&
  value.every((item) => Number.isInteger(item) && holds(item));
const isClasses = (value: unknown) =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((name) => typeof name === "string" && name !== "") &&
  new Set(value).size === value.length;

/** What each option may be; typed by the options, so that one that is missing here does not compile. */
const kinds: Readonly<
  Record<keyof ImagesOptions, readonly [expected: string, holds: (value: unknown) => boolean, fix: string]>
> = {
  size: [
    "[height, width] in pixels, whole numbers from 1 to 8192",
    isListOf(2, (pixels) => pixels >= 1 && pixels <= 8192),
    "for example [64, 64]",
  ],
  channels: ["1 (grey) or 3 (colours)", (value) => value === 1 || value === 3, "choose one"],
  fit: [
    '"cover", "contain" or "fill"',
    (value) => value === "cover" || value === "contain" || value === "fill",
    "choose one",
  ],
  background: [
    "[red, green, blue], whole numbers from 0 to 255",
    isListOf(3, (value) => value >= 0 && value <= 255),
    "for example [0, 0, 0] for black",
  ],
  labels: ["true or false", (value) => typeof value === "boolean", "choose one"],
  classes: [
    "a list of names of folders, each once",
    isClasses,
    "for example classes: training.columns.class.categories",
  ],
  onBadFile: [
    '"error" or { skip: how many files at most }',
    (value) => value === "error" || (isObject(value) && isSkip(value)),
    "for example { skip: 10 }",
  ],
};

const isSkip = (value: object) =>
  Object.keys(value).length === 1 &&
  "skip" in value &&
  Number.isInteger(value.skip) &&
  Number(value.skip) >= 0;
