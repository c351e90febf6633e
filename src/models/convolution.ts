/** ONNX operators that move kernels over images and sequences: convolution and its transpose. */
import { type Dim, formatShape } from "../array/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import * as ops from "../ops/index.ts";
import { requireWithin } from "./activation.ts";
import { constantOf } from "./arrays.ts";
import type { NodeReader, Operators } from "./operator.ts";
import { type Geometry, geometryOf } from "./windows.ts";

/** A list of one or two numbers as the options of our ops take it: sequences have one, images two. */
const perAxis = (values: readonly number[]): number | ops.Pair =>
  values.length === 1 ? values[0]! : [values[0]!, values[1]!];

function spatial(node: NodeReader): number {
  const rank = node.shape(0).length - 2;
  if (rank !== 1 && rank !== 2) {
    node.refuse(
      "[samples, channels, length] or [samples, channels, height, width]",
      formatShape(node.shape(0)),
    );
  }
  requireWithin(node, node.input(0), [...node.shape(0).keys()].slice(1));
  return rank;
}

/** Padding that differs from side to side is written out; else the convolution does it. */
export function convolve(node: NodeReader, x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  spatial(node);
  const kernel = weight.shape.slice(2).map(Number);
  const { before, after, strides, dilations } = geometryOf(node, x, kernel);
  const isEven = before.every((amount, axis) => amount === after[axis]);
  const padded = isEven ? x : padding(x, { before, after });
  return ops.convolve(padded, weight, {
    bias,
    stride: perAxis(strides),
    dilation: perAxis(dilations),
    padding: isEven ? perAxis(before) : 0,
    groups: node.int("group", 1),
  });
}

function padding(x: Tensor, { before, after }: Pick<Geometry, "before" | "after">): Tensor {
  return before.reduce(
    (one, amount, axis) => ops.pad(one, { before: amount, after: after[axis]! }, axis + 2),
    x,
  );
}

/** Everything the kernel can write, of which the padding is cut off. */
function convolveTransposed(node: NodeReader): Tensor {
  const rank = spatial(node);
  const [x, weight] = [node.input(0), node.input(1)].map((one) => (rank === 1 ? asImage(one) : one)) as [
    Tensor,
    Tensor,
  ]; // two in, two out
  const sizes = x.shape.slice(2).map(Number);
  const wide = (name: string, otherwise: number) => {
    const values = node.ints(name) ?? Array<number>(rank).fill(otherwise);
    return rank === 1 ? [otherwise, values[0]!] : values;
  };
  const [strides, dilations, more] = [wide("strides", 1), wide("dilations", 1), wide("output_padding", 0)];
  const whole = sizes.map(
    (size, axis) =>
      (size - 1) * strides[axis]! + (Number(weight.shape[axis + 2]) - 1) * dilations[axis]! + 1 + more[axis]!,
  );
  const full = ops.convolveTransposed(x, weight, {
    bias: node.optional(2),
    stride: [strides[0]!, strides[1]!],
    dilation: [dilations[0]!, dilations[1]!],
    outputPadding: 0,
    groups: node.int("group", 1),
  });
  // outputPadding only makes room at the end, for which padded zeros would lack the bias: see below.
  const cut = cuts(node, rank, whole, sizes, strides);
  const result = cut.reduce((one, { start, end }, axis) => window(node, one, start, end, axis + 2), full);
  return rank === 1
    ? ops.reshape(
        result,
        result.shape.filter((_, axis) => axis !== 2),
      )
    : result;
}

const asImage = (x: Tensor): Tensor => {
  const [first, second, length] = x.shape as [Dim, Dim, Dim]; // a sequence has three axes
  return ops.reshape(x, [first, second, 1, length]);
};

/** Which part of the whole is wanted along each axis: pads, auto_pad or output_shape say it. */
function cuts(
  node: NodeReader,
  rank: number,
  whole: readonly number[],
  sizes: readonly number[],
  strides: readonly number[],
): { readonly start: number; readonly end: number }[] {
  const auto = node.text("auto_pad", "NOTSET");
  const isSame = auto === "SAME_UPPER" || auto === "SAME_LOWER";
  const wanted =
    node.ints("output_shape") ??
    (isSame ? sizes.map((size, axis) => size * strides[axis]!).slice(-rank) : undefined);
  const pads = node.ints("pads") ?? Array<number>(2 * rank).fill(0);
  return whole.map((total, axis) => {
    const own = axis - (2 - rank);
    if (own < 0) return { start: 0, end: total };
    if (wanted === undefined) return { start: pads[own]!, end: total - pads[own + rank]! };
    const surplus = Math.max(total - wanted[own]!, 0);
    const less = Math.floor(surplus / 2);
    const start = auto === "SAME_UPPER" || auto === "NOTSET" ? less : surplus - less;
    return { start, end: start + wanted[own]! };
  });
}

/** Elements start … end − 1; what lies behind the end was written by no kernel, and is the bias alone. */
function window(node: NodeReader, x: Tensor, start: number, end: number, axis: number): Tensor {
  const size = Number(x.shape[axis]);
  const inside = ops.slice(x, { start, end: Math.min(end, size) }, axis);
  if (end <= size) return inside;
  const bias = node.optional(2);
  const padded = ops.pad(inside, { after: end - size }, axis);
  if (bias === undefined) return padded;
  const rest = ops.pad(
    ops.expand(constantOf([0], [], "float32"), inside.shape),
    { after: end - size, value: 1 },
    axis,
  );
  return ops.add(padded, ops.mul(rest, ops.reshape(bias, [bias.shape[0]!, 1, 1])));
}

export const convolutions: Operators = {
  Conv: (node) => convolve(node, node.input(0), node.input(1), node.optional(2)),
  ConvTranspose: convolveTransposed,
};
