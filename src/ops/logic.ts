/** Logic of booleans, element by element, with broadcasting. None of it has a gradient. */
import { broadcastShapes } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { defineOp, type Op } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";
import { requireDType } from "./require.ts";
import { greater, less } from "./selection.ts";

/** True where both are. Shapes broadcast. Source: ONNX And-7. */
export function and(a: Tensor, b: Tensor): Tensor {
  return apply(andOp, [a, b], {});
}

/** True where one of them is, or both are. Shapes broadcast. Source: ONNX Or-7. */
export function or(a: Tensor, b: Tensor): Tensor {
  return apply(orOp, [a, b], {});
}

/** True where exactly one of them is. Shapes broadcast. Source: ONNX Xor-7. */
export function xor(a: Tensor, b: Tensor): Tensor {
  return apply(xorOp, [a, b], {});
}

/** True where x is ∞ or −∞. Source: ONNX IsInf-20. */
export function isInfinite(x: Tensor): Tensor {
  return apply(isInfiniteOp, [x], {});
}

function logicOp(name: string, onnx: string, call: (a: Tensor, b: Tensor) => Tensor): Op {
  return defineOp({
    name,
    infer: ([a, b]) => {
      for (const side of [a!, b!]) {
        if (side.dtype === "bool") continue;
        fail(name, { expected: "booleans", got: side.dtype, fix: "compare first: greater(x, 0)" });
      }
      return { shape: broadcastShapes(a!.shape, b!.shape, name), dtype: "bool" };
    },
    onnx,
    samples: [
      {
        inputs: [
          { shape: ["batch", 4], dtype: "bool" },
          { shape: [4], dtype: "bool" },
        ],
        build: call,
      },
      {
        inputs: [
          { shape: ["batch", 1], kinks: [0] },
          { shape: ["batch", 3], kinks: [0] },
        ],
        build: (x, y) => call(less(x, 0), greater(y, 0)),
      },
    ],
  });
}

const andOp = logicOp("and", "And", and);
const orOp = logicOp("or", "Or", or);
const xorOp = logicOp("xor", "Xor", xor);

const isInfiniteOp = defineOp({
  name: "isInfinite",
  infer: ([x]) => {
    requireDType("isInfinite", x!, ["float32", "float64"]);
    return { shape: x!.shape, dtype: "bool" };
  },
  onnx: "IsInf",
  samples: [{ inputs: [["batch", 3]], build: isInfinite }],
});
