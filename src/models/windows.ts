/** Where the windows of convolutions and poolings lie, as their attributes say it. */
import { formatShape } from "../array/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { NodeReader } from "./operator.ts";

/** One number per spatial axis. */
export interface Geometry {
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** How many windows there are. */
  readonly counts: readonly number[];
}

/** Reads strides, dilations and padding, whichever way it is told. */
export function geometryOf(node: NodeReader, x: Tensor, kernel: readonly number[]): Geometry {
  const rank = x.shape.length - 2;
  const list = (name: string, otherwise: number, length = rank) => {
    const values = node.ints(name) ?? Array<number>(length).fill(otherwise);
    if (values.length === length && values.every((one) => one >= otherwise)) return values;
    return node.refuse(`${length} numbers from ${otherwise} on as ${name}`, formatShape(values));
  };
  if (kernel.length !== rank || kernel.some((size) => size < 1)) {
    node.refuse(`a kernel of ${rank} sizes from 1 on`, formatShape(kernel));
  }
  const [strides, dilations] = [list("strides", 1), list("dilations", 1)];
  const sizes = kernel.map((_, axis) => node.fixed(axis + 2));
  const reach = kernel.map((size, axis) => (size - 1) * dilations[axis]! + 1);
  const { before, after } = paddings(node, sizes, reach, strides, list("pads", 0, 2 * rank));
  const isCeiling = node.flag("ceil_mode");
  const counts = sizes.map((size, axis) => {
    const room = size + before[axis]! + after[axis]! - reach[axis]!;
    const steps = isCeiling ? Math.ceil(room / strides[axis]!) : Math.floor(room / strides[axis]!);
    // The last window has to begin inside of the image or the padding in front of it.
    const isBeyond = isCeiling && steps * strides[axis]! >= size + before[axis]!;
    return steps + (isBeyond ? 0 : 1);
  });
  if (counts.some((count) => count < 1)) {
    node.refuse(`a kernel that fits into ${formatShape(x.shape)}`, formatShape(kernel));
  }
  return { before, after, strides, dilations, counts };
}

function paddings(
  node: NodeReader,
  sizes: readonly number[],
  reach: readonly number[],
  strides: readonly number[],
  pads: readonly number[],
): Pick<Geometry, "before" | "after"> {
  const auto = node.text("auto_pad", "NOTSET");
  if (auto === "NOTSET") return { before: pads.slice(0, sizes.length), after: pads.slice(sizes.length) };
  if (auto === "VALID") return { before: sizes.map(() => 0), after: sizes.map(() => 0) };
  const total = sizes.map((size, axis) => {
    const count = Math.ceil(size / strides[axis]!);
    return Math.max((count - 1) * strides[axis]! + reach[axis]! - size, 0);
  });
  const less = total.map((amount) => Math.floor(amount / 2));
  const more = total.map((amount) => Math.ceil(amount / 2));
  return auto === "SAME_LOWER" ? { before: more, after: less } : { before: less, after: more };
}
