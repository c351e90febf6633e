/** How convolutions and the gradients of their inputs are written: in plain ONNX, or for a runtime that has blocked kernels. */
import { factorOf } from "../array/shape.ts";
import type { EmitContext } from "../graph/op.ts";
import {
  blockedRows,
  type Conv,
  convAttributes,
  isBlocked,
  placesMet,
  turnedBlockedWeight,
  writeBlocked,
} from "./convolution-blocked.ts";
import { type Geometry, type Pair, paddedSize, reachOf, sizeOf } from "./convolution-geometry.ts";

/** One convolution. */
export function emitConvolution(context: EmitContext<Geometry>): void {
  const { inputs, tensors, attributes } = context;
  const [outputs, channels] = tensors[1]!.shape.map(factorOf) as [number, number]; // weights have four axes
  const kernel = sizeOf(tensors[1]!.shape);
  const met = placesMet(context, inputs[0]!, channels, kernel, attributes);
  const geometry = met === undefined ? attributes : { ...attributes, strides: [1, 1] as const };
  writeConv(context, [met ?? inputs[0]!, ...inputs.slice(1)], { outputs, channels, kernel, geometry });
}

/**
 * A convolution with the kernels turned around, where that can be and is faster; else an ONNX ConvTranspose. With a stride, one
 * blocked convolution for each kind of columns took 0.85 … 1.4 of its time for 3 × 3, and 0.4 for 5 × 5: not worth its lines yet.
 */
export function emitInputGradient(context: EmitContext<Geometry & { readonly size: Pair }>): void {
  const { inputs, tensors, attributes, node, output } = context;
  const kernel = sizeOf(tensors[1]!.shape);
  const { groups } = attributes;
  const pads = turnedPads(attributes, kernel);
  if (pads !== undefined) {
    const [channels, outputs] = [factorOf(tensors[1]!.shape[0]!), factorOf(context.outputTensor.shape[1]!)];
    const conv = { outputs, channels: channels / groups, kernel, geometry: { ...attributes, pads } };
    if (isBlocked(context, conv) && conv.channels >= context.channelBlock!) {
      writeBlocked(context, inputs, conv, context.channelBlock!, 1, turnedBlockedWeight);
      return;
    }
    if (isBlocked(context, conv) || isTurnedFaster(context, kernel)) {
      writeConv(context, [inputs[0]!, turnedWeight(context, kernel), ...inputs.slice(2)], conv);
      return;
    }
  }
  const { size, strides, dilations } = attributes;
  const left = (axis: 0 | 1) =>
    (paddedSize(size, attributes.pads)[axis] - reachOf(kernel[axis], dilations[axis])) % strides[axis];
  node(
    "ConvTranspose",
    inputs,
    { ...convAttributes(attributes, kernel), output_padding: [left(0), left(1)] },
    output,
  );
}

/** An ONNX Conv, or the same in the runtime's blocked form. */
function writeConv(context: EmitContext<Geometry>, inputs: readonly string[], conv: Conv): void {
  const { node, output, channelBlock } = context;
  const rows = blockedRows(context, conv);
  if (channelBlock === undefined || rows === undefined) {
    node("Conv", inputs, convAttributes(conv.geometry, conv.kernel), output);
  } else writeBlocked(context, inputs, conv, channelBlock, rows);
}

/**
 * ConvTranspose multiplies before it adds up what overlaps, Conv after gathering it: which is less work depends on whether
 * more channels come in or go out. Measured 0.5 … 0.95 of the time where this says so, and 1.1 … 12 times it elsewhere.
 */
function isTurnedFaster({ tensors, attributes: { groups } }: EmitContext<Geometry>, kernel: Pair): boolean {
  const [outputs, channels] = tensors[1]!.shape.map(factorOf) as [number, number]; // weights have four axes
  return kernel[0] * kernel[1] === 1 || 4 * channels * groups >= 3 * outputs;
}

/** The zeros around y for which convolving with turned kernels gives the gradient; none where it would take fewer than 0. */
function turnedPads({ strides, dilations, pads }: Geometry, kernel: Pair): Geometry["pads"] | undefined {
  if (strides.some((stride) => stride !== 1)) return undefined;
  const [height, width] = [reachOf(kernel[0], dilations[0]) - 1, reachOf(kernel[1], dilations[1]) - 1];
  const turned = [height - pads[0], width - pads[1], height - pads[2], width - pads[3]] as const;
  return turned.some((side) => side < 0) ? undefined : turned;
}

/** [outputs, channels / groups, …] → [channels, outputs / groups, …], rows and columns backwards. */
function turnedWeight(context: EmitContext<Geometry>, kernel: Pair): string {
  const { inputs, tensors, attributes, node, ints } = context;
  const { groups } = attributes;
  const [outputs, channels] = tensors[1]!.shape.map(factorOf) as [number, number]; // weights have four axes
  let weight = inputs[1]!;
  if (kernel.some((size) => size > 1)) {
    // Backwards from the last element to beyond the first.
    weight = node("Slice", [weight, ints([-1, -1]), ints([-1e6, -1e6]), ints([2, 3]), ints([-1, -1])]);
  }
  if (outputs === groups && channels === 1) return weight;
  if (groups === 1) return node("Transpose", [weight], { perm: [1, 0, 2, 3] });
  const cut = node("Reshape", [weight, ints([groups, outputs / groups, channels, ...kernel])]);
  const swapped = node("Transpose", [cut], { perm: [0, 2, 1, 3, 4] });
  return node("Reshape", [swapped, ints([groups * channels, outputs / groups, ...kernel])]);
}
