/** ONNX operators that make one element of a window. */
import { isFloat } from "../array/dtype.ts";
import { elementCount, isBatchDim } from "../array/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import * as ops from "../ops/index.ts";
import { requireWithin } from "./activation.ts";
import { constantOf } from "./arrays.ts";
import { selected } from "./indexing.ts";
import type { NodeReader, Operator, Operators } from "./operator.ts";
import { type Geometry, geometryOf } from "./windows.ts";

const kernelOf = (node: NodeReader) => node.ints("kernel_shape") ?? [];

/** Windows that our ops take: images and sequences, no gaps, as much padding on one side as on the other. */
function isPlain(node: NodeReader, kernel: readonly number[], geometry: Geometry): boolean {
  const { before, after, dilations } = geometry;
  const isEven = before.every((amount, axis) => amount === after[axis] && 2 * amount <= kernel[axis]!);
  return kernel.length <= 2 && isEven && dilations.every((one) => one === 1) && !node.flag("ceil_mode");
}

/** The tensor of every place in the window, one after the other: any rank, with gaps and any padding. */
function* places(x: Tensor, kernel: readonly number[], geometry: Geometry, value: number): Generator<Tensor> {
  const { before, strides, dilations, counts } = geometry;
  const padded = counts.reduce((one, count, axis) => {
    const reach = (count - 1) * strides[axis]! + (kernel[axis]! - 1) * dilations[axis]! + 1;
    const after = Math.max(reach - before[axis]! - Number(x.shape[axis + 2]), 0);
    return ops.pad(one, { before: before[axis]!, after, value }, axis + 2);
  }, x);
  const total = elementCount(kernel);
  for (let place = 0; place < total; place++) {
    let rest = place;
    let part = padded;
    for (let axis = kernel.length - 1; axis >= 0; axis--) {
      const start = (rest % kernel[axis]!) * dilations[axis]!;
      rest = Math.floor(rest / kernel[axis]!);
      const positions = Array.from({ length: counts[axis]! }, (_, index) => start + index * strides[axis]!);
      part = selected(part, positions, axis + 2);
    }
    yield part;
  }
}

/** More places than this would make more nodes than a graph should have. */
const mostPlaces = 1024;

function requireSmall(node: NodeReader, kernel: readonly number[]): void {
  const count = elementCount(kernel);
  if (count > mostPlaces) node.refuse(`windows of at most ${mostPlaces} elements`, String(count));
}

function maxPool(node: NodeReader): Tensor {
  const x = node.input(0);
  const kernel = kernelOf(node);
  requireWithin(node, x, [...x.shape.keys()].slice(1));
  if (node.gives(1)) node.refuse("the largest elements alone", "their indices as well");
  const geometry = geometryOf(node, x, kernel);
  if (isFloat(x.dtype) && isPlain(node, kernel, geometry)) {
    return ops.maxPooling(x, kernel, { stride: geometry.strides, padding: geometry.before }, node.where);
  }
  requireSmall(node, kernel);
  const least = isFloat(x.dtype) ? Number.NEGATIVE_INFINITY : 0;
  return [...places(x, kernel, geometry, least)].reduce((a, b) => ops.maximum(a, b));
}

function averagePool(node: NodeReader): Tensor {
  const x = node.input(0);
  const kernel = kernelOf(node);
  requireWithin(node, x, [...x.shape.keys()].slice(1));
  const geometry = geometryOf(node, x, kernel);
  const countPadding = node.flag("count_include_pad");
  if (isPlain(node, kernel, geometry)) {
    const options = { stride: geometry.strides, padding: geometry.before, countPadding };
    return ops.averagePooling(x, kernel, options, node.where);
  }
  requireSmall(node, kernel);
  const total = [...places(x, kernel, geometry, 0)].reduce((a, b) => ops.add(a, b));
  return ops.div(total, counted(node, x, kernel, geometry, countPadding));
}

/** How many elements every window holds, [...windows]; padding counts where it is told to, what lies beyond it never. */
function counted(
  node: NodeReader,
  x: Tensor,
  kernel: readonly number[],
  { before, after, strides, dilations, counts }: Geometry,
  countPadding: boolean,
): Tensor {
  const perAxis = kernel.map((size, axis) => {
    const length = node.fixed(axis + 2);
    const [low, high] = countPadding ? [-before[axis]!, length + after[axis]!] : [0, length];
    return Array.from({ length: counts[axis]! }, (_, index) => {
      const start = index * strides[axis]! - before[axis]!;
      const places = Array.from({ length: size }, (_, tap) => start + tap * dilations[axis]!);
      return places.filter((place) => place >= low && place < high).length;
    });
  });
  const shape = counts.map(Number);
  const elements = perAxis.reduce<number[]>((all, line) => all.flatMap((a) => line.map((b) => a * b)), [1]);
  return constantOf(elements, shape, x.dtype === "float64" ? "float64" : "float32");
}

function lpPool(node: NodeReader): Tensor {
  const x = node.input(0);
  const kernel = kernelOf(node);
  requireWithin(node, x, [...x.shape.keys()].slice(1));
  requireSmall(node, kernel);
  const power = node.int("p", 2);
  const raised = power === 2 ? ops.square(x) : ops.pow(ops.abs(x), power);
  const total = [...places(raised, kernel, geometryOf(node, x, kernel), 0)].reduce((a, b) => ops.add(a, b));
  return power === 2 ? ops.sqrt(total) : ops.pow(total, 1 / power);
}

/** Over all spatial axes, which stay with size 1. */
function global(call: (x: Tensor, options: ops.ReductionOptions) => Tensor): Operator {
  return (node) => {
    const x = node.input(0);
    const axes = [...x.shape.keys()].slice(2);
    if (x.shape.slice(2).some(isBatchDim)) requireWithin(node, x, axes);
    return call(x, { axes, keepDims: true });
  };
}

export const poolings: Operators = {
  AveragePool: averagePool,
  GlobalAveragePool: global(ops.mean),
  GlobalLpPool: (node) => {
    const power = node.int("p", 2);
    return global((x, options) => ops.pow(ops.sum(ops.pow(ops.abs(x), power), options), 1 / power))(node);
  },
  GlobalMaxPool: global(ops.max),
  LpPool: lpPool,
  MaxPool: maxPool,
};
