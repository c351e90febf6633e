/**
 * Convolutions in ONNX Runtime's blocked form, which takes channels by the block (16 with AVX-512, 8 elsewhere). Its domain is
 * the runtime's own and undocumented, so it is never written into a file.
 */
import { factorOf } from "../array/shape.ts";
import type { EmitContext } from "../graph/op.ts";
import type { Geometry, Pair } from "./convolution-geometry.ts";

/** A convolution by its weight [outputs, channels, …kernel], and how it moves. */
export interface Conv {
  readonly outputs: number;
  readonly channels: number;
  readonly kernel: Pair;
  readonly geometry: Geometry;
}

/** The attributes of ONNX's Conv and ConvTranspose. */
export const convAttributes = ({ strides, dilations, pads, groups }: Geometry, kernel: Pair) => ({
  kernel_shape: kernel,
  strides,
  dilations,
  pads,
  group: groups,
});

/** True where the blocked form exists and is faster: measured 0.6 … 0.8 of the time for 3 × 3, 1.2 times it for 1 × 1. */
export function isBlocked({ channelBlock: block }: EmitContext<Geometry>, conv: Conv): boolean {
  return block !== undefined && isTaken(block, conv) && conv.outputs % block === 0;
}

/** True where the blocked form takes such channels: fewer than a block as they are, more by the block. */
function isTaken(block: number, { channels, kernel, geometry }: Conv): boolean {
  if (geometry.groups > 1 || kernel[0] * kernel[1] === 1) return false;
  return channels < block || channels % block === 0;
}

/**
 * How many rows of an image are computed at once, as outputs of their own: with 6 outputs and blocks of 16, two. Their kernels
 * are one kernel between more zeros. None where the blocked form does not exist, or would be slower than a plain Conv.
 * Measured on 23 shapes, 1 to 64 channels, 1 to 40 outputs: 0.4 … 0.95 of the time of Conv where this gives a number.
 */
export function blockedRows({ channelBlock: block, outputTensor }: EmitContext<Geometry>, conv: Conv) {
  if (block === undefined || !isTaken(block, conv)) return undefined;
  const { outputs, channels, kernel, geometry } = conv;
  if (outputs % block === 0) return 1;
  // So few terms are soon added up: the rest of the work counts.
  if (channels * kernel[0] * kernel[1] < 25) return undefined;
  const height = factorOf(outputTensor.shape[2]!);
  let rows = geometry.dilations[0] === 1 ? Math.max(1, Math.floor(block / outputs)) : 1;
  while (height % rows !== 0) rows--;
  // No more than half of what is computed may be thrown away.
  return 2 * rows * outputs >= wholeBlocks(rows * outputs, block) ? rows : undefined;
}

const wholeBlocks = (channels: number, block: number) => Math.ceil(channels / block) * block;

/**
 * Writes a convolution of [x, weight, bias?]: x and the weight are put into blocks, and the output out of them. inBlocks: how
 * the weight is, where rows are computed one at a time.
 */
export function writeBlocked(
  context: EmitContext<Geometry>,
  inputs: readonly string[],
  conv: Conv,
  block: number,
  rows: number,
  inBlocks = blockedWeight,
): void {
  const { node, output } = context;
  const [x, weight, ...bias] = inputs as [string, string, ...string[]]; // a convolution has two inputs at least
  const stacked = stackRows(context, weight, conv, block, rows);
  const { strides } = conv.geometry;
  const attributes = convAttributes(
    { ...conv.geometry, strides: [strides[0] * rows, strides[1]] },
    stacked.conv.kernel,
  );
  // Fewer channels than a block are taken as they are.
  const blocked = conv.channels < block ? x : node("ReorderInput", [x], {}, undefined, nchwc);
  const weights = inBlocks(context, stacked.weight, stacked.conv, block);
  const biases = bias.map((one) => stackBias(context, one, conv.outputs, stacked.conv.outputs, rows));
  const y = node("Conv", [blocked, weights, ...biases], attributes, undefined, nchwc);
  const channels = rows * conv.outputs;
  if (rows === 1) node("ReorderOutput", [y], { channels }, output, nchwc);
  else unstackRows(context, node("ReorderOutput", [y], { channels }, undefined, nchwc), conv.outputs, rows);
}

/**
 * The places of x, [samples, channels, height, width], that a kernel of one place meets with its stride; none where the blocked
 * form does not take x. A convolution and its weight's gradient share it: Slice, number by number, took 0.3 of 22 ms.
 */
export function placesMet(
  { channelBlock: block, node }: EmitContext<Geometry>,
  x: string,
  channels: number,
  kernel: Pair,
  { strides, pads, groups }: Geometry,
): string | undefined {
  if (kernel[0] * kernel[1] > 1 || strides[0] * strides[1] === 1 || pads.some(Boolean)) return undefined;
  if (block === undefined || groups > 1 || channels % block !== 0) return undefined;
  const blocked = node("ReorderInput", [x], {}, undefined, nchwc);
  const met = node("AveragePool", [blocked], { kernel_shape: [1, 1], strides }, undefined, nchwc);
  return node("ReorderOutput", [met], { channels }, undefined, nchwc);
}

/** The domain of the runtime's blocked operators. */
export const nchwc = "com.microsoft.nchwc";

/** The kernel once per row, each a stride lower between zeros, and kernels of zeros up to whole blocks of outputs. */
function stackRows(
  { node, ints, constant }: EmitContext<Geometry>,
  weight: string,
  conv: Conv,
  block: number,
  rows: number,
): { readonly weight: string; readonly conv: Conv } {
  const { outputs, channels, kernel, geometry } = conv;
  const stride = geometry.strides[0];
  const tall: Pair = [kernel[0] + stride * (rows - 1), kernel[1]];
  const all = wholeBlocks(rows * outputs, block);
  const lowered = (row: number) =>
    node("Pad", [weight, ints([0, 0, stride * row, 0, 0, 0, stride * (rows - 1 - row), 0]), constant([0])]);
  const kernels = rows === 1 ? [weight] : Array.from({ length: rows }, (_, row) => lowered(row));
  const missing = all - rows * outputs;
  if (missing > 0) kernels.push(node("Expand", [constant([0]), ints([missing, channels, ...tall])]));
  return {
    weight: kernels.length === 1 ? weight : node("Concat", kernels, { axis: 0 }),
    conv: { ...conv, outputs: all, kernel: tall },
  };
}

/** The bias [outputs] once per row, and zeros for the outputs that are thrown away. */
function stackBias(
  { node, constant }: EmitContext<Geometry>,
  bias: string,
  outputs: number,
  all: number,
  rows: number,
): string {
  const missing = all - rows * outputs;
  const zeros = missing > 0 ? [constant(Array<number>(missing).fill(0), [missing])] : [];
  const list = [...Array<string>(rows).fill(bias), ...zeros];
  return list.length === 1 ? bias : node("Concat", list, { axis: 0 });
}

/** [samples, rows · outputs, height / rows, width] → [samples, outputs, height, width]. */
function unstackRows(
  { node, ints, outputTensor, output }: EmitContext<Geometry>,
  y: string,
  outputs: number,
  rows: number,
): void {
  const [height, width] = outputTensor.shape.slice(2).map(factorOf) as [number, number]; // images have four axes
  const apart = node("Reshape", [y, ints([-1, rows, outputs, height / rows, width])]);
  const moved = node("Transpose", [apart], { perm: [0, 2, 3, 1, 4] });
  node("Reshape", [moved, ints([-1, outputs, height, width])], {}, output);
}

/**
 * Blocks of outputs and of channels, inside them the kernel, then the channels and the outputs of a block. In two steps, of which
 * the second is the runtime's own for images: a third of the time of one Transpose, and three quarters of that of two.
 */
function blockedWeight(
  { node, ints }: EmitContext<Geometry>,
  weight: string,
  { outputs, channels, kernel }: Conv,
  block: number,
): string {
  const taps = kernel[0] * kernel[1];
  let moved = weight;
  if (channels >= block) {
    const cut = node("Reshape", [weight, ints([(outputs * channels) / block, block, taps])]);
    moved = node("Transpose", [cut], { perm: [0, 2, 1] });
  }
  const images = node("Reshape", [moved, ints([outputs / block, block, 1, channels * taps])]);
  const blocks = node("ReorderInput", [images], {}, undefined, nchwc);
  return node("Reshape", [blocks, ints([outputs, channels, ...kernel])]);
}

/**
 * The same of a weight [channels, outputs, …kernel] with its kernels turned around: its blocks as they are, taken in another
 * order, and each turned by itself. Turned first, element by element, it took three times as long.
 */
export function turnedBlockedWeight(
  context: EmitContext<Geometry>,
  weight: string,
  conv: Conv,
  block: number,
): string {
  const { node, ints } = context;
  const { outputs, channels, kernel } = conv;
  const taps = kernel[0] * kernel[1];
  const [across, down] = [outputs / block, channels / block];
  const straight = blockedWeight(context, weight, { ...conv, outputs: channels, channels: outputs }, block);
  const order = Array.from({ length: across * down * taps }, (_, at) => {
    const [first, second, tap] = [Math.floor(at / taps / down), Math.floor(at / taps) % down, at % taps];
    return (second * across + first + 1) * taps - 1 - tap;
  });
  const blocks = node("Reshape", [straight, ints([-1, block, 1, block])]);
  const inOrder = node("Gather", [blocks, ints(order)], { axis: 0 });
  const turned = node("ReorderOutput", [inOrder], { channels: block }, undefined, nchwc);
  return node("Reshape", [turned, ints([outputs, channels, ...kernel])]);
}
