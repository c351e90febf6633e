/** ONNX operators that make many elements one, along axes. */
import { isFloat } from "../array/dtype.ts";
import { constant, type Tensor } from "../graph/tensor.ts";
import * as ops from "../ops/index.ts";
import { requireWithin } from "./activation.ts";
import { int64List } from "./arrays.ts";
import type { NodeReader, Operator, Operators } from "./operator.ts";

interface Reduced {
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

/** Axes are an attribute in old sets and an input in new ones (ReduceSum from 13 on, the others from 18). */
function reduction(call: (x: Tensor, options: Reduced) => Tensor): Operator {
  return (node) => {
    const x = node.input(0);
    const listed = node.list("axes", 1) ?? [];
    if (listed.length === 0 && node.flag("noop_with_empty_axes")) return x;
    const axes = listed.length === 0 ? [...x.shape.keys()] : node.axes(listed);
    requireWithin(node, x, axes);
    if (axes.length === 0) return call(ops.reshape(x, [1]), { axes: [0], keepDims: false });
    return call(x, { axes, keepDims: node.flag("keepdims", true) });
  };
}

/** log Σ eˣ with the maximum taken out first, so that large elements do not overflow. */
function logSumExp(x: Tensor, options: Reduced): Tensor {
  const peak = ops.max(x, { axes: options.axes, keepDims: true });
  const total = ops.log(ops.sum(ops.exp(ops.sub(x, peak)), { axes: options.axes, keepDims: true }));
  const kept = ops.add(total, peak);
  return options.keepDims
    ? kept
    : ops.reshape(
        kept,
        x.shape.filter((_, axis) => !options.axes.includes(axis)),
      );
}

/** ONNX means of whole numbers are whole: towards zero. */
function mean(x: Tensor, options: Reduced): Tensor {
  return isFloat(x.dtype)
    ? ops.mean(x, options)
    : ops.cast(ops.mean(ops.cast(x, "float64"), options), x.dtype);
}

/** Positions of extremes: the first of equal ones, or the last. */
function extremePosition(sign: (x: Tensor) => Tensor): Operator {
  return (node) => {
    const x = sign(node.input(0));
    const axis = node.axis(node.int("axis", 0));
    requireWithin(node, x, [axis]);
    const size = node.fixed(axis);
    const isLast = node.flag("select_last_index");
    const turned = isLast ? ops.gather(x, constant(int64List(backwards(node, size))), axis) : x;
    const found = ops.cast(ops.argMax(turned, { axis }), "int64");
    const position = isLast ? ops.sub(size - 1, found) : found;
    return node.flag("keepdims", true)
      ? ops.reshape(
          position,
          x.shape.map((dim, at) => (at === axis ? 1 : dim)),
        )
      : position;
  };
}

const backwards = (node: NodeReader, size: number) =>
  Array.from({ length: node.bounded(size, "an axis") }, (_, index) => size - 1 - index);

/** The largest elements, in order, and where they were. The count is an attribute before set 10. */
function topK(node: NodeReader): readonly Tensor[] {
  const x = node.input(0);
  const count = node.node.attributes.has("k") ? node.int("k", 1) : node.numbers(1)?.[0];
  const axis = node.axis(node.int("axis", -1));
  requireWithin(node, x, [axis]);
  const positions = ops.topPositions(x, count ?? 0, { axis, smallest: !node.flag("largest", true) });
  return [ops.gatherElements(x, positions, axis), positions];
}

export const reductions: Operators = {
  ArgMax: extremePosition((x) => x),
  ArgMin: extremePosition(ops.neg),
  ReduceL1: reduction((x, options) => ops.sum(ops.abs(x), options)),
  ReduceL2: reduction((x, options) => ops.sqrt(ops.sum(ops.square(x), options))),
  ReduceLogSum: reduction((x, options) => ops.log(ops.sum(x, options))),
  ReduceLogSumExp: reduction(logSumExp),
  ReduceMax: reduction(ops.max),
  ReduceMean: reduction(mean),
  ReduceMin: reduction(ops.min),
  ReduceProd: reduction(ops.product),
  ReduceSum: reduction(ops.sum),
  ReduceSumSquare: reduction((x, options) => ops.sum(ops.square(x), options)),
  TopK: topK,
};
