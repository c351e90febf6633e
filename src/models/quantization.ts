/** ONNX operators of quantised numbers, computed in floats. Rounding has no gradient; what follows it has. */
import { factorOf } from "../array/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import * as ops from "../ops/index.ts";
import { convolve } from "./convolution.ts";
import type { NodeReader, Operators } from "./operator.ts";
import { matmul } from "./products.ts";

/** A scale or zero point: one for all, or one per element of an axis. */
function along(node: NodeReader, one: Tensor, x: Tensor): Tensor {
  if (one.shape.length !== 1 || one.shape[0] === 1)
    return one.shape.length === 0 ? one : ops.reshape(one, []);
  const axis = node.axis(node.int("axis", 1));
  return ops.reshape(
    one,
    x.shape.map((_, at) => (at === axis ? factorOf(one.shape[0]!) : 1)),
  );
}

const bytes = (x: Tensor) => ops.cast(ops.minimum(ops.maximum(x, 0), 255), "uint8");

function requireBytes(node: NodeReader, ...tensors: readonly (Tensor | undefined)[]): void {
  const wrong = tensors.find((one) => one !== undefined && one.dtype !== "uint8");
  if (wrong !== undefined) node.refuse("quantised numbers of uint8", wrong.dtype);
}

/** x / scale rounded, plus the zero point, from 0 to 255. */
function quantized(node: NodeReader, x: Tensor, scale: Tensor, zero: Tensor | undefined): Tensor {
  requireBytes(node, zero);
  const rounded = ops.round(ops.div(x, along(node, scale, x)));
  return bytes(zero === undefined ? rounded : ops.add(rounded, ops.cast(along(node, zero, x), x.dtype)));
}

function dequantized(node: NodeReader, x: Tensor, scale: Tensor, zero: Tensor | undefined): Tensor {
  const wide = ops.cast(x, "float32");
  const centred = zero === undefined ? wide : ops.sub(wide, ops.cast(along(node, zero, x), "float32"));
  return ops.mul(centred, along(node, scale, x));
}

/** The range of x, widened to hold 0, is spread over 256 numbers. */
function dynamic(node: NodeReader): readonly Tensor[] {
  const x = node.input(0);
  const [high, low] = [ops.maximum(ops.max(x), 0), ops.minimum(ops.min(x), 0)];
  const scale = ops.div(ops.sub(high, low), 255);
  const zero = ops.minimum(ops.maximum(ops.round(ops.div(ops.neg(low), scale)), 0), 255);
  return [bytes(ops.add(ops.round(ops.div(x, scale)), zero)), scale, ops.cast(zero, "uint8")];
}

/** Numbers less their zero point, as floats: sums of a few thousand products of bytes are exact in float32. */
const centred = (x: Tensor, zero: Tensor | undefined) =>
  zero === undefined
    ? ops.cast(x, "float32")
    : ops.sub(
        ops.cast(x, "float32"),
        ops.cast(zero.shape.length === 1 && zero.shape[0] === 1 ? ops.reshape(zero, []) : zero, "float32"),
      );

function quantizedConvolution(node: NodeReader): Tensor {
  const [x, weight] = [node.input(0), node.input(3)];
  requireBytes(node, x, weight);
  const product = convolve(node, centred(x, node.input(2)), centred(weight, node.input(5)));
  const scale = ops.mul(node.input(1), node.input(4));
  return quantized(node, ops.mul(product, ops.reshape(scale, [])), node.input(6), node.input(7));
}

export const quantization: Operators = {
  ConvInteger: (node) => {
    const [x, weight] = [node.input(0), node.input(1)];
    requireBytes(node, x, weight);
    return ops.cast(convolve(node, centred(x, node.optional(2)), centred(weight, node.optional(3))), "int32");
  },
  DequantizeLinear: (node) => dequantized(node, node.input(0), node.input(1), node.optional(2)),
  DynamicQuantizeLinear: dynamic,
  MatMulInteger: (node) => {
    const [a, b] = [node.input(0), node.input(1)];
    requireBytes(node, a, b);
    return ops.cast(matmul(node, centred(a, node.optional(2)), centred(b, node.optional(3))), "int32");
  },
  QLinearConv: quantizedConvolution,
  QLinearMatMul: (node) => {
    const [a, b] = [node.input(0), node.input(3)];
    requireBytes(node, a, b);
    const left = dequantized(node, a, node.input(1), node.input(2));
    return quantized(
      node,
      matmul(node, left, dequantized(node, b, node.input(4), node.input(5))),
      node.input(6),
      node.input(7),
    );
  },
  QuantizeLinear: (node) => quantized(node, node.input(0), node.input(1), node.optional(2)),
};
