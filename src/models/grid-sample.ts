/** ONNX's GridSample: an image read at places that are computed, between its pixels and beyond its edges. */
import { formatShape } from "../array/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import * as ops from "../ops/index.ts";
import type { NodeReader, Operators } from "./operator.ts";

/** One of the pixels around a place, along one axis. */
interface Tap {
  /** From 0 on, as floats: clamped, so that it can be read. [samples, places] */
  readonly pixel: Tensor;
  /** Whether it lies in the image; absent where that does not matter. */
  readonly isInside?: Tensor;
  /** Absent for 1. */
  readonly weight?: Tensor;
}

/** How pixels are found along one axis. */
interface Axis {
  readonly size: number;
  readonly mode: string;
  readonly padding: string;
  readonly isCornerAligned: boolean;
}

/** Triangle wave between two bounds: what lies beyond is mirrored, again and again. */
function reflected(x: Tensor, { size, isCornerAligned }: Axis): Tensor {
  const [low, high] = isCornerAligned ? [0, size - 1] : [-0.5, size - 0.5];
  const range = high - low;
  if (range === 0) return ops.mul(x, 0);
  const from = ops.sub(x, low);
  const within = ops.sub(from, ops.mul(ops.floor(ops.div(from, 2 * range)), 2 * range));
  return ops.sub(low + range, ops.abs(ops.sub(within, range)));
}

const clamped = (x: Tensor, size: number) => ops.minimum(ops.maximum(x, 0), size - 1);

/** A whole number of pixels as the axis takes it beyond its ends. */
function tapAt(pixel: Tensor, axis: Axis, weight?: Tensor): Tap {
  const { size, padding } = axis;
  const own = { pixel: clamped(padding === "reflection" ? reflected(pixel, axis) : pixel, size) };
  const isInside = ops.and(ops.greaterOrEqual(pixel, 0), ops.lessOrEqual(pixel, size - 1));
  return { ...own, ...(padding === "zeros" && { isInside }), ...(weight && { weight }) };
}

/** Weights of four pixels, t behind the second. Source: Keys 1981 with a = −0.75, as ONNX GridSample-16. */
function cubicWeights(t: Tensor): readonly Tensor[] {
  const a = -0.75;
  const inner = (x: Tensor) => ops.add(ops.mul(ops.mul(ops.sub(ops.mul(x, a + 2), a + 3), x), x), 1);
  const outer = (x: Tensor) =>
    ops.sub(ops.mul(ops.add(ops.mul(ops.sub(ops.mul(x, a), 5 * a), x), 8 * a), x), 4 * a);
  return [outer(ops.add(t, 1)), inner(t), inner(ops.sub(1, t)), outer(ops.sub(2, t))];
}

/** The pixels around places from −1, the one edge, to 1, the other. */
function tapsAt(place: Tensor, axis: Axis): readonly Tap[] {
  const { size, mode, padding, isCornerAligned } = axis;
  const along = isCornerAligned
    ? ops.mul(ops.add(place, 1), (size - 1) / 2)
    : ops.sub(ops.mul(ops.add(place, 1), size / 2), 0.5);
  const rounded = mode === "nearest" ? ops.round(along) : along;
  const x = padding === "reflection" ? reflected(rounded, axis) : rounded;
  if (mode === "nearest") return [tapAt(ops.round(x), axis)];
  const first = ops.floor(x);
  const t = ops.sub(x, first);
  if (mode === "linear") return [tapAt(first, axis, ops.sub(1, t)), tapAt(ops.add(first, 1), axis, t)];
  return cubicWeights(t).map((weight, index) => tapAt(ops.add(first, index - 1), axis, weight));
}

const modes: Readonly<Record<string, string>> = {
  ...{ bilinear: "linear", bicubic: "cubic" },
  ...{ linear: "linear", cubic: "cubic", nearest: "nearest" },
};

/** Images [samples, channels, height, width] at [samples, high, wide, (x, y)]. */
function gridSample(node: NodeReader): Tensor {
  const [x, grid] = [node.input(0), node.input(1)];
  if (x.shape.length !== 4 || grid.shape.length !== 4 || grid.shape[3] !== 2) {
    node.refuse(
      "[samples, channels, height, width] and [samples, height, width, 2]",
      `${formatShape(x.shape)} and ${formatShape(grid.shape)}`,
    );
  }
  const told = node.text("mode", "linear");
  const mode = Object.hasOwn(modes, told) ? modes[told]! : node.refuse("a mode of GridSample", told);
  const padding = node.text("padding_mode", "zeros");
  if (!["zeros", "border", "reflection"].includes(padding))
    node.refuse("a padding_mode of GridSample", padding);
  const [samples, channels] = [x.shape[0]!, node.fixed(1)];
  const [height, width, high, wide] = [node.fixed(2), node.fixed(3), node.fixed(1, 1), node.fixed(2, 1)];
  node.bounded(height * width, "an image", 2 ** 24); // places are counted in floats
  const along = (index: number, size: number) => {
    const place = ops.reshape(ops.slice(grid, { start: index, end: index + 1 }), [samples, high * wide]);
    return tapsAt(place, { size, mode, padding, isCornerAligned: node.flag("align_corners") });
  };
  const [columns, rows] = [along(0, width), along(1, height)];
  const pixels = ops.reshape(x, [samples, channels, height * width]);
  const read = (row: Tap, column: Tap): Tensor => {
    const at = ops.cast(ops.add(ops.mul(row.pixel, width), column.pixel), "int64");
    const perChannel = (one: Tensor) => ops.reshape(one, [samples, 1, high * wide]);
    const indices = ops.expand(perChannel(at), [samples, channels, high * wide]);
    const value = ops.gatherElements(pixels, indices, 2);
    const [a, b] = [row.isInside, column.isInside];
    const kept = a && b ? ops.where(perChannel(ops.and(a, b)), value, 0) : value;
    const weights = [row.weight, column.weight].flatMap((one) =>
      one === undefined ? [] : [perChannel(one)],
    );
    return weights.reduce((one, weight) => ops.mul(one, weight), kept);
  };
  const parts = rows.flatMap((row) => columns.map((column) => read(row, column)));
  return ops.reshape(
    parts.reduce((a, b) => ops.add(a, b)),
    [samples, channels, high, wide],
  );
}

export const gridSamples: Operators = { GridSample: gridSample };
