/** The transposed convolutional layer of images. */
import { convolveTransposed } from "../ops/convolution.ts";
import {
  geometryOf,
  type KernelMovement,
  type Pair,
  pairOf,
  sizeOf,
  transposedSize,
} from "../ops/convolution-geometry.ts";
import { argumentsOf, type ConvolutionLayerOptions, convolutionLayer, written } from "./convolution.ts";
import type { Layer } from "./layer.ts";

/** Options of `convTranspose2d`. */
export interface ConvTranspose2dOptions extends ConvolutionLayerOptions, KernelMovement {
  /** What the convolution that this one turns around was padded with: so much less comes out on each side. Default 0. */
  readonly padding?: number | Pair;
  /** Rows and columns more at the end, fewer than the stride. Default 0. */
  readonly outputPadding?: number | Pair;
}

/**
 * Transposed convolution of images, which enlarges them: [batch, inputs, height, width] → [batch, outputs, height', width'],
 * where height' = (height − 1) · stride − 2 · padding + dilation · (kernel − 1) + outputPadding + 1.
 * Weight [inputs, outputs / groups, kernel height, kernel width], bias [outputs]. kernel: a number or [height, width].
 * Without `inputs` the layer takes them from the first tensor it is applied to. Applying it again shares its parameters.
 * Throws for sizes that are no whole numbers from 1 on, for other channels, and where the padding leaves nothing.
 * Source: PyTorch ConvTranspose2d, with its defaults and first values (its fan is outputs / groups · kernel height · width).
 */
export function convTranspose2d(
  outputs: number,
  kernel: number | Pair,
  options?: ConvTranspose2dOptions,
): Layer;
export function convTranspose2d(
  inputs: number,
  outputs: number,
  kernel: number | Pair,
  options?: ConvTranspose2dOptions,
): Layer;
export function convTranspose2d(
  ...args: [number, number | Pair, (number | Pair | ConvTranspose2dOptions)?, ConvTranspose2dOptions?]
): Layer {
  const { inputs, outputs, kernel: size, options } = argumentsOf<number | Pair, ConvTranspose2dOptions>(args);
  const called = (channels?: number) =>
    `convTranspose2d(${channels === undefined ? "" : `${channels}, `}${outputs}, ${written(size)})`;
  const where = called(inputs);
  const kernel = pairOf(where, "kernel", size);
  const geometry = geometryOf(where, kernel, options);
  const { groups } = geometry;
  const { outputPadding = 0 } = options;
  return convolutionLayer(
    {
      where,
      called,
      name: "convTranspose2d",
      inputs,
      outputs,
      groups,
      axes: 4,
      weightShape: (channels) => [channels, outputs / groups, ...kernel],
      apply: (x, weight, bias) => {
        transposedSize(where, sizeOf(x.shape), kernel, geometry, outputPadding);
        return convolveTransposed(x, weight, { ...options, bias });
      },
    },
    options,
  );
}
