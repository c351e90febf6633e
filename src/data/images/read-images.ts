/** The files of a folder → samples, piece by piece: several decoded at once, bad ones refused or left out. */
import { fail, MicrobatchError } from "../../errors.ts";
import { readFile } from "../files.ts";
import type { Piece } from "../source.ts";
import { type Decoder, formats } from "./decode.ts";
import type { ImageFile } from "./folder.ts";
import { inOrder } from "./in-order.ts";
import type { ImageSettings } from "./options.ts";

/** A sample of a folder without classes: pixels 0 … 255. */
export type UnlabelledColumns = {
  readonly image: {
    readonly dtype: "uint8";
    readonly shape: readonly [channels: number, height: number, width: number];
  };
};

/** What reading found, for people to see. */
export interface ImagesReport {
  /** The file of every sample, from the folder on. */
  readonly files: readonly string[];
  /** Files that were left out, and why. */
  readonly skipped: readonly { readonly file: string; readonly reason: string }[];
}

/** What a reading needs. */
export interface Reading {
  readonly folder: string;
  readonly files: readonly ImageFile[];
  readonly classes: readonly string[];
  readonly settings: ImageSettings;
  readonly decoder: Decoder;
}

/** Pieces of about 4 MB; with classes they have that column too. Throws as `images` says. */
export async function* readImages(reading: Reading): AsyncGenerator<Piece<UnlabelledColumns>, ImagesReport> {
  const { files, settings } = reading;
  const imageBytes = settings.channels * settings.height * settings.width;
  const room = Math.max(1, Math.floor(pieceBytes / imageBytes));
  const read: ImageFile[] = [];
  const skipped: Skipped[] = [];
  let some: Decoded[] = [];
  for await (const decoded of inOrder(files, atOnce, (file) => decode(file, reading.decoder))) {
    if ("problem" in decoded) {
      skipped.push({ file: decoded.file.path, reason: decoded.problem });
      if (skipped.length > settings.skip) refuse(reading, skipped);
      continue;
    }
    read.push(decoded.file);
    some.push(decoded);
    if (some.length < room) continue;
    yield pieceOf(some, imageBytes, settings.labels);
    some = [];
  }
  requireEveryClass(reading, read);
  if (some.length > 0) yield pieceOf(some, imageBytes, settings.labels);
  return { files: read.map(({ path }) => path), skipped };
}

/** As many at once as keep a few cores busy; each holds one file and one image. */
const atOnce = 8;
const pieceBytes = 4 * 2 ** 20;

type Skipped = ImagesReport["skipped"][number];

interface Decoded {
  readonly file: ImageFile;
  readonly pixels: Uint8Array;
}

function pieceOf(some: readonly Decoded[], imageBytes: number, labels: boolean): Piece<UnlabelledColumns> {
  const image = new Uint8Array(some.length * imageBytes);
  for (const [sample, { pixels }] of some.entries()) image.set(pixels, sample * imageBytes);
  const columns = labels ? { image, class: Int32Array.from(some, ({ file }) => file.code) } : { image };
  return { samples: some.length, columns };
}

async function decode(
  file: ImageFile,
  decoder: Decoder,
): Promise<Decoded | { readonly file: ImageFile; readonly problem: string }> {
  if (file.problem !== undefined) return { file, problem: file.problem };
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file.location);
  } catch (error) {
    // What is known to be the file's fault; a failing disk or too many open files are nothing to be skipped.
    if (error instanceof MicrobatchError) return { file, problem: error.got };
    throw error;
  }
  const result = await decoder.decode(bytes);
  return "problem" in result ? { file, problem: result.problem } : { file, pixels: result };
}

function refuse({ folder, settings: { skip } }: Reading, bad: readonly Skipped[]): never {
  const { file, reason } = bad.at(-1)!;
  if (skip === 0) {
    fail(`${folder.replace(/\/+$/, "")}/${file}`, {
      expected: `an image (${formats})`,
      got: reason,
      fix: "repair or remove the file, or leave such files out: onBadFile: { skip: 10 }",
    });
  }
  const first = bad.slice(0, 3).map((each) => `${each.file} (${each.reason})`);
  fail(`images in ${folder}`, {
    expected: `at most ${skip} files that are no images, as onBadFile says`,
    got: `one more: ${first.join(", ")}${bad.length > 3 ? `, … ${file} (${reason})` : ""}`,
    fix: "repair or remove them, or raise skip",
  });
}

/** A class whose files were all left out would be one that no model can learn. */
function requireEveryClass({ folder, classes, settings }: Reading, read: readonly ImageFile[]): void {
  if (settings.classes !== undefined) return;
  const codes = new Set(read.map(({ code }) => code));
  const lost = classes.find((_, code) => !codes.has(code));
  if (lost === undefined) return;
  fail(`images in ${folder}`, {
    expected: "an image of every class",
    got: `only files that are none in "${lost}"`,
    fix: "repair or remove them",
  });
}
