/** Images a little brighter or darker, of more or less contrast, of stronger or weaker colours, at random. */
import { fail } from "../../errors.ts";
import type { Augmentation, AugmentationKind } from "./augmentation.ts";
import { describeAugmentation } from "./options.ts";

/** Options of `colour`: for each how far its factor may be from 1, from 0 to 1. Default 0, which leaves it as it is. */
export interface ColourOptions {
  /** Pixels are multiplied by a factor from [1 − brightness, 1 + brightness]. */
  readonly brightness?: number;
  /** The same for the distance from the mean of the image in grey. */
  readonly contrast?: number;
  /** The same for the distance of each pixel from its grey. For 3 channels, red, green and blue. */
  readonly saturation?: number;
}

/**
 * Changes brightness, then contrast, then saturation, each by a factor of its own, drawn uniformly. Every
 * step cuts off below 0 and above 255; what comes out is rounded once, to the nearest whole number, halves
 * upwards. Grey is 0.299 red + 0.587 green + 0.114 blue; an image of one channel is grey.
 * Throws for an option outside [0, 1]; and, at the start of a run, for images of other than 1 or 3 channels.
 * Source: torchvision.transforms.functional's adjust_brightness, adjust_contrast and adjust_saturation; luma
 * of ITU-R BT.601. Differs from torchvision: the order is fixed, and it cuts off the fractions after every
 * step, which darkens an image by half a level each time.
 */
export function colour(options: ColourOptions): Augmentation {
  return describeAugmentation(colourKind, options);
}

interface Settled {
  readonly brightness: number;
  readonly contrast: number;
  readonly saturation: number;
}

/** Draws: 0 for brightness, 1 for contrast, 2 for saturation. */
export const colourKind: AugmentationKind<Settled> = {
  name: "colour",
  rules: {
    brightness: { from: 0, to: 1, default: 0 },
    contrast: { from: 0, to: 1, default: 0 },
    saturation: { from: 0, to: 1, default: 0 },
  },
  open(where, options, { channels, height, width }) {
    if (channels !== 1 && channels !== 3) {
      fail(where, {
        expected: "images of 1 channel, grey, or 3, red, green and blue",
        got: `${channels} channels`,
        fix: "leave colour out",
      });
    }
    if (channels === 1 && options.saturation > 0) {
      fail(where, {
        expected: "images of 3 channels, red, green and blue, to change the saturation of",
        got: "grey ones",
        fix: "leave saturation out",
      });
    }
    const luma = channels === 1 ? [1] : lumaOfRgb;
    const tone = toneCurve(luma, height * width);
    return (image, draw) => {
      const factor = (spread: number, index: number) => 1 + (2 * draw(index) - 1) * spread;
      const curve = tone(image, factor(options.brightness, 0), factor(options.contrast, 1));
      if (channels === 1) apply(image, curve);
      else saturate(image, curve, factor(options.saturation, 2));
    };
  },
};

const lumaOfRgb = [0.299, 0.587, 0.114];

const cutOff = (value: number) => (value < 0 ? 0 : value > 255 ? 255 : value);

/**
 * What brightness and contrast make of each of the 256 values. The mean comes from a count of the values:
 * whole numbers, so that no order of adding can matter.
 */
function toneCurve(luma: readonly number[], pixels: number) {
  const counts = new Uint32Array(256);
  const curve = new Float64Array(256);
  return (image: Uint8Array, brightness: number, contrast: number): Float64Array => {
    for (let value = 0; value < 256; value++) curve[value] = cutOff(brightness * value);
    let mean = 0;
    for (const [channel, weight] of luma.entries()) {
      counts.fill(0);
      for (let at = channel * pixels; at < (channel + 1) * pixels; at++) counts[image[at]!]!++;
      let sum = 0;
      for (let value = 0; value < 256; value++) sum += counts[value]! * curve[value]!;
      mean += weight * (sum / pixels);
    }
    for (let value = 0; value < 256; value++) {
      curve[value] = cutOff(contrast * curve[value]! + (1 - contrast) * mean);
    }
    return curve;
  };
}

function apply(image: Uint8Array, curve: Float64Array): void {
  for (let at = 0; at < image.length; at++) image[at] = curve[image[at]!]! + 0.5; // a byte drops the fraction
}

function saturate(image: Uint8Array, curve: Float64Array, factor: number): void {
  const pixels = image.length / 3;
  const [redWeight, greenWeight, blueWeight] = lumaOfRgb as [number, number, number]; // three, see above
  for (let at = 0; at < pixels; at++) {
    const red = curve[image[at]!]!;
    const green = curve[image[at + pixels]!]!;
    const blue = curve[image[at + 2 * pixels]!]!;
    const rest = (1 - factor) * (redWeight * red + greenWeight * green + blueWeight * blue);
    image[at] = cutOff(factor * red + rest) + 0.5;
    image[at + pixels] = cutOff(factor * green + rest) + 0.5;
    image[at + 2 * pixels] = cutOff(factor * blue + rest) + 0.5;
  }
}
