/** Activations: functions of one tensor that bend a model's straight lines, and softmax. */
import { normalizeAxis } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { type Attributes, defineOp, type Op } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";
import { aboveZero } from "./above-zero.ts";
import { add, exp, mul, neg, sub } from "./arithmetic.ts";
import { scatteredAboveZero } from "./max-pooling.ts";
import { sum } from "./reduction.ts";
import { floats, requireDType } from "./require.ts";
import { greater, where } from "./selection.ts";

/** x where x > 0, else 0. The gradient at 0 is 0. NaN stays NaN. Source: ONNX Relu-14. */
export function relu(x: Tensor): Tensor {
  return apply(reluOp, [x], {});
}

/**
 * x where x > 0, else slope · x. The gradient at 0 is the slope.
 * slope: 0.01 by default, as in PyTorch and ONNX. Source: ONNX LeakyRelu-16.
 */
export function leakyRelu(x: Tensor, slope = 0.01): Tensor {
  if (!Number.isFinite(slope)) {
    fail("leakyRelu", { expected: "a finite slope", got: String(slope), fix: "for example 0.01" });
  }
  return apply(leakyReluOp, [x], { slope });
}

/**
 * x · Φ(x), where Φ is the normal distribution function: the exact form, through erf. The tanh approximation is slower
 * backwards. Source: Hendrycks & Gimpel 2016, ONNX Gelu-20.
 */
export function gelu(x: Tensor): Tensor {
  return apply(geluOp, [x], {});
}

/** x · sigmoid(x), also called swish. Source: Elfwing et al. 2017. */
export function silu(x: Tensor): Tensor {
  requireDType("silu", x, floats); // before the sigmoid complains in its own name
  return apply(siluOp, [x, sigmoid(x)], {});
}

/** Hyperbolic tangent. Source: ONNX Tanh-13. */
export function tanh(x: Tensor): Tensor {
  return apply(tanhOp, [x], {});
}

/**
 * 1 / (1 + e⁻ˣ), the probability behind a logit. ONNX Runtime's kernel is right to 1e-7 absolutely, not relatively: it is 0
 * from about −18 down, so take losses from logits. Source: ONNX Sigmoid-13.
 */
export function sigmoid(x: Tensor): Tensor {
  return apply(sigmoidOp, [x], {});
}

/**
 * log(1 + eˣ) without overflow, relatively exact far below 0 too; its gradient, sigmoid(x), is exact absolutely.
 * Source: ONNX Softplus-1.
 */
export function softplus(x: Tensor): Tensor {
  return apply(softplusOp, [x], {});
}

/** The error function, 2/√π · ∫₀ˣ e^(−t²) dt. Source: ONNX Erf-13. */
export function erf(x: Tensor): Tensor {
  return apply(erfOp, [x], {});
}

/**
 * eˣ / Σ eˣ along one axis (default the last): probabilities from logits. The maximum is subtracted first, so large logits
 * do not overflow; a row of −∞ alone gives NaN, so mask with −1e9 instead. Source: ONNX Softmax-13.
 */
export function softmax(x: Tensor, axis = -1): Tensor {
  return apply(softmaxOp, [x], { axis: normalizeAxis(axis, x.shape.length, "softmax") });
}

/** log(softmax(x)) along one axis (default the last), finite where softmax underflows. Source: ONNX LogSoftmax-13. */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  return apply(logSoftmaxOp, [x], { axis: normalizeAxis(axis, x.shape.length, "logSoftmax") });
}

/** An op whose output has the shape and dtype of its first input. */
function activationOp<A extends Attributes>(op: Omit<Op<A>, "infer">): Op<A> {
  return defineOp<A>({
    ...op,
    infer: ([x]) => {
      requireDType(op.name, x!, floats);
      return { shape: x!.shape, dtype: x!.dtype };
    },
  });
}

const reluOp = activationOp({
  name: "relu",
  // From the output: the input need not be kept. Faster than Where, Sign or Clip.
  gradient: ({ output, dy }) => [scatteredAboveZero(dy, output) ?? mul(aboveZero(output), dy)],
  onnx: "Relu",
  samples: [
    { inputs: [{ shape: ["batch", 4], kinks: [0] }], build: relu },
    { inputs: [{ shape: [2, 3], kinks: [0] }], build: (x) => relu(mul(x, 2)) },
  ],
});

const leakyReluOp = activationOp<{ slope: number }>({
  name: "leakyRelu",
  gradient: ({ inputs: [x], attributes: { slope }, dy }) => [
    where(greater(x!, 0), dy, mul(dy, slope)), // from the input: the output's sign is lost where slope ≤ 0
  ],
  onnx: ({ inputs, attributes: { slope }, node, output }) =>
    node("LeakyRelu", inputs, { alpha: { float: slope } }, output),
  samples: [
    { inputs: [{ shape: ["batch", 4], kinks: [0] }], build: (x) => leakyRelu(x) },
    { inputs: [{ shape: ["batch", 4], kinks: [0] }], build: (x) => leakyRelu(x, -0.5) },
    { inputs: [{ shape: ["batch", 4], kinks: [0] }], build: (x) => leakyRelu(x, 0) },
  ],
});

const geluOp = activationOp({
  name: "gelu",
  // Φ(x) + x · φ(x), with the factors gathered so that the fewest passes over memory are left.
  gradient: ({ inputs: [x], dy }) => {
    const density = mul(mul(x!, exp(mul(mul(x!, x!), -0.5))), Math.sqrt(2 / Math.PI));
    return [mul(dy, add(mul(add(erf(mul(x!, Math.SQRT1_2)), density), 0.5), 0.5))];
  },
  onnx: "Gelu",
  samples: [
    { inputs: [["batch", 4]], build: gelu },
    { inputs: [{ shape: ["batch", 4], range: [-6, 6] }], build: gelu },
  ],
});

const siluOp = activationOp({
  name: "silu",
  // The sigmoid is an input so that backwards it is read, not computed again. All of the gradient goes to x.
  gradient: ({ inputs: [, gate], output, dy }) => [
    mul(dy, add(output, mul(gate!, sub(1, output)))),
    undefined,
  ],
  onnx: "Mul",
  samples: [
    { inputs: [["batch", 4]], build: silu },
    { inputs: [{ shape: ["batch", 4], range: [-6, 6] }], build: silu },
  ],
});

const tanhOp = activationOp({
  name: "tanh",
  gradient: ({ output, dy }) => [mul(dy, sub(1, mul(output, output)))],
  onnx: "Tanh",
  samples: [{ inputs: [["batch", 4]], build: tanh }],
});

const sigmoidOp = activationOp({
  name: "sigmoid",
  gradient: ({ output, dy }) => [mul(mul(dy, output), sub(1, output))],
  onnx: "Sigmoid",
  samples: [
    { inputs: [["batch", 4]], build: sigmoid },
    { inputs: [{ shape: ["batch", 4], range: [-8, 8] }], build: sigmoid },
  ],
});

const softplusOp = activationOp({
  name: "softplus",
  gradient: ({ inputs: [x], dy }) => [mul(dy, sigmoid(x!))],
  onnx: "Softplus",
  samples: [
    { inputs: [["batch", 4]], build: softplus },
    { inputs: [{ shape: ["batch", 4], range: [-30, 30] }], build: softplus },
  ],
});

const erfOp = activationOp({
  name: "erf",
  gradient: ({ inputs: [x], dy }) => [mul(dy, mul(exp(neg(mul(x!, x!))), 2 / Math.sqrt(Math.PI)))],
  onnx: "Erf",
  samples: [{ inputs: [["batch", 4]], build: erf }],
});

const softmaxOp = activationOp<{ axis: number }>({
  name: "softmax",
  gradient: ({ output, attributes: { axis }, dy }) => [
    mul(output, sub(dy, sum(mul(output, dy), { axes: [axis], keepDims: true }))),
  ],
  onnx: ({ inputs, attributes: { axis }, node, output }) => node("Softmax", inputs, { axis }, output),
  samples: [
    { inputs: [["batch", 4]], build: (x) => softmax(x) },
    { inputs: [["batch", 2, 3]], build: (x) => softmax(x, 1) },
    { inputs: [{ shape: ["batch", 4], range: [-40, 40] }], build: (x) => softmax(x) },
  ],
});

const logSoftmaxOp = activationOp<{ axis: number }>({
  name: "logSoftmax",
  gradient: ({ output, attributes: { axis }, dy }) => [
    sub(dy, mul(exp(output), sum(dy, { axes: [axis], keepDims: true }))),
  ],
  onnx: ({ inputs, attributes: { axis }, node, output }) => node("LogSoftmax", inputs, { axis }, output),
  samples: [
    { inputs: [["batch", 4]], build: (x) => logSoftmax(x) },
    { inputs: [["batch", 2, 3]], build: (x) => logSoftmax(x, -2) },
    { inputs: [{ shape: ["batch", 4], range: [-200, 200] }], build: (x) => logSoftmax(x) },
  ],
});
