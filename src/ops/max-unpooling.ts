/** How the gradient of max pooling is written where windows lie side by side: found on as many numbers as there are windows. */
import { onnxDType } from "../array/dtype.ts";
import { elementCount, factorOf, productDim } from "../array/shape.ts";
import type { EmitContext } from "../graph/op.ts";
import type { Tensor } from "../graph/tensor.ts";
import { areTiles, onnxWindows, spatialOf, type Windows } from "./pooling-windows.ts";

/** True where `emitUnpooling` is possible: MaxUnpool has a float32 kernel only, and float32 counts places up to 2²⁴. */
export const isUnpoolable = (x: Tensor, windows: Windows) =>
  areTiles(windows) && x.dtype === "float32" && elementCount(spatialOf(x.shape)) < 2 ** 24;

/**
 * Of x, dy (one number per window) and x pooled: each of dy at the first of the largest of its window of x, zeros elsewhere.
 * The pooled values, stretched over their windows again, show where the largest are. Ties are common (a plain background gives
 * equal numbers under any convolution), so these are numbered backwards by their place in the image, and pooling again finds
 * the first. From there it is one number per window until MaxUnpool puts those of dy in their places.
 * Measured: 0.4 of the time of ONNX's positions (MaxPool's second output) and a scatter, and 0.8 of that of stretching the
 * first's number and dy over the windows as well. A window without a largest (NaN) gives dy to its last element.
 */
export function emitUnpooling(context: EmitContext<Windows>): void {
  const { inputs, tensors, attributes, node, shape, output } = context;
  const image = tensors[0]!.shape;
  const lengths = spatialOf(image);
  const steps = lengths.map((_, axis) => elementCount(lengths.slice(axis + 1)));
  const { kernel_shape, strides, pads } = onnxWindows(attributes);
  const last = elementsBetween(steps, attributes.size);
  const counts = spatialOf(tensors[1]!.shape);
  const backwards = grid(context, last, coveredLengths(counts, attributes), (place, axis) => {
    return -(place % attributes.size[axis]!) * steps[axis]!;
  });
  const numbered = node("Mul", [areLargest(context, counts), backwards]);
  const best = node("MaxPool", [numbered], { kernel_shape, strides, pads });
  const ends = grid(context, last, counts, (place, axis) => place * attributes.size[axis]! * steps[axis]!);
  const places = node("Cast", [node("Sub", [ends, best])], { to: onnxDType.int64 });
  const all = node("Add", [places, firstPlaces(context, lengths)]);
  node("MaxUnpool", [inputs[1]!, all, shape(image)], { kernel_shape, strides }, output);
}

/** From the first element of a window to its last. */
const elementsBetween = (steps: readonly number[], size: readonly number[]) =>
  size.reduce((sum, one, axis) => sum + (one - 1) * steps[axis]!, 0);

/** Without what is left over at the end. */
const coveredLengths = (counts: readonly number[], { size }: Windows) =>
  counts.map((count, axis) => count * size[axis]!);

/** 1 where x is the largest of its window, else 0. */
function areLargest(
  { inputs, tensors, attributes, node, ints, constant }: EmitContext<Windows>,
  counts: readonly number[],
): string {
  const ends = coveredLengths(counts, attributes);
  const axes = ends.map((_, axis) => axis + 2);
  const isWhole = spatialOf(tensors[0]!.shape).every((length, axis) => length === ends[axis]);
  const x = isWhole
    ? inputs[0]!
    : node("Slice", [inputs[0]!, ints(ends.map(() => 0)), ints(ends), ints(axes)]);
  const scales = constant([1, 1, ...attributes.size], [ends.length + 2]);
  const nearest = {
    mode: "nearest",
    coordinate_transformation_mode: "asymmetric",
    nearest_mode: "floor",
  } as const;
  const largest = node("Resize", [inputs[2]!, "", scales], nearest);
  return node("Cast", [node("Equal", [x, largest])], { to: onnxDType.float32 });
}

/** A number for every place, [.., height, width]: the first, and one for its row, and one for its column. */
function grid(
  { node, constant }: EmitContext<Windows>,
  first: number,
  counts: readonly number[],
  numberOf: (place: number, axis: number) => number,
): string {
  return counts
    .map((count, axis) => {
      const start = axis === 0 ? first : 0;
      const numbers = Array.from({ length: count }, (_, place) => start + numberOf(place, axis));
      return constant(numbers, [count, ...counts.slice(axis + 1).map(() => 1)]);
    })
    .reduce((rows, columns) => node("Add", [rows, columns]));
}

/** How many elements lie before each image of x, [samples, channels, 1, 1]: MaxUnpool counts through all of them. */
function firstPlaces(
  { tensors, node, ints, size }: EmitContext<Windows>,
  lengths: readonly number[],
): string {
  const { shape } = tensors[0]!;
  const total = node("Squeeze", [size(productDim(shape, "maxPooling"))]);
  const firsts = node("Range", [ints([0], []), total, ints([elementCount(lengths)], [])]);
  return node("Reshape", [firsts, ints([-1, factorOf(shape[1]!), ...lengths.map(() => 1)])]);
}
