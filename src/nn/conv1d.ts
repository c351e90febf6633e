/** The convolutional layer of sequences. */
import { factorOf } from "../array/shape.ts";
import { convolve } from "../ops/convolution.ts";
import { geometryOf, requireFit, requireWhole } from "../ops/convolution-geometry.ts";
import { argumentsOf, type ConvolutionLayerOptions, convolutionLayer } from "./convolution.ts";
import type { Layer } from "./layer.ts";

/** Options of `conv1d`. */
export interface Conv1dOptions extends ConvolutionLayerOptions {
  /** How far the kernel moves at a time. Default 1. */
  readonly stride?: number;
  /** Zeros at both ends, or "same": as many as give the output the length of the input (stride 1 only). Default 0. */
  readonly padding?: number | "same";
  /** How far the kernel's elements lie apart. Default 1. */
  readonly dilation?: number;
  /** The channels are cut into so many groups, each with kernels of its own. Default 1; as many as channels: depthwise. */
  readonly groups?: number;
}

/**
 * Convolution (cross-correlation) of sequences: [batch, inputs, length] → [batch, outputs, length'], where length' =
 * ⌊(length + 2 · padding − dilation · (kernel − 1) − 1) / stride⌋ + 1. Weight [outputs, inputs / groups, kernel], bias [outputs].
 * Without `inputs` the layer takes them from the first tensor it is applied to. Applying it again shares its parameters.
 * Throws for sizes that are no whole numbers from 1 on, for other channels, and for sequences shorter than the kernel.
 * Source: PyTorch Conv1d, with its defaults and first values (fan: inputs / groups · kernel).
 */
export function conv1d(outputs: number, kernel: number, options?: Conv1dOptions): Layer;
export function conv1d(inputs: number, outputs: number, kernel: number, options?: Conv1dOptions): Layer;
export function conv1d(...args: [number, number, (number | Conv1dOptions)?, Conv1dOptions?]): Layer {
  const { inputs, outputs, kernel, options } = argumentsOf<number, Conv1dOptions>(args);
  const called = (channels?: number) =>
    `conv1d(${channels === undefined ? "" : `${channels}, `}${outputs}, ${kernel})`;
  const where = called(inputs);
  requireWhole(where, "kernel", kernel);
  const { stride = 1, dilation = 1, padding = 0, groups = 1 } = options;
  for (const [what, value, least] of [
    ["stride", stride, 1],
    ["dilation", dilation, 1],
    ["padding", padding, 0],
  ] as const) {
    if (what !== "padding" || value !== "same") requireWhole(where, what, value, least);
  }
  const geometry = geometryOf(where, [1, kernel], {
    stride: [1, stride],
    dilation: [1, dilation],
    padding: padding === "same" ? padding : [0, padding],
    groups,
  });
  return convolutionLayer(
    {
      where,
      called,
      name: "conv1d",
      inputs,
      outputs,
      groups,
      axes: 3,
      weightShape: (channels) => [outputs, channels / groups, kernel],
      apply: (x, weight, bias) => {
        requireFit(where, [1, factorOf(x.shape[2]!)], [1, kernel], geometry);
        return convolve(x, weight, { ...options, bias });
      },
    },
    options,
  );
}
