/** Running totals along an axis. */
import { formatShape, isBatchDim, normalizeAxis } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { defineOp } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";
import { numbers, requireDType } from "./require.ts";

/** How `cumulativeSum` runs. */
export interface CumulativeOptions {
  /** Default −1, the last. */
  readonly axis?: number;
  /** From the end to the start. Default false. */
  readonly reverse?: boolean;
  /** Without the element itself: the first total is 0. Default false. */
  readonly exclusive?: boolean;
}

/**
 * The sum of the elements up to each one, along one axis: [1, 2, 3] → [1, 3, 6]. The same shape and dtype.
 * Refused along the batch: a running total over samples would depend on how the batch is cut. Source: ONNX
 * CumSum-14.
 */
export function cumulativeSum(x: Tensor, options: CumulativeOptions = {}): Tensor {
  const { axis = -1, reverse = false, exclusive = false } = options;
  return apply(cumulativeSumOp, [x], {
    axis: normalizeAxis(axis, x.shape.length, "cumulativeSum"),
    reverse,
    exclusive,
  });
}

const cumulativeSumOp = defineOp<{ axis: number; reverse: boolean; exclusive: boolean }>({
  name: "cumulativeSum",
  infer: ([x], { axis }) => {
    requireDType("cumulativeSum", x!, numbers);
    if (isBatchDim(x!.shape[axis]!)) {
      fail("cumulativeSum", {
        expected: "an axis of fixed size",
        got: `axis ${axis} of ${formatShape(x!.shape)}`,
        fix: "sum along another axis; samples are in no order",
      });
    }
    return { shape: x!.shape, dtype: x!.dtype };
  },
  // An element is in every total behind it, so its gradient is the sum of theirs.
  gradient: ({ attributes: { axis, reverse, exclusive }, dy }) => [
    cumulativeSum(dy, { axis, reverse: !reverse, exclusive }),
  ],
  onnx: ({ inputs: [x], attributes: { axis, reverse, exclusive }, node, ints, output }) =>
    node(
      "CumSum",
      [x!, ints([axis], [])],
      { ...(reverse && { reverse: 1 }), ...(exclusive && { exclusive: 1 }) },
      output,
    ),
  samples: [
    { inputs: [["batch", 4]], build: (x) => cumulativeSum(x) },
    { inputs: [["batch", 3, 2]], build: (x) => cumulativeSum(x, { axis: 1, reverse: true }) },
    { inputs: [[3, "batch"]], build: (x) => cumulativeSum(x, { axis: 0, exclusive: true }) },
    { inputs: [["batch", 4]], build: (x) => cumulativeSum(x, { exclusive: true, reverse: true }) },
    { inputs: [{ shape: ["batch", 4], dtype: "int32", range: [-5, 5] }], build: (x) => cumulativeSum(x) },
  ],
});
