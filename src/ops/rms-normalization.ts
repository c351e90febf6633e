/** Normalisation of each sample by the root mean square of its last axis. */
import { defineOp, type Op } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";
import { mul, sub } from "./arithmetic.ts";
import {
  affineInputs,
  type Epsilon,
  inferLike,
  inverseOfSquares,
  inverseSlope,
  onesFor,
  rowMeanOf,
  rowsOf,
  sizesOf,
  sumPositions,
} from "./normalized-axes.ts";
import { floats, requireDType } from "./require.ts";

/** Options of `rmsNormalization`. */
export interface RmsNormalizationOptions {
  /** What the normalised numbers are multiplied with, [features]. Default: nothing. */
  readonly scale?: Tensor | undefined;
  /** Added to the mean square. Default 2⁻²³, the rounding of float32, as PyTorch's RMSNorm. */
  readonly epsilon?: number;
}

/**
 * x / √(mean of x² + epsilon) · scale along the last axis: [..., features] → the same shape.
 * Throws for a last axis that grows with the microbatch. Source: Zhang and Sennrich 2019; the nodes that ONNX Runtime takes
 * together as SimplifiedLayerNormalization.
 */
export function rmsNormalization(x: Tensor, options: RmsNormalizationOptions = {}): Tensor {
  const { epsilon = 2 ** -23 } = options;
  const inputs = affineInputs("rmsNormalization", sizesOf("rmsNormalization", x, 1), options);
  return apply(rmsNormalizationOp, [x, ...inputs], { epsilon });
}

const rmsNormalizationOp = defineOp<Epsilon>({
  name: "rmsNormalization",
  infer: (inputs) => inferLike("rmsNormalization", inputs),
  gradient: ({ inputs: [x, scale], attributes, dy, needs }) => {
    const inverse = apply(rmsInverseOp, [x!], attributes); // a pass that only reads
    const along = mul(dy, x!);
    const slope = () => {
      const slant = mul(mul(inverse, inverse), rowMeanOf(along, scale));
      return mul(sub(scale ? mul(dy, scale) : dy, mul(x!, slant)), inverse);
    };
    return [
      needs(0) ? slope() : undefined,
      ...(scale ? [needs(1) ? sumPositions(along, inverse) : undefined] : []),
    ];
  },
  // ONNX Runtime takes just these nodes together, scale included, which is twice as fast; opset 21 has no operator for them.
  onnx: (context) => {
    const { inputs, tensors, attributes, node, ints, constant, output } = context;
    const [x, scale = onesFor(context)] = inputs;
    const { dtype } = tensors[0]!;
    // It takes nodes of float64 together too, but loses their epsilon (1.30): with x · x for x² it leaves them apart.
    const square = dtype === "float64" ? node("Mul", [x!, x!]) : node("Pow", [x!, constant([2], [], dtype)]);
    const meanSquare = node("ReduceMean", [square, ints([-1])], { keepdims: 1 });
    const root = node("Sqrt", [node("Add", [meanSquare, constant([attributes.epsilon], [], dtype)])]);
    node("Mul", [node("Div", [x!, root]), scale], {}, output);
  },
  samples: [
    { inputs: [["batch", 5], [5]], build: (x, scale) => rmsNormalization(x, { scale }) },
    { inputs: [["batch", 2, 4], [4]], build: (x, scale) => rmsNormalization(x, { scale, epsilon: 0.1 }) },
    { inputs: [["batch", 4]], build: (x) => rmsNormalization(x) },
  ],
});

/** 1 / √(mean of x² + epsilon) along the last axis, which stays with size 1. */
const rmsInverseOp: Op<Epsilon> = defineOp<Epsilon>({
  name: "rmsInverse",
  infer: ([x]) => {
    requireDType("rmsNormalization", x!, floats);
    return { shape: rowsOf(x!.shape), dtype: x!.dtype };
  },
  gradient: ({ inputs: [x], output, dy }) => [mul(x!, inverseSlope(x!, output, dy))],
  onnx: (context) => inverseOfSquares(context, context.inputs[0]!, context.tensors[0]!),
  samples: [{ inputs: [["batch", 4]], build: (x) => apply(rmsInverseOp, [x], { epsilon: 0.1 }) }],
});
