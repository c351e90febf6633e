/**
 * How the gradient of a convolution's weight is written in plain ONNX. ONNX has no op for it; each form below is the
 * fastest somewhere (measured), and `swapped` is the one the others are judged by.
 */
import { batchDim, type Dim, factorOf, isBatchDim } from "../array/shape.ts";
import type { EmitContext } from "../graph/op.ts";
import { type Geometry, type Pair, paddedSize, sizeOf } from "./convolution-geometry.ts";

/**
 * - swapped: a convolution again, of x with y as its kernel, samples and channels swapped.
 * - columns: x once per element of the kernel, side by side, times y: one product per sample, and a sum over them.
 * - slabs: x once per column of the kernel and y once per row, between zeros: fewer copies, the same products.
 * - depthwise: where no group has more than one channel and one output; x · y, element of the kernel by element.
 */
export type WeightForm = "swapped" | "columns" | "slabs" | "depthwise";

type Context = EmitContext<Geometry & { readonly kernel: Pair; readonly form?: WeightForm }>;

/** Writes the gradient [outputs, channels / groups, rows, columns] of the weight, from x and y. */
export function emitWeightGradient(context: Context): void {
  const sizes = sizesOf(context);
  forms[context.attributes.form ?? fastestForm(sizes)](context, sizes);
}

const forms: Readonly<Record<WeightForm, (context: Context, sizes: Sizes) => void>> = {
  swapped: emitSwapped,
  columns: emitColumns,
  slabs: emitSlabs,
  depthwise: emitDepthwise,
};

/** What the forms need to know. */
interface Sizes {
  readonly groups: number;
  /** Channels and outputs of one group. */
  readonly channels: number;
  readonly outputs: number;
  readonly kernel: Pair;
  /** Height and width of y. */
  readonly size: Pair;
  /** Samples times groups. */
  readonly parts: Dim;
  readonly geometry: Geometry;
}

function sizesOf({ tensors: [x, y], attributes }: Context): Sizes {
  const { groups, kernel } = attributes;
  const samples = x!.shape[0]!;
  return {
    groups,
    channels: factorOf(x!.shape[1]!) / groups,
    outputs: factorOf(y!.shape[1]!) / groups,
    kernel,
    size: sizeOf(y!.shape),
    parts: isBatchDim(samples) ? batchDim(factorOf(samples) * groups) : samples * groups,
    geometry: attributes,
  };
}

function fastestForm({ channels, outputs, kernel }: Sizes): WeightForm {
  if (channels === 1 && outputs === 1) return "depthwise";
  if (kernel[0] * kernel[1] === 1 || channels <= 4) return "columns";
  return "slabs";
}

function emitSwapped({ inputs: [x, y], tensors, node, ints, output }: Context, sizes: Sizes): void {
  const { groups, channels, kernel, geometry, size } = sizes;
  const image = sizeOf(tensors[0]!.shape);
  const swap = { perm: [1, 0, 2, 3] };
  const cut = node("Reshape", [x!, ints([-1, groups, channels, ...image])]);
  const moved = node("Transpose", [cut], { perm: [2, 1, 0, 3, 4] }); // [channels, groups, samples, height, width]
  const swapped = node("Reshape", [moved, ints([channels, -1, ...image])]);
  const all = node("Conv", [swapped, node("Transpose", [y!], swap)], {
    kernel_shape: size,
    strides: geometry.dilations,
    dilations: geometry.strides,
    pads: geometry.pads,
    group: groups,
  });
  // A last stride that found no room for another output may have found room for another element of the kernel.
  const kept = node("Slice", [all, ints([0, 0]), ints(kernel), ints([2, 3])]);
  node("Transpose", [kept], swap, output);
}

function emitColumns(context: Context, sizes: Sizes): void {
  const { inputs, node, ints } = context;
  const { outputs, channels, kernel, size } = sizes;
  const x = grouped(context, sizes, padded(context));
  const places = size[0] * size[1];
  const taps = tapsOf(kernel).map((tap) => window(context, sizes, x, tap, size));
  const columns = flat(context, joined(context, taps), channels * taps.length, places);
  const y = node("Reshape", [inputs[1]!, ints([-1, outputs, places])]);
  finish(context, sizes, [product(context, sizes, y, columns, 1, taps.length)]);
}

/**
 * A row of the kernel that lies i rows lower pairs y with x moved by i rows. Instead of moving x, y is repeated with so many
 * zeros in between that, cut into as many pieces as the kernel has rows, each piece is y moved by one row more.
 * With a stride, rows of the kernel whose distance it divides share what it leaves of x.
 */
function emitSlabs(context: Context, sizes: Sizes): void {
  const { inputs, node, ints } = context;
  const { outputs, channels, kernel, size, geometry } = sizes;
  const [stride, dilation] = [geometry.strides[0], geometry.dilations[0]];
  const common = divisor(stride, dilation);
  const [phases, step] = [Math.min(kernel[0], stride / common), dilation / common];
  const x = grouped(context, sizes, padded(context));
  const y = node("Reshape", [inputs[1]!, ints([-1, outputs, size[0] * size[1]])]);
  const products = Array.from({ length: phases }, (_, first) => {
    const taps = Math.ceil((kernel[0] - first) / phases);
    const rows = size[0] + step * (taps - 1);
    const slabs = Array.from({ length: kernel[1] }, (_, column) =>
      window(context, sizes, x, [first, column], [rows, size[1]]),
    );
    const side = flat(context, joined(context, slabs), channels * kernel[1], rows * size[1]);
    const repeated = repeat(context, sizes, y, taps, step * taps * size[1]);
    const stacked = taps === 1 ? y : flat(context, repeated, outputs * taps, rows * size[1]);
    return product(context, sizes, stacked, side, taps, kernel[1]);
  });
  finish(context, sizes, products);
}

/** y, zeros, y, zeros, …, y along the last axis. */
function repeat(
  context: Context,
  { parts, outputs }: Sizes,
  y: string,
  times: number,
  zeros: number,
): string {
  if (times === 1) return y;
  const { node, constant, shape } = context;
  const gap = node("Expand", [constant([0]), shape([parts, outputs, zeros])]);
  const list = Array.from({ length: 2 * times - 1 }, (_, index) => (index % 2 === 0 ? y : gap));
  return node("Concat", list, { axis: 2 });
}

function emitDepthwise(context: Context, sizes: Sizes): void {
  const { inputs, node, ints, output } = context;
  const { groups, kernel, size } = sizes;
  const x = padded(context);
  const taps = tapsOf(kernel).map((tap) => {
    const product = node("Mul", [window(context, sizes, x, tap, size), inputs[1]!]);
    return node("ReduceSum", [product, ints([0, 2, 3])], { keepdims: 1 });
  });
  const all = node("Reshape", [node("Concat", taps, { axis: 0 }), ints([...kernel, groups, 1])]);
  node("Transpose", [all], { perm: [2, 3, 0, 1] }, output);
}

/** x with its zeros around. */
function padded({ inputs: [x], attributes: { pads }, node, ints, constant }: Context): string {
  if (!pads.some(Boolean)) return x!;
  const [top, left, bottom, right] = pads;
  return node("Pad", [x!, ints([0, 0, top, left, 0, 0, bottom, right]), constant([0])], { mode: "constant" });
}

/** Groups counted as samples, which costs nothing: [samples · groups, channels of one, height, width]. */
function grouped({ tensors, attributes, node, ints }: Context, sizes: Sizes, x: string): string {
  if (sizes.groups === 1) return x;
  return node("Reshape", [
    x,
    ints([-1, sizes.channels, ...paddedSize(sizeOf(tensors[0]!.shape), attributes.pads)]),
  ]);
}

/** The elements of x that one element of the kernel meets, `count` of them, a stride apart. */
function window(
  { tensors, node, ints }: Context,
  { geometry }: Sizes,
  x: string,
  tap: Pair,
  count: Pair,
): string {
  const { strides, dilations, pads } = geometry;
  const start = [tap[0] * dilations[0], tap[1] * dilations[1]] as const;
  const end = [
    start[0] + strides[0] * (count[0] - 1) + 1,
    start[1] + strides[1] * (count[1] - 1) + 1,
  ] as const;
  const whole = paddedSize(sizeOf(tensors[0]!.shape), pads);
  const isWhole = [0, 1].every(
    (axis) => strides[axis] === 1 && start[axis] === 0 && end[axis] === whole[axis],
  );
  return isWhole ? x : node("Slice", [x, ints(start), ints(end), ints([2, 3]), ints(strides)]);
}

const joined = ({ node }: Context, list: readonly string[]) =>
  list.length === 1 ? list[0]! : node("Concat", list, { axis: 1 });

/** As one matrix per sample and group. */
const flat = ({ node, ints }: Context, x: string, rows: number, places: number) =>
  node("Reshape", [x, ints([-1, rows, places])]);

/** [parts, outputs · taps, places] times [parts, columns · channels, places]ᵀ, summed over samples. */
function product(
  { node, ints }: Context,
  { groups, outputs, channels }: Sizes,
  y: string,
  x: string,
  taps: number,
  columns: number,
): string {
  // ONNX Runtime makes one product of both; with one matrix instead, samples would have to be moved inside first.
  let each = node("MatMul", [y, node("Transpose", [x], { perm: [0, 2, 1] })]);
  if (groups > 1) each = node("Reshape", [each, ints([-1, groups, outputs * taps, columns * channels])]);
  const total = node("ReduceSum", [each, ints([0])], { keepdims: 0 });
  return node("Reshape", [total, ints([groups * outputs, taps, columns, channels])]);
}

/** The products, [outputs, rows of the kernel, columns, channels] each with its rows, as one weight. */
function finish(context: Context, sizes: Sizes, products: readonly string[]): void {
  const { node, ints, output } = context;
  const { groups, outputs, channels, kernel } = sizes;
  const all = joined(context, products);
  const order = phaseOrder(kernel[0], products.length);
  const isOrdered = order.every((place, index) => place === index);
  const rows = isOrdered ? all : node("Gather", [all, ints(order)], { axis: 1 });
  if (kernel[0] * kernel[1] === 1) {
    node("Reshape", [rows, ints([groups * outputs, channels, 1, 1])], {}, output);
    return;
  }
  const apart = node("Reshape", [rows, ints([groups * outputs, ...kernel, channels])]);
  node("Transpose", [apart], { perm: [0, 3, 1, 2] }, output);
}

/** Where each row of the kernel lies when rows 0, phases, 2 · phases, … come first, then 1, phases + 1, … */
function phaseOrder(rows: number, phases: number): number[] {
  const places = Array.from({ length: phases }, (_, first) =>
    Array.from({ length: Math.ceil((rows - first) / phases) }, (_, turn) => first + turn * phases),
  ).flat();
  return places.map((_, row) => places.indexOf(row));
}

/** Every row and column of the kernel, row by row. */
const tapsOf = ([rows, columns]: Pair): Pair[] =>
  Array.from({ length: rows * columns }, (_, tap) => [Math.floor(tap / columns), tap % columns] as const);

const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
