/** Images moved a little, at random. */
import { fail } from "../../errors.ts";
import type { Augmentation, AugmentationKind } from "./augmentation.ts";
import { describeAugmentation } from "./options.ts";

/** Options of `crop`. */
export interface CropOptions {
  /** Pixels added at each side before the crop: the image moves by at most so many, up, down, left and right. */
  readonly padding: number;
  /**
   * What is added: one value ("constant", the default), the pixels of the edge again ("edge"), or the image
   * mirrored at its edge, whose pixels are not repeated ("reflect").
   */
  readonly border?: "constant" | "edge" | "reflect";
  /** The value of a constant border, in every channel, 0 … 255. Default 0; 255 suits ink on white paper. */
  readonly fill?: number;
}

/**
 * Pads an image at each side and cuts out its own size at a random place: each of the (2 · padding + 1)²
 * places is equally likely. The usual augmentation of small images, with padding of an eighth of the side.
 * Throws for a padding that is no whole number from 1 on; and, at the start of a run, for one that is not
 * smaller than the images.
 * Source: torchvision.transforms.RandomCrop(size, padding, fill, padding_mode).
 */
export function crop(options: CropOptions): Augmentation {
  return describeAugmentation(cropKind, options);
}

interface Settled {
  readonly padding: number;
  readonly border: string;
  readonly fill: number;
}

/** Draws: 0 for the vertical place, 1 for the horizontal one. */
export const cropKind: AugmentationKind<Settled> = {
  name: "crop",
  rules: {
    padding: { from: 1, to: 2 ** 16, isWhole: true },
    border: { oneOf: ["constant", "edge", "reflect"], default: "constant" },
    fill: { from: 0, to: 255, isWhole: true, default: 0 },
  },
  open(where, { padding, border, fill }, { channels, height, width }) {
    const side = Math.min(height, width);
    if (padding >= side) {
      fail(where, {
        expected: `a padding smaller than the images, which are ${height} × ${width}`,
        got: String(padding),
        fix: side === 1 ? "leave crop out" : `for example crop({ padding: ${Math.ceil(side / 8)} })`,
      });
    }
    const rows = paddedPlaces(height, padding, border);
    const columns = paddedPlaces(width, padding, border);
    const original = new Uint8Array(channels * height * width);
    return (image, draw) => {
      const top = Math.floor(draw(0) * (2 * padding + 1));
      const left = Math.floor(draw(1) * (2 * padding + 1));
      if (top === padding && left === padding) return;
      original.set(image);
      for (let channel = 0, at = 0; channel < channels; channel++) {
        for (let y = 0; y < height; y++) {
          const row = rows[top + y]!;
          const first = (channel * height + row) * width;
          for (let x = 0; x < width; x++, at++) {
            const column = columns[left + x]!;
            image[at] = row < 0 || column < 0 ? fill : original[first + column]!;
          }
        }
      }
    };
  },
};

/** For each place of a padded side the place in the image it shows, or −1 for a constant. */
function paddedPlaces(side: number, padding: number, border: string): Int32Array {
  return Int32Array.from({ length: side + 2 * padding }, (_, index) => {
    const place = index - padding;
    if (place >= 0 && place < side) return place;
    if (border === "constant") return -1;
    if (border === "edge") return place < 0 ? 0 : side - 1;
    return place < 0 ? -place : 2 * (side - 1) - place;
  });
}
