/** Convolution of images [samples, channels, height, width] and of sequences [samples, channels, length]. */
import { formatShape, isBatchDim, sameShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import {
  type Geometry,
  geometryOf,
  type KernelMovement,
  type Padding,
  type Pair,
  requireFit,
  requireImage,
  sizeOf,
  transposedSize,
} from "./convolution-geometry.ts";
import { convolution, convolutionInput } from "./convolution-ops.ts";
import { affine } from "./matmul.ts";
import { flatten, reshape } from "./movement.ts";

export type { KernelMovement, Padding, Pair } from "./convolution-geometry.ts";

/** Options of `convolve`. */
export interface ConvolveOptions extends KernelMovement {
  /** [outputs], added to every channel of the output. */
  readonly bias?: Tensor | undefined;
  /** Zeros around the input. Default 0. */
  readonly padding?: Padding;
}

/** Options of `convolveTransposed`. */
export interface ConvolveTransposedOptions extends KernelMovement {
  /** [outputs], added to every channel of the output. */
  readonly bias?: Tensor | undefined;
  /** What the convolution that this one turns around was padded with: so much less comes out. Default 0. */
  readonly padding?: number | Pair;
  /** Rows and columns more at the end, fewer than the stride. Default 0. */
  readonly outputPadding?: number | Pair;
}

/**
 * Cross-correlation, as every framework's convolution: x [samples, channels, height, width], weight [outputs,
 * channels / groups, rows, columns] → [samples, outputs, height', width'], where height' = ⌊(height + padding −
 * dilation · (rows − 1) − 1) / stride⌋ + 1. x [samples, channels, length] with weight [outputs, channels / groups, rows] is
 * taken as an image of height 1; the options are then one number each. float32 only: ONNX Runtime has no other kernel.
 * Throws where the channels do not fit the weight, and where the kernel reaches beyond the padded input.
 * Source: ONNX Conv-11; PyTorch conv1d and conv2d.
 */
export function convolve(x: Tensor, weight: Tensor, options: ConvolveOptions = {}): Tensor {
  const where = "convolve";
  if (x.shape.length === 3) return alongSequence(where, x, weight, options);
  requireImage(where, x.shape, 4);
  requireWeight(where, weight, 4);
  const kernel = sizeOf(weight.shape);
  const geometry = geometryOf(where, kernel, options);
  requireFit(where, sizeOf(x.shape), kernel, geometry);
  const { bias } = options;
  return seesAll(x, weight, geometry)
    ? fullyConnected(x, weight, bias)
    : convolution(x, weight, bias, geometry);
}

/**
 * The transposed convolution, the gradient of `convolve` as a function: x [samples, channels, height, width], weight
 * [channels, outputs / groups, rows, columns] → [samples, outputs, height', width'], where height' = (height − 1) · stride −
 * 2 · padding + dilation · (rows − 1) + outputPadding + 1. float32 only: ONNX Runtime has no other kernel.
 * Throws where the channels do not fit the weight, and where nothing is left after the padding.
 * Source: ONNX ConvTranspose-11; PyTorch conv_transpose2d, which also takes an outputPadding between stride and dilation.
 */
export function convolveTransposed(
  x: Tensor,
  weight: Tensor,
  options: ConvolveTransposedOptions = {},
): Tensor {
  const where = "convolveTransposed";
  requireImage(where, x.shape, 4);
  requireWeight(where, weight, 4);
  const kernel = sizeOf(weight.shape);
  const geometry = geometryOf(where, kernel, options);
  const size = transposedSize(where, sizeOf(x.shape), kernel, geometry, options.outputPadding ?? 0);
  return convolutionInput(x, weight, options.bias, size, geometry);
}

/** A sequence as an image of height 1: the kernels are the same, and so is their time. */
function alongSequence(where: string, x: Tensor, weight: Tensor, options: ConvolveOptions): Tensor {
  requireImage(where, x.shape, 3);
  requireWeight(where, weight, 3);
  const [samples, channels, length] = x.shape;
  const [outputs, inputs, reach] = weight.shape;
  const { stride = 1, dilation = 1, padding = 0 } = options;
  const image = convolve(
    reshape(x, [samples!, channels!, 1, length!]),
    reshape(weight, [outputs!, inputs!, 1, reach!]),
    {
      ...options,
      stride: widthOnly(where, "stride", stride, 1),
      dilation: widthOnly(where, "dilation", dilation, 1),
      padding: padding === "same" ? padding : widthOnly(where, "padding", padding, 0),
    },
  );
  return reshape(image, [samples!, outputs!, image.shape[3]!]);
}

function widthOnly(where: string, what: string, value: number | Pair, height: number): Pair {
  if (typeof value === "number") return [height, value];
  return fail(where, {
    expected: `${what} to be one number for a sequence`,
    got: JSON.stringify(value),
    fix: `${what}: ${value[1]}`,
  });
}

/** True where the kernel covers the whole image and sees all channels: there is one place for it. */
function seesAll(x: Tensor, weight: Tensor, { pads, groups }: Geometry): boolean {
  return groups === 1 && !pads.some(Boolean) && sameShape(x.shape.slice(1), weight.shape.slice(1));
}

/** The convolution as the product that it is where it sees all: its weights' gradient then joins a sum for free. */
function fullyConnected(x: Tensor, weight: Tensor, bias: Tensor | undefined): Tensor {
  const product = affine(flatten(x), flatten(weight), bias);
  return reshape(product, [...product.shape, 1, 1]);
}

/** Throws unless the weight has so many axes, all of fixed sizes. */
function requireWeight(where: string, weight: Tensor, axes: number): void {
  if (weight.shape.length === axes && !weight.shape.some(isBatchDim)) return;
  fail(where, {
    expected: `a weight of ${axes} axes of fixed sizes`,
    got: formatShape(weight.shape),
    fix: axes === 4 ? "[outputs, inputs / groups, rows, columns]" : "[outputs, inputs / groups, length]",
  });
}
