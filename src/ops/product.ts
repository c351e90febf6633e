/** The product of many elements. */
import { type Dim, isBatchDim, normalizeAxis } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { defineOp } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";
import { div, mul } from "./arithmetic.ts";
import { reshape } from "./movement.ts";
import type { ReductionOptions } from "./reduction.ts";
import { numbers, requireDType } from "./require.ts";

/**
 * Product of elements along axes. Its gradient divides by the elements: it is NaN where one is 0. Refused along the batch.
 * Source: ONNX ReduceProd-18.
 */
export function product(x: Tensor, options: ReductionOptions = {}): Tensor {
  const axes = [
    ...new Set(
      (options.axes ?? [...x.shape.keys()]).map((axis) => normalizeAxis(axis, x.shape.length, "product")),
    ),
  ].sort((a, b) => a - b);
  return axes.length === 0 ? x : apply(productOp, [x], { axes, keepDims: options.keepDims ?? false });
}

const productOp = defineOp<{ axes: readonly number[]; keepDims: boolean }>({
  name: "product",
  infer: ([x], { axes, keepDims }) => {
    requireDType("product", x!, numbers);
    if (axes.some((axis) => isBatchDim(x!.shape[axis]!))) {
      fail("product", {
        expected: "axes of fixed size",
        got: `[${x!.shape.join(", ")}] along axes ${axes.join(", ")}`,
        fix: "multiply within a sample; samples stay apart",
      });
    }
    const kept: Dim[] = x!.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
    return { shape: keepDims ? kept : kept.filter((_, axis) => !axes.includes(axis)), dtype: x!.dtype };
  },
  gradient: ({ inputs: [x], output, attributes: { axes }, dy }) => {
    const kept: Dim[] = x!.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
    return [div(mul(reshape(dy, kept), reshape(output, kept)), x!)];
  },
  onnx: ({ inputs, attributes: { axes, keepDims }, node, ints, output }) =>
    node("ReduceProd", [inputs[0]!, ints(axes)], { keepdims: keepDims ? 1 : 0 }, output),
  samples: [
    { inputs: [{ shape: ["batch", 3], range: [0.5, 2] }], build: (x) => product(x, { axes: [-1] }) },
    {
      inputs: [{ shape: ["batch", 2, 3], range: [-2, -0.5] }],
      build: (x) => product(x, { axes: [1, 2], keepDims: true }),
    },
  ],
});
