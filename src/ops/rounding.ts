/** Whole numbers from others: rounding and remainders. Rounding is flat wherever it has a slope, so it stops gradients. */
import { broadcastShapes } from "../array/shape.ts";
import { defineOp, type Op } from "../graph/op.ts";
import { apply, type Tensor, type TensorLike } from "../graph/tensor.ts";
import { div, mul, neg, sub } from "./arithmetic.ts";
import { floats, numbersAndBytes, operands, requireDType, requireSameDType } from "./require.ts";

/** The largest whole number that is not above x. Source: ONNX Floor-13. */
export function floor(x: Tensor): Tensor {
  return apply(floorOp, [x], {});
}

/** The smallest whole number that is not below x. Source: ONNX Ceil-13. */
export function ceil(x: Tensor): Tensor {
  return apply(ceilOp, [x], {});
}

/** The nearest whole number; halves go to the even one. Source: ONNX Round-11. */
export function round(x: Tensor): Tensor {
  return apply(roundOp, [x], {});
}

/**
 * What is left of a divided by b towards zero, with the sign of a (C's fmod). Its gradient jumps where
 * a is a multiple of b. Source: ONNX Mod-13 with fmod.
 */
export function remainder(a: TensorLike, b: TensorLike): Tensor {
  return apply(remainderOp, operands("remainder", a, b), {});
}

function roundingOp(name: string, onnx: string, call: (x: Tensor) => Tensor): Op {
  return defineOp({
    name,
    infer: ([x]) => {
      requireDType(name, x!, floats);
      return { shape: x!.shape, dtype: x!.dtype };
    },
    onnx,
    samples: [
      { inputs: [{ shape: ["batch", 4], range: [-4, 4], kinks: [-3, -2, -1, 0, 1, 2, 3] }], build: call },
    ],
  });
}

const floorOp = roundingOp("floor", "Floor", floor);
const ceilOp = roundingOp("ceil", "Ceil", ceil);
const roundOp = roundingOp("round", "Round", round);

const remainderOp = defineOp({
  name: "remainder",
  infer: ([a, b]) => {
    requireSameDType("remainder", a!, b!);
    requireDType("remainder", a!, numbersAndBytes);
    return { shape: broadcastShapes(a!.shape, b!.shape, "remainder"), dtype: a!.dtype };
  },
  // a − b · trunc(a / b), and what is subtracted does not move.
  gradient: ({ inputs: [a, b], output, dy, needs }) => [
    dy,
    needs(1) ? neg(mul(dy, div(sub(a!, output), b!))) : undefined,
  ],
  onnx: ({ inputs, node, output }) => node("Mod", inputs, { fmod: 1 }, output),
  samples: [
    {
      inputs: [
        { shape: ["batch", 4], dtype: "int32", range: [-9, 9] },
        { shape: [4], dtype: "int32", range: [1, 4] },
      ],
      build: remainder,
    },
    { inputs: [{ shape: ["batch", 4], range: [0.1, 0.9] }], build: (x) => remainder(x, 1) },
    {
      inputs: [
        { shape: ["batch", 4], range: [2.2, 2.8] },
        { shape: [4], range: [0.95, 1.05] },
      ],
      build: remainder,
    },
  ],
});
