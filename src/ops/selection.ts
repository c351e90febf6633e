/** Comparison and selection. Comparisons give booleans and stop gradients. */
import { type DType, onnxDType } from "../array/dtype.ts";
import { broadcastShapes } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { defineOp, type Op, type OpSample } from "../graph/op.ts";
import { apply, type Tensor, type TensorLike } from "../graph/tensor.ts";
import { floats, numbersAndBytes, operands, requireDType, requireSameDType } from "./require.ts";

/** a < b, as booleans. Shapes broadcast. Source: ONNX Less-13. */
export function less(a: TensorLike, b: TensorLike): Tensor {
  return comparison(lessOp, a, b);
}

/** a ≤ b, as booleans. Shapes broadcast. Source: ONNX LessOrEqual-16. */
export function lessOrEqual(a: TensorLike, b: TensorLike): Tensor {
  return comparison(lessOrEqualOp, a, b);
}

/** a > b, as booleans. Shapes broadcast. Source: ONNX Greater-13. */
export function greater(a: TensorLike, b: TensorLike): Tensor {
  return comparison(greaterOp, a, b);
}

/** a ≥ b, as booleans. Shapes broadcast. Source: ONNX GreaterOrEqual-16. */
export function greaterOrEqual(a: TensorLike, b: TensorLike): Tensor {
  return comparison(greaterOrEqualOp, a, b);
}

/** a = b, as booleans. Shapes broadcast. Source: ONNX Equal-19. */
export function equal(a: TensorLike, b: TensorLike): Tensor {
  return comparison(equalOp, a, b);
}

/** True where x is NaN. Source: ONNX IsNaN-20. */
export function isNan(x: Tensor): Tensor {
  return apply(isNanOp, [x], {});
}

/** Swaps true and false. Source: ONNX Not-1. */
export function not(x: Tensor): Tensor {
  return apply(notOp, [x], {});
}

/**
 * `a` where the condition holds, else `b`. Shapes broadcast. Each side gets the gradient where it was taken, 0 elsewhere,
 * so an infinite value that was not taken does no harm, but an infinite derivative behind it does (0 · ∞ is NaN).
 * Source: ONNX Where-16.
 */
export function where(condition: Tensor, a: TensorLike, b: TensorLike): Tensor {
  return apply(whereOp, [condition, ...operands("where", a, b)], {});
}

/** The same values as another dtype. Floats become whole numbers towards zero. Source: ONNX Cast-21. */
export function cast(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : apply(castOp, [x], { dtype });
}

function comparison(op: Op, a: TensorLike, b: TensorLike): Tensor {
  return apply(op, operands(op.name, a, b), {});
}

function comparisonOp(name: string, onnx: string, call: (a: TensorLike, b: TensorLike) => Tensor): Op {
  const samples: OpSample[] = [
    { inputs: [["batch", 4], [4]], build: call },
    {
      inputs: [
        { shape: ["batch", 4], dtype: "int32", range: [0, 3] },
        { shape: [4], dtype: "int32", range: [0, 3] },
      ],
      build: call,
    },
    { inputs: [["batch", 1], []], build: call },
  ];
  return defineOp({
    name,
    infer: ([a, b]) => {
      requireSameDType(name, a!, b!);
      if (name !== "equal") requireDType(name, a!, numbersAndBytes);
      return { shape: broadcastShapes(a!.shape, b!.shape, name), dtype: "bool" };
    },
    onnx,
    samples,
  });
}

const lessOp = comparisonOp("less", "Less", less);
const lessOrEqualOp = comparisonOp("lessOrEqual", "LessOrEqual", lessOrEqual);
const greaterOp = comparisonOp("greater", "Greater", greater);
const greaterOrEqualOp = comparisonOp("greaterOrEqual", "GreaterOrEqual", greaterOrEqual);
const equalOp = comparisonOp("equal", "Equal", equal);

const isNanOp = defineOp({
  name: "isNan",
  infer: ([x]) => {
    requireDType("isNan", x!, floats);
    return { shape: x!.shape, dtype: "bool" };
  },
  onnx: "IsNaN",
  samples: [
    { inputs: [["batch", 3]], build: isNan },
    { inputs: [["batch", 3]], build: (x) => isNan(where(less(x, 0), Number.NaN, x)) },
  ],
});

const notOp = defineOp({
  name: "not",
  infer: ([x]) => {
    requireBool("not", x!);
    return { shape: x!.shape, dtype: "bool" };
  },
  onnx: "Not",
  samples: [{ inputs: [["batch", 3]], build: (x) => not(less(x, 0)) }],
});

const whereOp = defineOp({
  name: "where",
  infer: ([condition, a, b]) => {
    requireBool("where", condition!);
    requireSameDType("where", a!, b!);
    requireDType("where", a!, [...numbersAndBytes, "string"]);
    const choices = broadcastShapes(a!.shape, b!.shape, "where");
    return { shape: broadcastShapes(condition!.shape, choices, "where"), dtype: a!.dtype };
  },
  gradient: ({ inputs: [condition], dy, needs }) => [
    undefined,
    needs(1) ? where(condition!, dy, 0) : undefined,
    needs(2) ? where(condition!, 0, dy) : undefined,
  ],
  onnx: "Where",
  samples: [
    {
      inputs: [{ shape: ["batch", 3], kinks: [0] }, ["batch", 3], [3]],
      build: (x, a, b) => where(less(x, 0), a, b),
    },
    { inputs: [{ shape: ["batch", 3], kinks: [0] }], build: (x) => where(greater(x, 0), x, 0.5) },
  ],
});

const castOp = defineOp<{ dtype: DType }>({
  name: "cast",
  infer: ([x], { dtype }) => ({ shape: x!.shape, dtype }),
  gradient: ({ inputs: [x], attributes, dy }) => [
    isDifferentiableCast(x!.dtype, attributes.dtype) ? cast(dy, x!.dtype) : undefined,
  ],
  onnx: ({ inputs, node, attributes, output }) =>
    node("Cast", inputs, { to: onnxDType[attributes.dtype] }, output),
  samples: [
    { inputs: [{ shape: ["batch", 3], dtype: "int32", range: [-5, 5] }], build: (x) => cast(x, "float32") },
    { inputs: [["batch", 3]], build: (x) => cast(less(x, 0), "float32") },
    { inputs: [{ shape: ["batch", 3], dtype: "uint8", range: [0, 255] }], build: (x) => cast(x, "float32") },
  ],
});

const isDifferentiableCast = (from: DType, to: DType) => from.startsWith("float") && to.startsWith("float");

function requireBool(where: string, condition: Tensor): void {
  if (condition.dtype !== "bool") {
    fail(where, {
      expected: "a boolean condition",
      got: condition.dtype,
      fix: "compare first: greater(x, 0)",
    });
  }
}
