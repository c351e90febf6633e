/** Reductions: many elements to one, along axes. */
import { type DType, onnxDType } from "../array/dtype.ts";
import { type Dim, factorOf, formatShape, isBatchDim, normalizeAxis, type Shape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { defineOp, type Op, type OpSample } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";
import { div, mul } from "./arithmetic.ts";
import { expand, reshape } from "./movement.ts";
import { floats, numbers, requireDType } from "./require.ts";
import { cast, equal } from "./selection.ts";

/** Dtypes for which ONNX Runtime finds the position of the largest element. */
const ordered: readonly DType[] = [...floats, "int32", "uint8"];

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

/** Along which axis. */
export interface ArgMaxOptions {
  /** Default −1, the last: there lie the classes. */
  readonly axis?: number;
}

/**
 * Position of the largest element along one axis, the first of equal ones: x [..., size, ...] → int32, without that axis.
 * A whole number has no gradient. Refused along the batch: a sample's place in its microbatch depends on how the batch is
 * cut. What comes out where an element is NaN is left to ONNX Runtime. Source: ONNX ArgMax-13.
 */
export function argMax(x: Tensor, options: ArgMaxOptions = {}): Tensor {
  return apply(argMaxOp, [x], { axis: normalizeAxis(options.axis ?? -1, x.shape.length, "argMax") });
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

const argMaxOp = defineOp<{ axis: number }>({
  name: "argMax",
  infer: ([x], { axis }) => {
    requireDType("argMax", x!, ordered);
    if (isBatchDim(x!.shape[axis]!)) {
      fail("argMax", {
        expected: "an axis of fixed size",
        got: `axis ${axis} of ${formatShape(x!.shape)}`,
        fix: "take the largest of each sample: argMax(x) along the last axis",
      });
    }
    return { shape: x!.shape.toSpliced(axis, 1), dtype: "int32" };
  },
  onnx: ({ inputs, attributes: { axis }, node, output }) => {
    const positions = node("ArgMax", inputs, { axis, keepdims: 0 }); // int64
    node("Cast", [positions], { to: onnxDType.int32 }, output);
  },
  samples: [
    { inputs: [["batch", 4]], build: (x) => argMax(x) },
    { inputs: [["batch", 3, 2]], build: (x) => argMax(x, { axis: 1 }) },
    // Whole numbers from a few, so that several are the largest.
    { inputs: [{ shape: ["batch", 5], dtype: "int32", range: [0, 3] }], build: (x) => argMax(x) },
    { inputs: [[3, "batch"]], build: (x) => argMax(x, { axis: -2 }) },
  ],
});

/** Where several elements tie for the extreme, each gets an equal share. */
function extremeGradient({ x, kept, dy, axes }: ReducedContext): Tensor {
  const isExtreme = cast(equal(x, kept), x.dtype);
  return mul(isExtreme, div(dy, sum(isExtreme, { axes, keepDims: true })));
}
