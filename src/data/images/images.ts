/** Folders of images as samples: decoded and resized once, kept as bytes. */
import { fail } from "../../errors.ts";
import { collect } from "../collect.ts";
import type { Dataset } from "../dataset.ts";
import type { Source } from "../source.ts";
import { openDecoder } from "./decode.ts";
import { fingerprintOfImages, listImages } from "./folder.ts";
import { type ImagesOptions, settle } from "./options.ts";
import { type ImagesReport, readImages, type UnlabelledColumns } from "./read-images.ts";

export type { ImagesOptions } from "./options.ts";
export type { ImagesReport, UnlabelledColumns } from "./read-images.ts";

/** A sample of a folder of classes. */
export type LabelledColumns = UnlabelledColumns & {
  readonly class: {
    readonly dtype: "int32";
    readonly shape: readonly [];
    readonly categories: readonly string[];
  };
};

/** Images in memory. */
export interface Images<Columns extends UnlabelledColumns = LabelledColumns> extends Dataset<Columns> {
  readonly report: ImagesReport;
}

/** Images to be read, into memory or into a cache. */
export interface ImagesSource<Columns extends UnlabelledColumns = LabelledColumns>
  extends Source<Columns, Images<Columns>> {
  /** What the last reading found that came to the end. Throws before one. */
  report(): ImagesReport;
}

/**
 * Reads a folder of images by class, each decoded and resized once:
 *
 *   const flowers = await images("flowers/", { size: [64, 64] });            // flowers/rose/1.jpg, flowers/tulip/…
 *   const { training, validation } = split(flowers, { stratify: "class" });
 *
 * Columns of the dataset: image uint8 [channels, height, width], 0 … 255, and class int32 [], whose
 * categories are the names of the folders in the order of their code points; with labels: false, image alone.
 * Samples are in the order of the code points of their files' paths. A second folder, for test, is given the
 * classes of the first:
 *
 *   const test = await images("flowers-test/", { size: [64, 64], classes: flowers.columns.class.categories });
 *
 * A file is what its bytes say, whatever it is called: JPEG, PNG, WebP, GIF, TIFF or AVIF. It is turned
 * upright as its EXIF orientation says, put on the background where it is transparent, and brought to sRGB by
 * its colour profile, from CMYK too; 16 bits become 8; of an animation or of several pages it is the first.
 * It is made smaller by Lanczos' filter, a = 3, and larger by cubic interpolation, which in sharp moves it by
 * half a pixel to the right and down. The same file gives the same pixels with the same version of sharp on
 * one kind of processor.
 * Folders in a class's folder belong to the class, symbolic links are followed, hidden files are left alone.
 *
 * Throws when the folder is missing, has fewer than two classes or a class without images, or has a folder that is none
 * of `classes`; for a file that cannot be read, is no image or is damaged, naming it, beyond the number that
 * onBadFile: { skip: 10 } allows.
 * All images are held in memory: channels · height · width bytes each.
 */
export function images(
  folder: string,
  options: ImagesOptions & { readonly labels: false },
): Promise<Images<UnlabelledColumns>>;
export function images(folder: string, options: ImagesOptions & { readonly labels?: true }): Promise<Images>;
export async function images(folder: string, options: ImagesOptions): Promise<Images<UnlabelledColumns>> {
  return collect(await openImages(folder, options));
}

/** The same, to be read piece by piece: for a cache on disk, where the images outgrow memory. */
export function imagesSource(
  folder: string,
  options: ImagesOptions & { readonly labels: false },
): Promise<ImagesSource<UnlabelledColumns>>;
export function imagesSource(
  folder: string,
  options: ImagesOptions & { readonly labels?: true },
): Promise<ImagesSource>;
export function imagesSource(
  folder: string,
  options: ImagesOptions,
): Promise<ImagesSource<UnlabelledColumns>> {
  return openImages(folder, options);
}

/** With the column of classes, where there are any, known to the overloads alone. */
async function openImages(folder: string, options: ImagesOptions): Promise<ImagesSource<UnlabelledColumns>> {
  const settings = settle(folder, options);
  const { channels, height, width, labels, skip } = settings;
  const { files, classes } = await listImages(folder, settings);
  const image = { dtype: "uint8", shape: [channels, height, width] } as const;
  const columns = labels
    ? { image, class: { dtype: "int32", shape: [], categories: classes } as const }
    : { image };
  let last: ImagesReport | undefined;
  return {
    name: folder,
    columns,
    ...(skip === 0 && { size: files.length }),
    async fingerprint() {
      const { versions } = await openDecoder(settings);
      return fingerprintOfImages(folder, files, { settings, versions });
    },
    async *pieces() {
      last = undefined;
      const decoder = await openDecoder(settings);
      last = yield* readImages({ folder, files, classes, settings, decoder });
    },
    report: () => last ?? notRead(folder),
    dataOf: (dataset, report) => Object.freeze({ ...dataset, report: report as ImagesReport }), // what report gave
  };
}

function notRead(folder: string): never {
  return fail(`report of the images in ${folder}`, {
    expected: "a reading that came to its end",
    got: "none yet",
    fix: "read all pieces() first",
  });
}
