/** The windows of pooling: how large, how far apart, how much padding around; what comes out, and what does not fit. */
import { factorOf, formatShape, isBatchDim, type Shape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import { pad } from "./movement.ts";

/** Where windows lie. A number counts for every spatial axis. */
export interface WindowOptions {
  /** How far apart windows are. Default: their size, so that they neither overlap nor leave gaps. */
  readonly stride?: number | readonly number[];
  /** How far windows reach beyond the edges, on each side. Default 0; at most half of the size. */
  readonly padding?: number | readonly number[];
}

/** One number per spatial axis. Attributes of the ops. */
export type Windows = {
  readonly size: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
};

/**
 * The windows over x, [samples, channels, length] or [samples, channels, height, width].
 * Throws for other shapes, for sizes and strides that are no whole numbers from 1 on, for padding of more than half a
 * window (as PyTorch: a window could lie outside altogether), and for windows larger than what they go over.
 */
export function windowsOf(
  where: string,
  x: Tensor,
  size: number | readonly number[],
  options: WindowOptions,
): Windows {
  requireSpatial(where, x.shape);
  const axes = x.shape.length - 2;
  const sizes = perAxis(where, "size", size, axes, 1);
  const windows = {
    size: sizes,
    stride: perAxis(where, "stride", options.stride ?? sizes, axes, 1),
    padding: perAxis(where, "padding", options.padding ?? 0, axes, 0),
  };
  requireFit(where, x.shape, windows);
  return windows;
}

/** The shape that one number per window has. */
export function pooledShape(shape: Shape, { size, stride, padding }: Windows): Shape {
  const places = spatialOf(shape).map(
    (length, axis) => Math.floor((length + 2 * padding[axis]! - size[axis]!) / stride[axis]!) + 1,
  );
  return [...shape.slice(0, 2), ...places];
}

/** Sizes of the axes behind samples and channels. */
export const spatialOf = (shape: Shape): number[] => shape.slice(2).map(factorOf);

/** True where windows lie side by side: no overlap, no gap, no padding. At the end a part may be left over. */
export const areTiles = ({ size, stride, padding }: Windows) =>
  size.every((length, axis) => length === stride[axis] && padding[axis] === 0);

/** `part`, what tiles cover, with zeros for what was left over of `shape` at the end of each axis. */
export function uncovered(part: Tensor, shape: Shape): Tensor {
  return spatialOf(shape).reduce(
    (whole, length, axis) => pad(whole, { after: length - factorOf(part.shape[axis + 2]!) }, axis + 2),
    part,
  );
}

/** The attributes of ONNX's pooling operators. */
export const onnxWindows = ({ size, stride, padding }: Windows) => ({
  kernel_shape: size,
  strides: stride,
  pads: [...padding, ...padding],
});

/** Throws unless the shape is [samples, channels, length] or [samples, channels, height, width]; only samples may grow. */
export function requireSpatial(where: string, shape: Shape): void {
  if ((shape.length === 3 || shape.length === 4) && !shape.slice(1).some(isBatchDim)) return;
  fail(where, {
    expected: "[samples, channels, length] or [samples, channels, height, width]",
    got: formatShape(shape),
    fix: "reshape or transpose it; only the number of samples may grow with the microbatch",
  });
}

/** A number, or one per axis, as one per axis. Throws unless all are whole numbers from `least` on. */
export function perAxis(
  where: string,
  what: string,
  value: number | readonly number[],
  axes: number,
  least: number,
): readonly number[] {
  const list = typeof value === "number" ? Array<number>(axes).fill(value) : value;
  const isFine =
    Array.isArray(list) &&
    list.length === axes &&
    list.every((one) => Number.isSafeInteger(one) && one >= least);
  if (!isFine) {
    fail(where, {
      expected: `${what} to be a whole number from ${least} on, or ${axes} of them, one per spatial axis`,
      got: JSON.stringify(value) ?? String(value),
      fix: `for example ${what} ${Math.max(least, 1)}`,
    });
  }
  return [...list];
}

function requireFit(where: string, shape: Shape, { size, padding }: Windows): void {
  const spatial = spatialOf(shape);
  const wide = size.findIndex((length, axis) => 2 * padding[axis]! > length);
  if (wide >= 0) {
    fail(where, {
      expected: `padding of at most half the window's ${size[wide]}`,
      got: String(padding[wide]),
      fix: `padding ${Math.floor(size[wide]! / 2)}, or a larger window`,
    });
  }
  const large = size.findIndex((length, axis) => length > spatial[axis]! + 2 * padding[axis]!);
  if (large >= 0) {
    fail(where, {
      expected: `windows that fit into ${spatial.join(" × ")} with padding ${padding.join(" and ")}`,
      got: `size ${size.join(" × ")}`,
      fix: `a size of at most ${spatial[large]! + 2 * padding[large]!} along that axis, or fewer layers of pooling before it`,
    });
  }
}
