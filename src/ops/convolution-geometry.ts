/** The sizes of convolutions: what the options mean, how far a kernel reaches, what comes out, and what does not fit. */
import { factorOf, formatShape, isBatchDim, type Shape } from "../array/shape.ts";
import { fail } from "../errors.ts";

/** One whole number for height and one for width. */
export type Pair = readonly [height: number, width: number];

/** How a kernel moves over an image [samples, channels, height, width]. Attributes of the ops. */
export type Geometry = {
  readonly strides: Pair;
  readonly dilations: Pair;
  /** Rows and columns of zeros around the image. */
  readonly pads: readonly [top: number, left: number, bottom: number, right: number];
  /** The channels are cut into so many groups that do not see each other. */
  readonly groups: number;
};

/** How a kernel moves, as PyTorch's functions take it. A number counts for height and width alike. */
export interface KernelMovement {
  /** How far the kernel moves at a time. Default 1. */
  readonly stride?: number | Pair;
  /** How far the kernel's elements lie apart. Default 1. */
  readonly dilation?: number | Pair;
  /** The channels are cut into so many groups, each with kernels of its own. Default 1; as many as channels: depthwise. */
  readonly groups?: number;
}

/** Zeros on each side, or "same": as many as give the output the size of the input (stride 1 only). */
export type Padding = number | Pair | "same";

/** From its first element to its last, with the gaps of the dilation. */
export const reachOf = (kernel: number, dilation: number) => (kernel - 1) * dilation + 1;

/** What the options of PyTorch's functions mean for a kernel. Throws for what is no whole number or too small. */
export function geometryOf(
  where: string,
  kernel: Pair,
  options: KernelMovement & { readonly padding?: Padding },
): Geometry {
  const { padding = 0, groups = 1 } = options;
  const strides = pairOf(where, "stride", options.stride ?? 1);
  const dilations = pairOf(where, "dilation", options.dilation ?? 1);
  requireWhole(where, "groups", groups);
  return Object.freeze({
    strides,
    dilations,
    pads: padsOf(where, kernel, strides, dilations, padding),
    groups,
  });
}

/** A number as a pair. Throws unless both are whole numbers from `least` on. */
export function pairOf(where: string, what: string, value: number | Pair, least = 1): Pair {
  const pair: readonly unknown[] = Array.isArray(value) ? value : [value, value];
  if (pair.length !== 2) {
    fail(where, {
      expected: `${what} to be a number or two, for height and width`,
      got: JSON.stringify(value),
      fix: `for example ${what}: [${Math.max(1, least)}, ${Math.max(1, least)}]`,
    });
  }
  for (const one of pair) requireWhole(where, what, one, least);
  return [Number(pair[0]), Number(pair[1])];
}

/** Throws unless the value is a whole number from `least` on. */
export function requireWhole(where: string, what: string, value: unknown, least = 1): void {
  if (Number.isSafeInteger(value) && Number(value) >= least) return;
  fail(where, {
    expected: `${what} to be a whole number from ${least} on`,
    got: String(value),
    fix: `for example ${what}: ${Math.max(least, 1)}`,
  });
}

function padsOf(
  where: string,
  kernel: Pair,
  strides: Pair,
  dilations: Pair,
  padding: Padding,
): Geometry["pads"] {
  if (padding !== "same") {
    const [height, width] = pairOf(where, "padding", padding, 0);
    return [height, width, height, width];
  }
  if (strides.some((stride) => stride !== 1)) {
    fail(where, {
      expected: `stride 1 with padding "same"`,
      got: `stride ${strides.join(" and ")}`,
      fix: "give the padding as a number: half of the kernel size, rounded down",
    });
  }
  const [height, width] = [reachOf(kernel[0], dilations[0]) - 1, reachOf(kernel[1], dilations[1]) - 1];
  // What is left over goes to the end, as in PyTorch and ONNX's SAME_UPPER.
  const [top, left] = [Math.floor(height / 2), Math.floor(width / 2)];
  return [top, left, height - top, width - left];
}

/** Height and width of the output for an image of `size`; below 1 where the kernel reaches beyond the padded image. */
export function convolvedSize(size: Pair, kernel: Pair, { strides, dilations, pads }: Geometry): Pair {
  const along = (axis: 0 | 1) =>
    Math.floor((paddedSize(size, pads)[axis] - reachOf(kernel[axis], dilations[axis])) / strides[axis]) + 1;
  return [along(0), along(1)];
}

/** Height and width that a transposed convolution gives. Throws where that is nothing. */
export function transposedSize(
  where: string,
  size: Pair,
  kernel: Pair,
  geometry: Geometry,
  outputPadding: number | Pair,
): Pair {
  const extra = pairOf(where, "outputPadding", outputPadding, 0);
  const { strides, dilations, pads } = geometry;
  if (extra.some((one, axis) => one >= strides[axis]!)) {
    fail(where, {
      expected: `outputPadding below the stride, ${strides.join(" and ")}`,
      got: extra.join(" and "),
      fix: "pad what comes out: pad(y, { after: 1 })",
    });
  }
  const along = (axis: 0 | 1) =>
    (size[axis] - 1) * strides[axis] -
    pads[axis] -
    pads[axis + 2]! +
    reachOf(kernel[axis], dilations[axis]) +
    extra[axis];
  const result: Pair = [along(0), along(1)];
  if (result.some((dim) => dim < 1)) {
    fail(where, {
      expected: "an output of at least 1 × 1",
      got: `${result.join(" × ")} after the padding`,
      fix: `a padding smaller than ${pads.slice(0, 2).join(" and ")}, or a larger image`,
    });
  }
  return result;
}

/** Height and width with the zeros around. */
export const paddedSize = (size: Pair, pads: Geometry["pads"]): Pair => [
  size[0] + pads[0] + pads[2],
  size[1] + pads[1] + pads[3],
];

/** Height and width of a shape [.., .., height, width]. */
export const sizeOf = (shape: Shape): Pair => [factorOf(shape.at(-2)!), factorOf(shape.at(-1)!)];

/** Throws unless the shape is [samples, channels, …] with `axes` axes, of which only the first may grow. */
export function requireImage(where: string, shape: Shape, axes: 3 | 4): void {
  if (shape.length === axes && !shape.slice(1).some(isBatchDim)) return;
  const wanted = axes === 4 ? "[samples, channels, height, width]" : "[samples, channels, length]";
  const fix =
    shape.length === axes - 1
      ? `reshape(x, ${JSON.stringify([shape[0], 1, ...shape.slice(1)])}) gives it one channel`
      : `reshape it to ${wanted}; only the first may grow with the microbatch`;
  fail(where, { expected: wanted, got: formatShape(shape), fix });
}

/** Throws unless the kernel lies within the padded image, or sequence, which is an image of height 1. */
export function requireFit(where: string, size: Pair, kernel: Pair, geometry: Geometry): void {
  if (convolvedSize(size, kernel, geometry).every((dim) => dim >= 1)) return;
  const isSequence = size[0] === 1 && kernel[0] === 1;
  const reach = kernel.map((one, axis) => reachOf(one, geometry.dilations[axis]!));
  const missing = reach.map((one, axis) => Math.max(0, Math.ceil((one - size[axis]!) / 2)));
  const padded = paddedSize(size, geometry.pads);
  fail(where, {
    expected: isSequence
      ? `a sequence of at least ${reach[1]} with its padding`
      : `an image of at least ${reach.join(" × ")} with its padding`,
    got: isSequence ? String(padded[1]) : padded.join(" × "),
    fix: `a smaller kernel, or padding: ${isSequence ? missing[1] : `[${missing.join(", ")}]`}`,
  });
}
