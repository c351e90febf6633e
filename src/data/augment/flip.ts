/** Mirror images, at random. */
import type { Augmentation, AugmentationKind, ImageShape } from "./augmentation.ts";
import { describeAugmentation } from "./options.ts";

/** Options of `flip`. */
export interface FlipOptions {
  /** The probability of exchanging left and right. Default 0.5. */
  readonly horizontal?: number;
  /** The probability of exchanging top and bottom. Default 0: few things look the same upside down. */
  readonly vertical?: number;
}

/**
 * Mirrors an image with the given probabilities, each by a draw of its own. Not for what a mirror makes
 * something else, such as digits and letters.
 * Throws for a probability outside [0, 1].
 */
export function flip(options: FlipOptions = {}): Augmentation {
  return describeAugmentation(flipKind, options);
}

/** Draws: 0 for horizontal, 1 for vertical. */
export const flipKind: AugmentationKind<{ readonly horizontal: number; readonly vertical: number }> = {
  name: "flip",
  rules: {
    horizontal: { from: 0, to: 1, default: 0.5 },
    vertical: { from: 0, to: 1, default: 0 },
  },
  open(_where, { horizontal, vertical }, shape) {
    return (image, draw) => {
      if (draw(0) < horizontal) exchangeSides(image, shape);
      if (draw(1) < vertical) exchangeEnds(image, shape);
    };
  },
};

function exchangeSides(image: Uint8Array, { channels, height, width }: ImageShape): void {
  for (let row = 0; row < channels * height; row++) {
    for (let left = row * width, right = left + width - 1; left < right; left++, right--) {
      const kept = image[left]!;
      image[left] = image[right]!;
      image[right] = kept;
    }
  }
}

function exchangeEnds(image: Uint8Array, { channels, height, width }: ImageShape): void {
  for (let channel = 0; channel < channels; channel++) {
    const first = channel * height;
    for (let top = first, bottom = first + height - 1; top < bottom; top++, bottom--) {
      for (let column = 0; column < width; column++) {
        const kept = image[top * width + column]!;
        image[top * width + column] = image[bottom * width + column]!;
        image[bottom * width + column] = kept;
      }
    }
  }
}
