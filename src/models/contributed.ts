/** Operators of ONNX Runtime's own domain, which its optimizer and exporters of transformers write. */
import type { Tensor } from "../graph/tensor.ts";
import * as ops from "../ops/index.ts";
import { requireWithin, tanhGelu } from "./activation.ts";
import type { NodeReader, Operator, Operators } from "./operator.ts";
import { matmul } from "./products.ts";

const withBias = (node: NodeReader) => (node.has(1) ? ops.add(node.input(0), node.input(1)) : node.input(0));

/** The last two axes swapped where told, then a product, then a factor. */
function fusedMatmul(node: NodeReader): Tensor {
  if (node.flag("transBatchA") || node.flag("transBatchB"))
    node.refuse("leading axes as they are", "transBatchA or transBatchB");
  const [a, b] = [turned(node.input(0), node.flag("transA")), turned(node.input(1), node.flag("transB"))];
  const product = matmul(node, a, b);
  const alpha = node.float("alpha", 1);
  return alpha === 1 ? product : ops.mul(product, alpha);
}

const turned = (x: Tensor, isTurned: boolean) => {
  const axes = [...x.shape.keys()];
  return isTurned && axes.length > 1
    ? ops.transpose(x, [...axes.slice(0, -2), axes.length - 1, axes.length - 2])
    : x;
};

/** x + skip (+ bias), normalised; the sum is the fourth output. */
function skipNorm(normalize: (x: Tensor, node: NodeReader) => Tensor, bias: number): Operator {
  return (node) => {
    const both = ops.add(node.input(0), node.input(1));
    const total = node.has(bias) ? ops.add(both, node.input(bias)) : both;
    if (node.gives(1) || node.gives(2))
      node.refuse("the result and the sum alone", "mean or deviation as well");
    return [normalize(total, node), total, total, total];
  };
}

function layerNorm(x: Tensor, node: NodeReader): Tensor {
  return ops.layerNormalization(x, {
    epsilon: node.float("epsilon", 1e-12),
    scale: node.input(2),
    bias: node.optional(3),
  });
}

const rmsNorm = (x: Tensor, scale: Tensor, epsilon: number) => ops.rmsNormalization(x, { scale, epsilon });

export const contributed: Operators = {
  SimplifiedLayerNormalization: (node) => {
    const axis = node.axis(node.int("axis", -1));
    const x = node.input(0);
    if (axis !== x.shape.length - 1 || node.gives(1))
      node.refuse("the last axis and one output", `axis ${axis}`);
    requireWithin(node, x, [axis]);
    return rmsNorm(x, node.input(1), node.float("epsilon", 1e-5));
  },
  "com.microsoft.BiasGelu": (node) => ops.gelu(withBias(node)),
  "com.microsoft.FastGelu": (node) => tanhGelu(withBias(node)),
  "com.microsoft.FusedMatMul": fusedMatmul,
  "com.microsoft.Gelu": (node) => ops.gelu(node.input(0)),
  "com.microsoft.QuickGelu": (node) => {
    const [x, alpha] = [node.input(0), node.float("alpha", 1.702)];
    return ops.mul(x, ops.sigmoid(ops.mul(x, alpha)));
  },
  "com.microsoft.SkipLayerNormalization": skipNorm(layerNorm, 4),
  "com.microsoft.SkipSimplifiedLayerNormalization": skipNorm(
    (x, node) => rmsNorm(x, node.input(2), node.float("epsilon", 1e-5)),
    3,
  ),
};
