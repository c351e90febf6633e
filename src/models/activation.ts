/** ONNX operators that bend, and those of probabilities. */
import { isBatchDim, productDim } from "../array/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import * as ops from "../ops/index.ts";
import { slopesOf } from "./old-broadcast.ts";
import type { NodeReader, Operator, Operators } from "./operator.ts";

const unary =
  (call: (x: Tensor) => Tensor): Operator =>
  (node) =>
    call(node.input(0));

/** The part of a function below 0: its input is 0 elsewhere, so that what is not taken cannot overflow. */
const below = (x: Tensor, call: (negative: Tensor) => Tensor, above: Tensor) =>
  ops.where(ops.greater(x, 0), above, call(ops.minimum(x, 0)));

const elu = (x: Tensor, alpha: number) => below(x, (low) => ops.mul(ops.sub(ops.exp(low), 1), alpha), x);

function selu(node: NodeReader): Tensor {
  const alpha = node.float("alpha", 1.6732632423543772);
  return ops.mul(elu(node.input(0), alpha), node.float("gamma", 1.0507009873554805));
}

function celu(node: NodeReader): Tensor {
  const [x, alpha] = [node.input(0), node.float("alpha", 1)];
  return below(x, (low) => ops.mul(ops.sub(ops.exp(ops.div(low, alpha)), 1), alpha), x);
}

const clipped = (x: Tensor, low: number, high: number) => ops.minimum(ops.maximum(x, low), high);

/** The tanh approximation. Source: Hendrycks & Gimpel 2016. */
export function tanhGelu(x: Tensor): Tensor {
  const cubic = ops.add(x, ops.mul(ops.mul(ops.square(x), x), 0.044715));
  return ops.mul(ops.mul(x, 0.5), ops.add(ops.tanh(ops.mul(cubic, Math.sqrt(2 / Math.PI))), 1));
}

function gelu(node: NodeReader): Tensor {
  const x = node.input(0);
  if (node.text("approximate", "none") === "none") return ops.gelu(x);
  return tanhGelu(x);
}

function shrink(node: NodeReader): Tensor {
  const [x, bias, lambda] = [node.input(0), node.float("bias", 0), node.float("lambd", 0.5)];
  const high = ops.where(ops.greater(x, lambda), ops.sub(x, bias), 0);
  return ops.where(ops.less(x, -lambda), ops.add(x, bias), high);
}

/** Throws where an axis that is computed over grows with the microbatch: what comes out would depend on how the batch is cut. */
export function requireWithin(node: NodeReader, x: Tensor, axes: readonly number[]): void {
  const grows = axes.find((axis) => isBatchDim(x.shape[axis]!));
  if (grows === undefined) return;
  node.refuse(
    "axes of fixed size to compute over, so that samples stay apart",
    `axis ${grows} of [${x.shape.join(", ")}]`,
    "load the model with freeBatch: false",
  );
}

/** Softmax and its like take one axis from set 13 on; before, all axes from one on together. */
function alongAxis(call: (x: Tensor, axis: number) => Tensor): Operator {
  return (node) => {
    const x = node.input(0);
    const isOld = node.opset < 13;
    const axis = node.axis(node.int("axis", isOld ? 1 : -1));
    if (!isOld || axis === x.shape.length - 1) {
      requireWithin(node, x, [axis]);
      return call(x, axis);
    }
    const from = x.shape.slice(axis);
    requireWithin(node, x, [...x.shape.keys()].slice(axis));
    const flat = ops.reshape(x, [
      productDim(x.shape.slice(0, axis), node.where),
      productDim(from, node.where),
    ]);
    return ops.reshape(call(flat, 1), x.shape);
  };
}

function hardmax(x: Tensor, axis: number): Tensor {
  const order = [...x.shape.keys()].filter((one) => one !== axis);
  const back = [...order, axis].map((_, at) => [...order, axis].indexOf(at));
  const last = ops.transpose(x, [...order, axis]);
  const hot = ops.oneHot(ops.argMax(last), Number(last.shape.at(-1)));
  return ops.cast(ops.transpose(hot, back), x.dtype);
}

export const activation: Operators = {
  Celu: celu,
  Elu: (node) => elu(node.input(0), node.float("alpha", 1)),
  Gelu: gelu,
  HardSigmoid: (node) => {
    const line = ops.mul(node.input(0), node.float("alpha", 0.2));
    return clipped(ops.add(line, node.float("beta", 0.5)), 0, 1);
  },
  HardSwish: unary((x) => ops.mul(x, clipped(ops.add(ops.mul(x, 1 / 6), 0.5), 0, 1))),
  Hardmax: alongAxis(hardmax),
  LeakyRelu: (node) => ops.leakyRelu(node.input(0), node.float("alpha", 0.01)),
  LogSoftmax: alongAxis(ops.logSoftmax),
  Mish: unary((x) => ops.mul(x, ops.tanh(ops.softplus(x)))),
  PRelu: (node) => {
    const x = node.input(0);
    return ops.where(ops.greater(x, 0), x, ops.mul(x, slopesOf(node)));
  },
  Relu: unary(ops.relu),
  Selu: selu,
  Shrink: shrink,
  Sigmoid: unary(ops.sigmoid),
  Softmax: alongAxis(ops.softmax),
  Softplus: unary(ops.softplus),
  Softsign: unary((x) => ops.div(x, ops.add(ops.abs(x), 1))),
  Swish: (node) => {
    const [x, alpha] = [node.input(0), node.float("alpha", 1)];
    return alpha === 1 ? ops.silu(x) : ops.mul(x, ops.sigmoid(ops.mul(x, alpha)));
  },
  Tanh: unary(ops.tanh),
  ThresholdedRelu: (node) => {
    const x = node.input(0);
    return ops.where(ops.greater(x, node.float("alpha", 1)), x, 0);
  },
};
