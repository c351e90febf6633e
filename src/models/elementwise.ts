/** ONNX operators that work element by element. */
import type { DType } from "../array/dtype.ts";
import { isFloat } from "../array/dtype.ts";
import type { Tensor, TensorLike } from "../graph/tensor.ts";
import { elementTypeName, heldDType } from "../onnx/stored-tensor.ts";
import * as ops from "../ops/index.ts";
import { secondInput } from "./old-broadcast.ts";
import type { NodeReader, Operator, Operators } from "./operator.ts";

const unary =
  (call: (x: Tensor) => Tensor): Operator =>
  (node) =>
    call(node.input(0));

const binary =
  (call: (a: Tensor, b: Tensor) => Tensor): Operator =>
  (node) =>
    call(node.input(0), secondInput(node));

/** Sum, Mean, Max and Min take any number of inputs. */
const variadic =
  (call: (a: Tensor, b: Tensor) => Tensor): Operator =>
  (node) =>
    node.inputs().reduce((a, b) => call(a, b));

/** The dtype an element type becomes; throws for those that nothing here holds. */
function dtypeOf(node: NodeReader, elementType: number): DType {
  if (elementType === 8) return "string";
  return (
    heldDType(elementType) ??
    node.refuse(
      "a dtype this package has: float32, float64, int32, int64, uint8, bool",
      elementTypeName(elementType),
    )
  );
}

function castTo(node: NodeReader, x: Tensor, dtype: DType): Tensor {
  if (dtype === "string" || x.dtype === "string") {
    return x.dtype === dtype ? x : node.refuse("numbers", `a cast from ${x.dtype} to ${dtype}`);
  }
  return ops.cast(x, dtype);
}

/** Pow takes an exponent of another dtype than its base, and answers with the base's. */
function power(node: NodeReader): Tensor {
  const [base, exponent] = [node.input(0), secondInput(node)];
  if (base.dtype === exponent.dtype) {
    const known = node.known(1)?.elements;
    return known?.length === 1 && known[0] === 2 && exponent.shape.length <= base.shape.length
      ? ops.square(base)
      : ops.pow(base, exponent);
  }
  const wide = isFloat(base.dtype) ? base.dtype : isFloat(exponent.dtype) ? exponent.dtype : "float64";
  return ops.cast(ops.pow(ops.cast(base, wide), ops.cast(exponent, wide)), base.dtype);
}

/** Bounds are attributes up to set 10, inputs from 11 on. */
function clip(node: NodeReader): Tensor {
  let x = node.input(0);
  const bounds = (["min", "max"] as const).map((name, index): TensorLike | undefined =>
    node.node.attributes.has(name) ? node.float(name, 0) : node.optional(index + 1),
  );
  if (bounds[0] !== undefined) x = ops.maximum(x, bounds[0]);
  return bounds[1] === undefined ? x : ops.minimum(x, bounds[1]);
}

/** Mod keeps the divisor's sign, or with fmod the dividend's. */
function modulo(node: NodeReader): Tensor {
  const [a, b] = [node.input(0), node.input(1)];
  const rest = ops.remainder(a, b);
  if (node.flag("fmod")) return rest;
  return ops.remainder(ops.add(rest, b), b);
}

function isInf(node: NodeReader): Tensor {
  const x = node.input(0);
  const [below, above] = [node.flag("detect_negative", true), node.flag("detect_positive", true)];
  if (below && above) return ops.isInfinite(x);
  const side = above ? ops.greater(x, 0) : ops.less(x, 0);
  return ops.and(ops.isInfinite(x), above || below ? side : ops.not(ops.equal(x, x)));
}

/** Before set 7 operands were aligned otherwise; those sets are refused when the file is read. */
export const elementwise: Operators = {
  Abs: unary(ops.abs),
  Acos: unary(ops.acos),
  Acosh: unary(ops.acosh),
  Add: binary(ops.add),
  And: binary(ops.and),
  Asin: unary(ops.asin),
  Asinh: unary(ops.asinh),
  Atan: unary(ops.atan),
  Atanh: unary(ops.atanh),
  Cast: (node) => castTo(node, node.input(0), dtypeOf(node, node.int("to", 0))),
  CastLike: (node) => castTo(node, node.input(0), node.input(1).dtype),
  Ceil: unary(ops.ceil),
  Clip: clip,
  Cos: unary(ops.cos),
  Cosh: unary(ops.cosh),
  Div: binary(ops.div),
  Equal: binary(ops.equal),
  Erf: unary(ops.erf),
  Exp: unary(ops.exp),
  Floor: unary(ops.floor),
  Greater: binary(ops.greater),
  GreaterOrEqual: binary(ops.greaterOrEqual),
  Identity: unary((x) => x),
  IsInf: isInf,
  IsNaN: unary(ops.isNan),
  Less: binary(ops.less),
  LessOrEqual: binary(ops.lessOrEqual),
  Log: unary(ops.log),
  Max: variadic(ops.maximum),
  Mean: (node) =>
    ops.mul(
      node.inputs().reduce((a, b) => ops.add(a, b)),
      1 / node.count,
    ),
  Min: variadic(ops.minimum),
  Mod: modulo,
  Mul: binary(ops.mul),
  Neg: unary(ops.neg),
  Not: unary(ops.not),
  Or: binary(ops.or),
  Pow: power,
  Reciprocal: unary((x) => ops.div(1, x)),
  Round: unary(ops.round),
  Sign: unary(ops.sign),
  Sin: unary(ops.sin),
  Sinh: unary(ops.sinh),
  Sqrt: unary(ops.sqrt),
  Sub: binary(ops.sub),
  Sum: variadic(ops.add),
  Tan: unary(ops.tan),
  Where: (node) => ops.where(node.input(0), node.input(1), node.input(2)),
  Xor: binary(ops.xor),
};
