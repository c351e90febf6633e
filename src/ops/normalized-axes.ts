/** What normalisations within a sample share: which axes, statistics along them, sums across the positions. */
import type { DType } from "../array/dtype.ts";
import { factorOf, formatShape, isBatchDim, productDim, type Shape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { EmitContext } from "../graph/op.ts";
import type { Tensor } from "../graph/tensor.ts";
import { mul, neg } from "./arithmetic.ts";
import { gemm, matmul, sumRows } from "./matmul.ts";
import { fill, reshape } from "./movement.ts";
import { floats, requireDType, requireSameDType, requireShape } from "./require.ts";
import { cast } from "./selection.ts";

/** What is done with the normalised numbers. */
export interface AffineOptions {
  /** They are multiplied with this. Default: not at all. */
  readonly scale?: Tensor | undefined;
  /** This is added to them. Default: nothing. */
  readonly bias?: Tensor | undefined;
}

/** Attributes of the ops. */
export type Epsilon = { readonly epsilon: number };

/** Writes 1 / √(mean of the squares of `values` + epsilon) along the last axis. */
export function inverseOfSquares(context: EmitContext<Epsilon>, values: string, x: Tensor): void {
  const { attributes, node, ints, constant, output } = context;
  const number = (value: number) => constant([value], [], x.dtype);
  const squares = node("ReduceSumSquare", [values, ints([-1])], { keepdims: 1 });
  const mean = node("Mul", [squares, number(1 / featuresOf(x))]);
  node("Reciprocal", [node("Sqrt", [node("Add", [mean, number(attributes.epsilon)])])], {}, output);
}

/** What a change of the inverse deviation means for each distance from the mean: −inverse³ · dy / features. */
export const inverseSlope = (x: Tensor, inverse: Tensor, dy: Tensor) =>
  mul(mul(mul(inverse, inverse), mul(inverse, neg(dy))), 1 / featuresOf(x));

/** The mean of values · scale along the last axis, as a product: [..., features] → [..., 1], without a pass that writes. */
export function rowMeanOf(values: Tensor, scale: Tensor | undefined): Tensor {
  const features = featuresOf(values);
  const whole = scale ?? cast(fill([features], 1), values.dtype);
  return matmul(values, reshape(mul(whole, 1 / features), [features, 1]));
}

/** Σ over all axes but the last of values · weights, as a product: values [..., features], weights [..., 1] → [features]. */
export function sumPositions(values: Tensor, weights?: Tensor): Tensor {
  const features = featuresOf(values);
  const positions = productDim(values.shape.slice(0, -1), "normalisation");
  const rows = reshape(values, [positions, features]);
  if (weights === undefined) return sumRows(rows);
  return reshape(gemm(reshape(weights, [1, positions]), rows), [features]);
}

/** How many numbers lie along the last axis. */
export const featuresOf = (x: Tensor) => factorOf(x.shape.at(-1)!);

/** The shape of one number per position. */
export const rowsOf = (shape: Shape): Shape => [...shape.slice(0, -1), 1];

/** Writes a scale that changes nothing. */
export const onesFor = ({ tensors, constant }: EmitContext<Epsilon>) =>
  constant(Array<number>(featuresOf(tensors[0]!)).fill(1), [featuresOf(tensors[0]!)], tensors[0]!.dtype);

/** x's shape and dtype. Throws unless all inputs are floats of one kind. */
export function inferLike(where: string, [x, ...others]: readonly Tensor[]): { shape: Shape; dtype: DType } {
  requireDType(where, x!, floats);
  for (const numbers of others) requireSameDType(where, x!, numbers);
  return { shape: x!.shape, dtype: x!.dtype };
}

/** Sizes of the last axes. Throws unless there are so many, of fixed sizes. */
export function sizesOf(where: string, x: Tensor, axes: number): number[] {
  const isCount = Number.isSafeInteger(axes) && axes >= 1;
  const sizes = isCount ? x.shape.slice(-axes) : [];
  if (!isCount || sizes.length < axes || sizes.some(isBatchDim)) {
    fail(where, {
      expected: isCount
        ? `${axes === 1 ? "a last axis" : `${axes} last axes`} of fixed size`
        : "a number of axes from 1 on",
      got: isCount ? formatShape(x.shape) : String(axes),
      fix: "normalise within samples: the axes behind batch",
    });
  }
  return sizes.map(factorOf);
}

/** Scale and bias as the ops take them, flat. A bias alone gets a scale of ones. */
export function affineInputs(
  where: string,
  sizes: readonly number[],
  { scale, bias }: AffineOptions,
): Tensor[] {
  const flat = (what: string, numbers: Tensor) => {
    requireShape(where, what, numbers.shape, sizes);
    return reshape(numbers, [-1]);
  };
  if (bias === undefined) return scale === undefined ? [] : [flat("scale", scale)];
  return [flat("scale", scale ?? cast(fill(sizes, 1), bias.dtype)), flat("bias", bias)];
}
