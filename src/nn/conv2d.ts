/** The convolutional layer of images. */

import { convolve } from "../ops/convolution.ts";
import {
  geometryOf,
  type KernelMovement,
  type Padding,
  type Pair,
  pairOf,
  requireFit,
  sizeOf,
} from "../ops/convolution-geometry.ts";
import { argumentsOf, type ConvolutionLayerOptions, convolutionLayer, written } from "./convolution.ts";
import type { Layer } from "./layer.ts";

/** Options of `conv2d`. */
export interface Conv2dOptions extends ConvolutionLayerOptions, KernelMovement {
  /** Zeros around the image: a number, one for height and one for width, or "same" (the output has the input's size). Default 0. */
  readonly padding?: Padding;
}

/**
 * Convolution (cross-correlation) of images: [batch, inputs, height, width] → [batch, outputs, height', width'], where
 * height' = ⌊(height + 2 · padding − dilation · (kernel − 1) − 1) / stride⌋ + 1. kernel: a number or [height, width].
 * Weight [outputs, inputs / groups, kernel height, kernel width], bias [outputs]; groups: inputs makes it depthwise.
 * Without `inputs` the layer takes them from the first tensor it is applied to. Applying it again shares its parameters.
 * Throws for sizes that are no whole numbers from 1 on, for other channels, and for images that the kernel does not fit in.
 * Source: PyTorch Conv2d, with its defaults and first values (fan: inputs / groups · kernel height · kernel width).
 */
export function conv2d(outputs: number, kernel: number | Pair, options?: Conv2dOptions): Layer;
export function conv2d(
  inputs: number,
  outputs: number,
  kernel: number | Pair,
  options?: Conv2dOptions,
): Layer;
export function conv2d(
  ...args: [number, number | Pair, (number | Pair | Conv2dOptions)?, Conv2dOptions?]
): Layer {
  const { inputs, outputs, kernel: given, options } = argumentsOf<number | Pair, Conv2dOptions>(args);
  const called = (channels?: number) =>
    `conv2d(${channels === undefined ? "" : `${channels}, `}${outputs}, ${written(given)})`;
  const where = called(inputs);
  const kernel = pairOf(where, "kernel", given);
  const geometry = geometryOf(where, kernel, options);
  const { groups } = geometry;
  return convolutionLayer(
    {
      where,
      called,
      name: "conv2d",
      inputs,
      outputs,
      groups,
      axes: 4,
      weightShape: (channels) => [outputs, channels / groups, ...kernel],
      apply: (x, weight, bias) => {
        requireFit(where, sizeOf(x.shape), kernel, geometry);
        return convolve(x, weight, { ...options, bias });
      },
    },
    options,
  );
}
