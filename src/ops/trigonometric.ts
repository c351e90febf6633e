/** Trigonometric and hyperbolic functions of one tensor, and their inverses. Angles are in radians. */
import { defineOp, type Op, type SampleInput } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";
import { add, div, mul, neg, sqrt, square, sub } from "./arithmetic.ts";
import { requireDType } from "./require.ts";

/** Sine. Source: ONNX Sin-7. */
export function sin(x: Tensor): Tensor {
  return apply(sinOp, [x], {});
}

/** Cosine. Source: ONNX Cos-7. */
export function cos(x: Tensor): Tensor {
  return apply(cosOp, [x], {});
}

/** Tangent. Source: ONNX Tan-7. */
export function tan(x: Tensor): Tensor {
  return apply(tanOp, [x], {});
}

/** The angle from −π/2 to π/2 whose sine is x; NaN outside of [−1, 1]. Source: ONNX Asin-7. */
export function asin(x: Tensor): Tensor {
  return apply(asinOp, [x], {});
}

/** The angle from 0 to π whose cosine is x; NaN outside of [−1, 1]. Source: ONNX Acos-7. */
export function acos(x: Tensor): Tensor {
  return apply(acosOp, [x], {});
}

/** The angle from −π/2 to π/2 whose tangent is x. Source: ONNX Atan-7. */
export function atan(x: Tensor): Tensor {
  return apply(atanOp, [x], {});
}

/** Hyperbolic sine. Source: ONNX Sinh-9. */
export function sinh(x: Tensor): Tensor {
  return apply(sinhOp, [x], {});
}

/** Hyperbolic cosine. Source: ONNX Cosh-9. */
export function cosh(x: Tensor): Tensor {
  return apply(coshOp, [x], {});
}

/** The number whose hyperbolic sine is x. Source: ONNX Asinh-9. */
export function asinh(x: Tensor): Tensor {
  return apply(asinhOp, [x], {});
}

/** The number from 0 on whose hyperbolic cosine is x; NaN below 1. Source: ONNX Acosh-9. */
export function acosh(x: Tensor): Tensor {
  return apply(acoshOp, [x], {});
}

/** The number whose hyperbolic tangent is x; NaN outside of [−1, 1]. Source: ONNX Atanh-9. */
export function atanh(x: Tensor): Tensor {
  return apply(atanhOp, [x], {});
}

/** ONNX Runtime has float32 kernels for all of them, float64 ones for the circular functions alone. */
function functionOp(
  name: string,
  onnx: string,
  gradient: (x: Tensor, dy: Tensor) => Tensor,
  call: (x: Tensor) => Tensor,
  range: SampleInput["range"] = [-2, 2],
): Op {
  return defineOp({
    name,
    infer: ([x]) => {
      requireDType(name, x!, ["float32", "float64"]);
      return { shape: x!.shape, dtype: x!.dtype };
    },
    gradient: ({ inputs: [x], dy }) => [gradient(x!, dy)],
    onnx,
    samples: [{ inputs: [{ shape: ["batch", 3], range }], build: call }],
  });
}

const sinOp = functionOp("sin", "Sin", (x, dy) => mul(dy, cos(x)), sin);
const cosOp = functionOp("cos", "Cos", (x, dy) => neg(mul(dy, sin(x))), cos);
const tanOp = functionOp("tan", "Tan", (x, dy) => div(dy, square(cos(x))), tan, [-1, 1]);
const asinOp = functionOp("asin", "Asin", (x, dy) => div(dy, sqrt(sub(1, square(x)))), asin, [-0.9, 0.9]);
const acosOp = functionOp(
  "acos",
  "Acos",
  (x, dy) => neg(div(dy, sqrt(sub(1, square(x))))),
  acos,
  [-0.9, 0.9],
);
const atanOp = functionOp("atan", "Atan", (x, dy) => div(dy, add(square(x), 1)), atan);
const sinhOp = functionOp("sinh", "Sinh", (x, dy) => mul(dy, cosh(x)), sinh);
const coshOp = functionOp("cosh", "Cosh", (x, dy) => mul(dy, sinh(x)), cosh);
const asinhOp = functionOp("asinh", "Asinh", (x, dy) => div(dy, sqrt(add(square(x), 1))), asinh);
const acoshOp = functionOp("acosh", "Acosh", (x, dy) => div(dy, sqrt(sub(square(x), 1))), acosh, [1.5, 4]);
const atanhOp = functionOp("atanh", "Atanh", (x, dy) => div(dy, sub(1, square(x))), atanh, [-0.9, 0.9]);
