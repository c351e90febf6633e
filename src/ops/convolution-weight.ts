/**
 * How the gradient of a convolution's weight is written. ONNX has no op for it; each form below is the fastest somewhere
 * (measured), and `swapped` is the one the others are judged by. All are plain ONNX but the blocked one, which is faster than
 * any of them where a runtime has it and the sizes fit.
 */
import { batchDim, factorOf, isBatchDim } from "../array/shape.ts";
import { bug } from "../errors.ts";
import type { EmitContext } from "../graph/op.ts";
import { placesMet } from "./convolution-blocked.ts";
import { type Geometry, type Pair, paddedSize, sizeOf } from "./convolution-geometry.ts";
import { weightFrame, writeBlockedWeight } from "./convolution-weight-blocked.ts";
import { isWrapped, lengthOf, type Wrapping, wrappedSides } from "./convolution-wrapped.ts";

/**
 * - swapped: a convolution again, of x with y as its kernel, samples and channels swapped.
 * - columns: x once per element of the kernel, side by side, times y: one product per sample, and a sum over them.
 * - slabs: x once per column of the kernel and y once per row, between zeros: fewer copies, the same products.
 * - wrapped: the same where y is as wide as x, without copies of single rows: whole images moved through memory.
 * - depthwise: where no group has more than one channel and one output; x · y, element of the kernel by element.
 */
export type WeightForm = "swapped" | "columns" | "slabs" | "wrapped" | "depthwise";

type Context = EmitContext<Geometry & { readonly kernel: Pair; readonly form?: WeightForm }>;

/** Writes the gradient [outputs, channels / groups, rows, columns] of the weight, from x and y. */
export function emitWeightGradient(context: Context): void {
  const sizes = sizesOf(context);
  const { channelBlock, attributes } = context;
  const isFree = attributes.form === undefined && sizes.groups === 1;
  const frame = isFree ? weightFrame(channelBlock, sizes) : undefined;
  if (frame === undefined) forms[attributes.form ?? fastestForm(sizes)](context, sizes);
  else writeBlockedWeight(context, frame);
}

const forms: Readonly<Record<WeightForm, (context: Context, sizes: Sizes) => void>> = {
  swapped: emitSwapped,
  columns: emitColumns,
  slabs: emitSlabs,
  wrapped: emitWrapped,
  depthwise: emitDepthwise,
};

/** What the forms need to know. */
interface Sizes extends Wrapping {
  readonly groups: number;
}

function sizesOf({ tensors: [x, y], attributes }: Context): Sizes {
  const { groups, kernel } = attributes;
  const samples = x!.shape[0]!;
  return {
    groups,
    channels: factorOf(x!.shape[1]!) / groups,
    outputs: factorOf(y!.shape[1]!) / groups,
    kernel,
    image: sizeOf(x!.shape),
    size: sizeOf(y!.shape),
    parts: isBatchDim(samples) ? batchDim(factorOf(samples) * groups) : samples * groups,
    geometry: attributes,
  };
}

/**
 * The form with the least work, counted in what its parts took, in nanoseconds on one core at 3 GHz: an element moved 0.5 and
 * a row of them 5; a term of a product 0.014; an element of one sample's result 0.4 to write and add up, 1.2 where these
 * leave the cache. In `swapped` a term takes 0.03, and 1.4 to bring into place for all outputs.
 * In `wrapped` an element of a side takes 0.3, and one that is masked 0.5.
 * Of 44 shapes tried, 1 × 1 to 7 × 7 with strides to 4, it takes the fastest form in 40, and one up to 1.2 times slower in 4.
 */
function fastestForm(sizes: Sizes): WeightForm {
  const { channels, outputs, kernel, size } = sizes;
  if (channels === 1 && outputs === 1) return "depthwise";
  const phases = phasesOf(sizes);
  // Each window is a node of its own, and a copy that is alive with the others: beyond some it is one convolution.
  if (kernel[1] * phases.length > 64) return "swapped";
  const [taps, places] = [kernel[0] * kernel[1], size[0] * size[1]];
  const results = taps * channels * outputs;
  const [moved, gathered] = [0.5 + 5 / size[1], results * (results < 1e5 ? 0.4 : 1.2)];
  const slabs = phases.map(({ taps, rows }) => {
    const [side, stack] = [kernel[1] * channels, taps * outputs];
    return rows * size[1] * (moved * side + (taps > 1 ? 0.26 * stack : 0) + 0.014 * side * stack);
  });
  const columns =
    taps > 64
      ? Number.POSITIVE_INFINITY
      : places * (moved * (taps > 1 ? taps * channels : 0) + 0.014 * results);
  const length = lengthOf(sizes);
  const [down, across] = [kernel[0] * channels, kernel[1] * outputs];
  const costs = {
    wrapped: isWrapped(sizes)
      ? gathered +
        length * (0.3 * (down + across) + 0.014 * down * across) +
        0.5 * places * (across - outputs)
      : Number.POSITIVE_INFINITY,
    slabs: slabs.reduce((total, one) => total + one, gathered),
    columns: columns + gathered,
    swapped: results * places * (0.03 + 1.4 / outputs),
  };
  const forms = ["columns", "slabs", "wrapped", "swapped"] as const;
  return forms.reduce((best, form) => (costs[form] < costs[best] ? form : best));
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
  const places = size[0] * size[1];
  const window = windowsOf(context, sizes);
  const taps = tapsOf(kernel).map((tap) => window(tap, size));
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
  const { outputs, channels, kernel, size } = sizes;
  const phases = phasesOf(sizes);
  const step = stepOf(sizes.geometry);
  const y = node("Reshape", [inputs[1]!, ints([-1, outputs, size[0] * size[1]])]);
  const window = windowsOf(context, sizes);
  const products = phases.map(({ first, taps, rows }) => {
    const slabs = Array.from({ length: kernel[1] }, (_, column) => window([first, column], [rows, size[1]]));
    const side = flat(context, joined(context, slabs), channels * kernel[1], rows * size[1]);
    const repeated = repeat(context, sizes, y, taps, step * taps * size[1]);
    const stacked = taps === 1 ? y : flat(context, repeated, outputs * taps, rows * size[1]);
    return product(context, sizes, stacked, side, taps, kernel[1]);
  });
  finish(context, sizes, products);
}

/** Every row of the kernel times every column. */
function emitWrapped(context: Context, sizes: Sizes): void {
  const { groups, outputs, channels, kernel } = sizes;
  if (!isWrapped(sizes)) bug("the gradient of a weight wrapped, where the output is narrower than the image");
  const [x, y] = wrappedSides(context, sizes);
  const each = product(context, sizes, y, x, kernel[1], kernel[0]);
  const apart = context.node("Reshape", [
    each,
    context.ints([groups * outputs, kernel[1], channels, kernel[0]]),
  ]);
  context.node("Transpose", [apart], { perm: [0, 2, 3, 1] }, context.output);
}

/** Rows of the kernel that share what the stride leaves of x: which is the first, how many, over how many rows they reach. */
function phasesOf({ kernel, size, geometry }: Sizes): { first: number; taps: number; rows: number }[] {
  const [stride, dilation] = [geometry.strides[0], geometry.dilations[0]];
  const apart = stride / divisor(stride, dilation);
  return Array.from({ length: Math.min(kernel[0], apart) }, (_, first) => {
    const taps = Math.ceil((kernel[0] - first) / apart);
    return { first, taps, rows: size[0] + stepOf(geometry) * (taps - 1) };
  });
}

/** How many rows of a phase one of its rows of the kernel lies below the other. */
const stepOf = ({ strides, dilations }: Geometry) => dilations[0] / divisor(strides[0], dilations[0]);

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
  const window = windowsOf(context, sizes);
  const taps = tapsOf(kernel).map((tap) => {
    const x = node("Reshape", [window(tap, size), ints([-1, groups, ...size])]);
    return node("ReduceSum", [node("Mul", [x, inputs[1]!]), ints([0, 2, 3])], { keepdims: 1 });
  });
  const all = node("Reshape", [node("Concat", taps, { axis: 0 }), ints([...kernel, groups, 1])]);
  node("Transpose", [all], { perm: [2, 3, 0, 1] }, output);
}

/**
 * x with its zeros around, and its size then: [samples · groups, channels of one, height, width]. The width is made a
 * multiple. Groups are counted as samples, which costs nothing.
 */
function padded(
  { inputs, tensors, attributes: { pads }, node, ints, constant }: Context,
  { groups, channels }: Sizes,
  multiple: number,
): readonly [x: string, size: Pair] {
  const [height, least] = paddedSize(sizeOf(tensors[0]!.shape), pads);
  const width = Math.ceil(least / multiple) * multiple;
  const [top, left, bottom, right] = pads;
  const around = [0, 0, top, left, 0, 0, bottom, right + width - least];
  let x = inputs[0]!;
  if (around.some(Boolean)) x = node("Pad", [x, ints(around), constant([0])], { mode: "constant" });
  if (groups > 1) x = node("Reshape", [x, ints([-1, channels, height, width])]);
  return [x, [height, width]];
}

/** Gives the elements of x that one element of the kernel meets: `count` rows and columns of them, a stride apart. */
type Windows = (tap: Pair, count: Pair) => string;

function windowsOf(context: Context, sizes: Sizes): Windows {
  const { node, ints } = context;
  const met = placesMet(context, context.inputs[0]!, sizes.channels, sizes.kernel, context.attributes);
  if (met !== undefined) return () => met;
  const { strides, dilations } = sizes.geometry;
  if (strides[1] > 1 && sizes.kernel[1] > 1) return windowsApart(context, sizes);
  const [x, [height, width]] = padded(context, sizes, 1);
  return (tap, count) => {
    const start = [tap[0] * dilations[0], tap[1] * dilations[1]] as const;
    if (strides.every((one) => one === 1) && count[0] === height && count[1] === width) return x;
    const end = [start[0] + strides[0] * (count[0] - 1) + 1, start[1] + strides[1] * (count[1] - 1) + 1];
    return node("Slice", [x, ints(start), ints(end), ints([2, 3]), ints(strides)]);
  };
}

/**
 * Slice copies elements that lie apart one by one, rows of neighbours at once. So with a stride the columns that it divides
 * are brought together first, which is one Transpose, and every window is rows of neighbours from there.
 */
function windowsApart(context: Context, sizes: Sizes): Windows {
  const { node, ints } = context;
  const { strides, dilations } = sizes.geometry;
  const [down, across] = strides;
  const [x, [height, width]] = padded(context, sizes, across);
  const channels = sizes.channels;
  const cut = node("Reshape", [x, ints([-1, channels, height, width / across, across])]);
  const moved = node("Transpose", [cut], { perm: [0, 4, 1, 2, 3] });
  // The columns become channels: ONNX Runtime would carry a Transpose on behind the slices if no Reshape stood between.
  const apart = node("Reshape", [moved, ints([-1, across * channels, height, width / across])]);
  return (tap, count) => {
    const [row, column] = [tap[0] * dilations[0], tap[1] * dilations[1]];
    const [from, left] = [(column % across) * channels, Math.floor(column / across)];
    const end = [from + channels, row + down * (count[0] - 1) + 1, left + count[1]];
    return node("Slice", [apart, ints([from, row, left]), ints(end), ints([1, 2, 3]), ints([1, down, 1])]);
  };
}

const joined = ({ node }: Context, list: readonly string[]) =>
  list.length === 1 ? list[0]! : node("Concat", list, { axis: 1 });

/** As one matrix per sample and group. */
const flat = ({ node, ints }: Context, x: string, rows: number, places: number) =>
  node("Reshape", [x, ints([-1, rows, places])]);

/** [parts, outputs · taps, places] times [parts, columns · channels, places]ᵀ, summed over samples. */
function product(
  { tensors, node, ints, constant, shape }: Context,
  { groups, outputs, channels }: Sizes,
  y: string,
  x: string,
  taps: number,
  columns: number,
): string {
  // ONNX Runtime makes one product of both; with one matrix instead, samples would have to be moved inside first.
  const each = node("MatMul", [y, node("Transpose", [x], { perm: [0, 2, 1] })]);
  // Not ReduceSum, which adds up 16 samples or fewer number by number: 2 to 4 times the time of this product.
  const ones = node("Expand", [constant([1]), shape([1, tensors[0]!.shape[0]!])]);
  const rows = node("Reshape", [each, ints([-1, groups * outputs * taps * columns * channels])]);
  const total = node("MatMul", [ones, rows]);
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
