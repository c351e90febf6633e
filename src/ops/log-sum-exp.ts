/** Logarithms of probabilities that do not fit a float themselves. */
import { formatShape, isBatchDim, normalizeAxis } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { defineOp } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";
import { softmax, softplus } from "./activation.ts";
import { mul, neg } from "./arithmetic.ts";
import { reshape } from "./movement.ts";
import { floats, requireDType } from "./require.ts";

/**
 * log Σ eˣ along one axis (default the last), without that axis: the logarithm of what softmax divides by.
 * The maximum is taken out first, so nothing overflows, and −∞ counts for nothing beside numbers; its
 * gradient is the softmax.
 * Refused along the batch: it would couple samples. Source: ONNX ReduceLogSumExp-18, PyTorch logsumexp.
 */
export function logSumExp(x: Tensor, axis = -1): Tensor {
  return apply(logSumExpOp, [x], { axis: normalizeAxis(axis, x.shape.length, "logSumExp") });
}

/**
 * log(sigmoid(x)), exact where sigmoid is 0 or 1 in float32. Source: PyTorch LogSigmoid; through softplus.
 */
export function logSigmoid(x: Tensor): Tensor {
  return neg(softplus(neg(x)));
}

const logSumExpOp = defineOp<{ axis: number }>({
  name: "logSumExp",
  infer: ([x], { axis }) => {
    requireDType("logSumExp", x!, floats);
    if (isBatchDim(x!.shape[axis]!)) {
      fail("logSumExp", {
        expected: "an axis of fixed size",
        got: `axis ${axis} of ${formatShape(x!.shape)}`,
        fix: "take it of each sample: logSumExp(x) along the last axis",
      });
    }
    return { shape: x!.shape.toSpliced(axis, 1), dtype: x!.dtype };
  },
  // Not exp(x − output): at 1000 the output is only right to 3e-5, and so would be the gradient.
  gradient: ({ inputs: [x], attributes: { axis }, dy }) => [
    mul(softmax(x!, axis), reshape(dy, x!.shape.with(axis, 1))),
  ],
  onnx: ({ inputs: [x], attributes: { axis }, node, ints, output }) =>
    node("ReduceLogSumExp", [x!, ints([axis])], { keepdims: 0 }, output),
  samples: [
    { inputs: [["batch", 4]], build: (x) => logSumExp(x) },
    { inputs: [["batch", 3, 2]], build: (x) => logSumExp(x, 1) },
    { inputs: [{ shape: ["batch", 4], range: [-300, 300] }], build: (x) => logSumExp(x) },
  ],
});
