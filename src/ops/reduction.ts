/** Reductions: many elements to one, along axes. */
import { type Dim, factorOf, isBatchDim, normalizeAxis, type Shape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { defineOp, type Op, type OpSample } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";
import { div, mul } from "./arithmetic.ts";
import { expand, reshape } from "./movement.ts";
import { numbers, requireDType } from "./require.ts";
import { cast, equal } from "./selection.ts";

/** Which axes go, and whether they stay with size 1. */
export interface ReductionOptions {
  /** Default: all axes. Negative counts from the end. */
  readonly axes?: readonly number[];
  /** Default false. */
  readonly keepDims?: boolean;
}

/** Sum of elements. Source: ONNX ReduceSum-13. */
export function sum(x: Tensor, options: ReductionOptions = {}): Tensor {
  return reduce(sumOp, x, options);
}

/**
 * Mean of elements along axes of fixed size. Refused along the batch: the mean over samples is taken once per step, by
 * the trainer, or it would depend on how the batch is cut. Source: ONNX ReduceMean-18.
 */
export function mean(x: Tensor, options: ReductionOptions = {}): Tensor {
  const grows = reducedAxes("mean", x, options).find((axis) => isBatchDim(x.shape[axis]!));
  if (grows !== undefined) {
    fail("mean", {
      expected: "axes of fixed size",
      got: `axis ${grows}, which is ${x.shape[grows]}`,
      fix: "return one number per sample; the trainer divides by the weights once per step",
    });
  }
  return reduce(meanOp, x, options);
}

/**
 * Largest element. Ties share the gradient equally. ONNX Runtime's kernel skips NaN ([1, NaN, 2] gives 2).
 * Source: ONNX ReduceMax-20.
 */
export function max(x: Tensor, options: ReductionOptions = {}): Tensor {
  return reduce(maxOp, x, options);
}

/** Smallest element. Ties share the gradient equally. Source: ONNX ReduceMin-20. */
export function min(x: Tensor, options: ReductionOptions = {}): Tensor {
  return reduce(minOp, x, options);
}

function reducedAxes(where: string, x: Tensor, options: ReductionOptions): number[] {
  const axes = options.axes ?? x.shape.map((_, axis) => axis);
  return [...new Set(axes.map((axis) => normalizeAxis(axis, x.shape.length, where)))].sort((a, b) => a - b);
}

function reduce(op: Op<ReductionAttributes>, x: Tensor, options: ReductionOptions): Tensor {
  const axes = reducedAxes(op.name, x, options);
  return axes.length === 0 ? x : apply(op, [x], { axes, keepDims: options.keepDims ?? false });
}

/** What the gradient of a reduction sees: the output and what arrived at it with the reduced axes kept as 1. */
interface ReducedContext {
  readonly x: Tensor;
  readonly kept: Tensor;
  readonly dy: Tensor;
  readonly axes: readonly number[];
}

type ReductionAttributes = { readonly axes: readonly number[]; readonly keepDims: boolean };

function reductionOp(
  name: string,
  onnx: string,
  gradient: (context: ReducedContext) => Tensor,
  samples: readonly OpSample[],
): Op<ReductionAttributes> {
  return defineOp<ReductionAttributes>({
    name,
    infer: ([x], { axes, keepDims }) => {
      requireDType(name, x!, numbers);
      return { shape: reducedShape(x!.shape, axes, keepDims), dtype: x!.dtype };
    },
    gradient: ({ inputs: [x], output, attributes: { axes }, dy }) => {
      const kept = reducedShape(x!.shape, axes, true);
      return [gradient({ x: x!, kept: reshape(output, kept), dy: reshape(dy, kept), axes })];
    },
    onnx: ({ inputs, attributes: { axes, keepDims }, node, ints, output }) =>
      node(onnx, [inputs[0]!, ints(axes)], { keepdims: keepDims ? 1 : 0 }, output),
    samples,
  });
}

function reducedShape(shape: Shape, axes: readonly number[], keepDims: boolean): Shape {
  const kept: Dim[] = shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
  return keepDims ? kept : kept.filter((_, axis) => !axes.includes(axis));
}

const fixedSamples = (call: (x: Tensor, options?: ReductionOptions) => Tensor): OpSample[] => [
  { inputs: [["batch", 4]], build: (x) => call(x, { axes: [-1] }) },
  { inputs: [["batch", 2, 3]], build: (x) => call(x, { axes: [1, 2], keepDims: true }) },
  { inputs: [[2, 3]], build: (x) => call(x) },
];
const sumOp = reductionOp("sum", "ReduceSum", ({ x, dy }) => expand(dy, x.shape), [
  ...fixedSamples(sum),
  { inputs: [["batch", 4]], build: (x) => sum(x, { axes: [0] }) },
  { inputs: [["batch", 4]], build: (x) => sum(x) },
]);
const meanOp = reductionOp(
  "mean",
  "ReduceMean",
  ({ x, dy, axes }) => {
    const count = axes.reduce((product, axis) => product * factorOf(x.shape[axis]!), 1);
    return expand(mul(dy, 1 / count), x.shape);
  },
  fixedSamples(mean),
);
const maxOp = reductionOp("max", "ReduceMax", extremeGradient, fixedSamples(max));
const minOp = reductionOp("min", "ReduceMin", extremeGradient, fixedSamples(min));

/** Where several elements tie for the extreme, each gets an equal share. */
function extremeGradient({ x, kept, dy, axes }: ReducedContext): Tensor {
  const isExtreme = cast(equal(x, kept), x.dtype);
  return mul(isExtreme, div(dy, sum(isExtreme, { axes, keepDims: true })));
}
