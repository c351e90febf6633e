/** Arithmetic, element by element, with broadcasting. */
import type { DType } from "../array/dtype.ts";
import { broadcastShapes } from "../array/shape.ts";
import { defineOp, type GradientContext, type Op, type OpSample } from "../graph/op.ts";
import { apply, asTensor, type Tensor, type TensorLike } from "../graph/tensor.ts";
import { withoutExpand } from "./movement.ts";
import { floats, numbers, numbersAndBytes, operands, requireDType, requireSameDType } from "./require.ts";
import { greaterOrEqual, lessOrEqual, where } from "./selection.ts";

/** a + b. Shapes broadcast. Source: ONNX Add-14. */
export function add(a: TensorLike, b: TensorLike): Tensor {
  return binary(addOp, a, b);
}

/** a − b. Shapes broadcast. Source: ONNX Sub-14. */
export function sub(a: TensorLike, b: TensorLike): Tensor {
  return binary(subOp, a, b);
}

/** a · b, element by element. Shapes broadcast. Source: ONNX Mul-14. */
export function mul(a: TensorLike, b: TensorLike): Tensor {
  return binary(mulOp, a, b);
}

/** a / b, element by element. Shapes broadcast; division by zero gives infinity or NaN. Source: ONNX Div-14. */
export function div(a: TensorLike, b: TensorLike): Tensor {
  return binary(divOp, a, b);
}

/** a to the power b. The gradient of b takes log(a), so a must be positive where b is trained. Source: ONNX Pow-15. */
export function pow(a: TensorLike, b: TensorLike): Tensor {
  return binary(powOp, a, b);
}

/** The smaller of a and b; NaN wins. At a tie the whole gradient goes to a. Source: ONNX Min-13. */
export function minimum(a: TensorLike, b: TensorLike): Tensor {
  return binary(minimumOp, a, b);
}

/** The larger of a and b; NaN wins. At a tie the whole gradient goes to a. Source: ONNX Max-13. */
export function maximum(a: TensorLike, b: TensorLike): Tensor {
  return binary(maximumOp, a, b);
}

/** −x. Source: ONNX Neg-13. */
export function neg(x: TensorLike): Tensor {
  return apply(negOp, [asTensor(x)], {});
}

/** |x|. The gradient at 0 is 0. Source: ONNX Abs-13. */
export function abs(x: TensorLike): Tensor {
  return apply(absOp, [asTensor(x)], {});
}

/** −1, 0 or 1. Its gradient is zero everywhere, so it stops gradients. Source: ONNX Sign-13. */
export function sign(x: TensorLike): Tensor {
  return apply(signOp, [asTensor(x)], {});
}

/** x². One multiplication: ONNX Pow costs 1.5 × as much. */
export function square(x: TensorLike): Tensor {
  const value = asTensor(x);
  return mul(value, value);
}

/** √x; NaN below 0. The gradient at 0 is infinite. Source: ONNX Sqrt-13. */
export function sqrt(x: TensorLike): Tensor {
  return apply(sqrtOp, [asTensor(x)], {});
}

/** eˣ. Source: ONNX Exp-13. */
export function exp(x: TensorLike): Tensor {
  return apply(expOp, [asTensor(x)], {});
}

/** Natural logarithm; −∞ at 0, NaN below. Slow on large tensors (four times Exp). Source: ONNX Log-13. */
export function log(x: TensorLike): Tensor {
  return apply(logOp, [asTensor(x)], {});
}

type Rule = (context: GradientContext) => readonly (Tensor | undefined)[];

function binary(op: Op, a: TensorLike, b: TensorLike): Tensor {
  const [left, right] = operands(op.name, a, b);
  // A stretched operand costs a pass over memory, and the op stretches by itself.
  const shape = broadcastShapes(left.shape, right.shape, op.name);
  return apply(op, [withoutExpand(left, right.shape, shape), withoutExpand(right, left.shape, shape)], {});
}

function binaryOp(name: string, onnx: string, gradient: Rule, samples: readonly OpSample[]): Op {
  return defineOp({
    name,
    infer: ([a, b]) => {
      requireSameDType(name, a!, b!);
      requireDType(name, a!, name === "pow" ? numbers : numbersAndBytes);
      return { shape: broadcastShapes(a!.shape, b!.shape, name), dtype: a!.dtype };
    },
    gradient,
    onnx,
    samples,
  });
}

function unaryOp(
  name: string,
  onnx: string,
  dtypes: readonly DType[],
  gradient: Rule | undefined,
  samples: readonly OpSample[],
): Op {
  return defineOp({
    name,
    infer: ([x]) => {
      requireDType(name, x!, dtypes);
      return { shape: x!.shape, dtype: x!.dtype };
    },
    ...(gradient && { gradient }),
    onnx,
    samples,
  });
}

const broadcastPairs = [
  [
    ["batch", 4],
    ["batch", 4],
  ],
  [["batch", 4], [4]],
  [
    ["batch", 1],
    ["batch", 4],
  ],
  [["batch", 4], []],
  [
    [3, 1],
    [2, 1, 4],
  ],
] as const;
const pairs = (call: (a: Tensor, b: Tensor) => Tensor, b: { range: [number, number] } = { range: [-2, 2] }) =>
  broadcastPairs.map(([left, right]) => ({
    inputs: [left, { shape: right, ...b }],
    build: (x: Tensor, y: Tensor) => call(x, y),
  }));

const addOp = binaryOp("add", "Add", ({ dy }) => [dy, dy], [
  ...pairs(add),
  { inputs: [["batch", 2]], build: (x) => add(x, x) },
]);
const subOp = binaryOp("sub", "Sub", ({ dy, needs }) => [dy, needs(1) ? neg(dy) : undefined], pairs(sub));
const mulOp = binaryOp(
  "mul",
  "Mul",
  ({ inputs: [a, b], dy, needs }) => [needs(0) ? mul(dy, b!) : undefined, needs(1) ? mul(dy, a!) : undefined],
  [...pairs(mul), { inputs: [["batch", 2]], build: (x) => square(x) }],
);
const divOp = binaryOp(
  "div",
  "Div",
  ({ inputs: [, b], output, dy, needs }) => [
    needs(0) ? div(dy, b!) : undefined,
    needs(1) ? neg(div(mul(dy, output), b!)) : undefined,
  ],
  pairs(div, { range: [0.5, 2] }),
);
const powOp = binaryOp(
  "pow",
  "Pow",
  ({ inputs: [a, b], output, dy, needs }) => [
    needs(0) ? mul(dy, mul(b!, pow(a!, sub(b!, 1)))) : undefined,
    needs(1) ? mul(dy, mul(output, log(a!))) : undefined,
  ],
  [
    { inputs: [{ shape: ["batch", 3], range: [0.5, 2] }, [3]], build: pow },
    { inputs: [["batch", 3]], build: (x) => pow(x, 3) },
  ],
);
const minimumOp = binaryOp("minimum", "Min", extremeGradient(lessOrEqual), extremeSamples(minimum));
const maximumOp = binaryOp("maximum", "Max", extremeGradient(greaterOrEqual), extremeSamples(maximum));

/** The gradient goes to a where a wins or ties, else to b; what it does not reach gets 0. */
function extremeGradient(aWins: (a: Tensor, b: Tensor) => Tensor): Rule {
  return ({ inputs: [a, b], dy, needs }) => [
    needs(0) ? where(aWins(a!, b!), dy, 0) : undefined,
    needs(1) ? where(aWins(a!, b!), 0, dy) : undefined,
  ];
}
function extremeSamples(call: (a: Tensor, b: TensorLike) => Tensor): readonly OpSample[] {
  return [
    {
      inputs: [
        { shape: ["batch", 4], kinks: [0.1] },
        { shape: [], range: [0.1, 0.1] },
      ],
      build: call,
    },
    { inputs: [{ shape: ["batch", 4], kinks: [0.5] }], build: (x) => call(x, 0.5) },
  ];
}

const negOp = unaryOp("neg", "Neg", numbers, ({ dy }) => [neg(dy)], [{ inputs: [["batch", 3]], build: neg }]);
const absOp = unaryOp("abs", "Abs", numbersAndBytes, ({ inputs: [x], dy }) => [mul(dy, sign(x!))], [
  { inputs: [{ shape: ["batch", 3], kinks: [0] }], build: abs },
]);
const signOp = unaryOp("sign", "Sign", numbersAndBytes, undefined, [
  { inputs: [{ shape: ["batch", 3], kinks: [0] }], build: sign },
]);
const sqrtOp = unaryOp("sqrt", "Sqrt", floats, ({ output, dy }) => [div(mul(dy, 0.5), output)], [
  { inputs: [{ shape: ["batch", 3], range: [0.2, 4] }], build: sqrt },
]);
const expOp = unaryOp("exp", "Exp", floats, ({ output, dy }) => [mul(dy, output)], [
  { inputs: [["batch", 3]], build: exp },
]);
const logOp = unaryOp("log", "Log", floats, ({ inputs: [x], dy }) => [div(dy, x!)], [
  { inputs: [{ shape: ["batch", 3], range: [0.2, 4] }], build: log },
]);
