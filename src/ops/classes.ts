/** Classes lie along the last axis: picking one per position, replacing one, and cross entropy. */
import { factorOf, formatShape, isBatchDim } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { defineOp, type IndexBound } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";
import { logSoftmax } from "./activation.ts";
import { exp, mul, sub } from "./arithmetic.ts";
import { reshape, zerosLike } from "./movement.ts";
import { floats, requireDType, requireIndices, requireSameDType, requireShape } from "./require.ts";

/**
 * One element of the last axis per position: x [..., classes], indices [...] (int32 or int64) → [...].
 * Source: ONNX GatherElements-13.
 */
export function pick(x: Tensor, indices: Tensor): Tensor {
  return apply(pickOp, [x, indices], {});
}

/**
 * x with one element of the last axis replaced per position: x [..., classes], indices [...], values [...] → x's shape.
 * Source: ONNX ScatterElements-18.
 */
export function place(x: Tensor, indices: Tensor, values: Tensor): Tensor {
  return apply(placeOp, [x, indices, values], {});
}

/** Options of `crossEntropyOf`. */
export interface CrossEntropyOptions {
  /** The part of every label that is spread evenly over all classes. Default 0: the label is certain. */
  readonly labelSmoothing?: number;
}

/**
 * Cross entropy of integer labels, one number per position (natural logarithm, nats).
 * logits [..., classes] float, labels [...] (int32 or int64, 0 … classes − 1) → [...].
 * Goes through log-softmax, so that a label of vanishing probability still has a finite loss.
 * With label smoothing s it is PyTorch's (1 − s) · −log p[label] + s · mean over the classes of −log p.
 * Throws when the labels' shape is not the logits' shape without the last axis. Source: ONNX LogSoftmax-13.
 */
export function crossEntropyOf(logits: Tensor, labels: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { labelSmoothing = 0 } = options;
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    fail("crossEntropyOf", {
      expected: "a label smoothing from 0 to 1",
      got: String(labelSmoothing),
      fix: "for example 0.1",
    });
  }
  requireDType("crossEntropyOf", logits, floats);
  requireOnePerPosition("crossEntropyOf", logits, labels, "labels");
  return apply(crossEntropyOp, [logits, logSoftmax(logits), labels], { labelSmoothing });
}

/** Throws unless there is one index per position of x, whose last axis holds the classes. */
function requireOnePerPosition(where: string, x: Tensor, indices: Tensor, what = "indices"): void {
  const classes = x.shape.at(-1);
  if (classes === undefined || isBatchDim(classes)) {
    fail(where, {
      expected: "a last axis of fixed size, one element per class",
      got: formatShape(x.shape),
      fix: "move the classes to the last axis",
    });
  }
  requireIndices(where, indices, classes);
  requireShape(where, what, indices.shape, x.shape.slice(0, -1));
}

const classLabels = (x: Tensor, input: number): IndexBound => ({
  input,
  below: factorOf(x.shape.at(-1)!),
  meaning: "class label",
});

const pickOp = defineOp({
  name: "pick",
  infer: ([x, indices]) => {
    requireOnePerPosition("pick", x!, indices!);
    return { shape: indices!.shape, dtype: x!.dtype };
  },
  gradient: ({ inputs: [x, indices], dy }) => [place(zerosLike(x!), indices!, dy), undefined],
  onnx: ({ inputs: [x, indices], node, ints, output }) => {
    const last = ints([-1]);
    const picked = node("GatherElements", [x!, node("Unsqueeze", [indices!, last])], { axis: -1 });
    node("Squeeze", [picked, last], {}, output);
  },
  indices: ([x]) => [classLabels(x!, 1)],
  samples: [
    { inputs: [["batch", 4], { shape: ["batch"], dtype: "int32", range: [0, 4] }], build: pick },
    { inputs: [["batch", 2, 3], { shape: ["batch", 2], dtype: "int64", range: [0, 3] }], build: pick },
  ],
});

const placeOp = defineOp({
  name: "place",
  infer: ([x, indices, values]) => {
    requireOnePerPosition("place", x!, indices!);
    requireSameDType("place", x!, values!);
    requireShape("place", "values", values!.shape, indices!.shape);
    return { shape: x!.shape, dtype: x!.dtype };
  },
  gradient: ({ inputs: [, indices, values], dy, needs }) => [
    needs(0) ? place(dy, indices!, zerosLike(values!)) : undefined,
    undefined,
    needs(2) ? pick(dy, indices!) : undefined,
  ],
  onnx: ({ inputs: [x, indices, values], node, ints, output }) => {
    const last = ints([-1]);
    const [at, updates] = [node("Unsqueeze", [indices!, last]), node("Unsqueeze", [values!, last])];
    node("ScatterElements", [x!, at, updates], { axis: -1 }, output);
  },
  indices: ([x]) => [classLabels(x!, 1)],
  samples: [
    {
      inputs: [["batch", 4], { shape: ["batch"], dtype: "int32", range: [0, 4] }, ["batch"]],
      build: place,
    },
    {
      inputs: [["batch", 2, 3], { shape: ["batch", 2], dtype: "int64", range: [0, 3] }, ["batch", 2]],
      build: place,
    },
  ],
});

const crossEntropyOp = defineOp<{ labelSmoothing: number }>({
  name: "crossEntropy",
  infer: ([logits, , labels]) => ({ shape: labels!.shape, dtype: logits!.dtype }),
  // Log-softmax is an input so that backwards the probabilities cost one pass (Exp: 15 % faster than a second Softmax).
  // All of the gradient goes to the logits: probabilities minus the smoothed label.
  gradient: ({ inputs: [logits, logProbabilities, labels], attributes: { labelSmoothing }, dy }) => {
    const probabilities = exp(logProbabilities!);
    const certain = sub(pick(probabilities, labels!), 1 - labelSmoothing);
    const distance = place(probabilities, labels!, certain); // [..., classes]
    const spread = labelSmoothing / factorOf(logits!.shape.at(-1)!);
    const smoothed = spread === 0 ? distance : sub(distance, spread);
    return [mul(smoothed, reshape(dy, [...dy.shape, 1])), undefined, undefined];
  },
  onnx: ({ inputs: [, logProbabilities, labels], attributes, tensors, node, ints, constant, output }) => {
    const { labelSmoothing } = attributes;
    const last = ints([-1]);
    const at = node("Unsqueeze", [labels!, last]);
    const picked = node("Squeeze", [node("GatherElements", [logProbabilities!, at], { axis: -1 }), last]);
    if (labelSmoothing === 0) {
      node("Neg", [picked], {}, output);
      return;
    }
    const scale = (value: number) => constant([value], [], tensors[0]!.dtype);
    const average = node("ReduceMean", [logProbabilities!, last], { keepdims: 0 });
    const label = node("Mul", [picked, scale(labelSmoothing - 1)]);
    node("Sub", [label, node("Mul", [average, scale(labelSmoothing)])], {}, output);
  },
  indices: ([logits]) => [classLabels(logits!, 2)],
  samples: [
    {
      inputs: [["batch", 4], { shape: ["batch"], dtype: "int32", range: [0, 4] }],
      build: (x, t) => crossEntropyOf(x, t),
    },
    {
      inputs: [
        { shape: ["batch", 2, 3], range: [-90, 90] },
        { shape: ["batch", 2], dtype: "int64", range: [0, 3] },
      ],
      build: (x, t) => crossEntropyOf(x, t),
    },
    {
      inputs: [["batch", 4], { shape: ["batch"], dtype: "int32", range: [0, 4] }],
      build: (x, t) => crossEntropyOf(x, t, { labelSmoothing: 0.1 }),
    },
  ],
});
