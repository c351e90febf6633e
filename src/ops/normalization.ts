/** Normalisation of each sample by mean and variance of its last axes. */
import type { DType } from "../array/dtype.ts";
import type { Shape } from "../array/shape.ts";
import { bug } from "../errors.ts";
import { defineOp, type Op } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";
import { add, mul, sub } from "./arithmetic.ts";
import { groupNormalization } from "./group-normalization.ts";
import { expand, reshape } from "./movement.ts";
import {
  type AffineOptions,
  affineInputs,
  type Epsilon,
  featuresOf,
  inferLike,
  inverseOfSquares,
  inverseSlope,
  onesFor,
  rowMeanOf,
  rowsOf,
  sizesOf,
  sumPositions,
} from "./normalized-axes.ts";

/** Options of `layerNormalization`. */
export interface LayerNormalizationOptions extends AffineOptions {
  /** How many axes, counted from the last, are normalised together; scale and bias have their sizes. Default 1. */
  readonly axes?: number;
  /** Added to the variance. Default 1e-5. */
  readonly epsilon?: number;
}

/**
 * (x − mean) / √(variance + epsilon) · scale + bias, where mean and variance (divided by the number of values) are those of
 * the last axes at each position: [...positions, ...sizes] → the same shape.
 * Throws for axes that grow with the microbatch. Source: Ba et al. 2016; ONNX LayerNormalization-17.
 */
export function layerNormalization(x: Tensor, options: LayerNormalizationOptions = {}): Tensor {
  const { axes = 1, epsilon = 1e-5 } = options;
  const where = "layerNormalization";
  const sizes = sizesOf(where, x, axes);
  const flat = reshape(x, [...x.shape.slice(0, -axes), sizes.reduce((product, size) => product * size, 1)]);
  const inputs = affineInputs(where, sizes, options);
  return reshape(apply(layerNormalizationOp, [flat, ...inputs], { epsilon }), x.shape);
}

const layerNormalizationOp = defineOp<Epsilon>({
  name: "layerNormalization",
  infer: (inputs) => inferLike("layerNormalization", inputs),
  gradient: ({ inputs: [x, scale, bias], output, attributes, dy, needs }) => {
    const mean = apply(rowMeanOp, [output, x!], {});
    const inverse = apply(rowInverseOp, [output, x!], attributes);
    const centred = sub(x!, mean); // times the inverse where rows are small: one pass less than normalising first
    const along = mul(dy, centred);
    const slope = () => {
      const slant = mul(mul(inverse, inverse), rowMeanOf(along, scale));
      const shared = add(mul(centred, slant), rowMeanOf(dy, scale));
      return mul(sub(scale ? mul(dy, scale) : dy, shared), inverse);
    };
    return [
      needs(0) ? slope() : undefined,
      ...(scale ? [needs(1) ? sumPositions(along, inverse) : undefined] : []),
      ...(bias ? [needs(2) ? sumPositions(dy) : undefined] : []),
    ];
  },
  onnx: (context) => {
    const { inputs, attributes, node, output } = context;
    const [x, scale = onesFor(context), ...bias] = inputs;
    const options = { axis: -1, epsilon: { float: attributes.epsilon } };
    // Mean and inverse deviation come along (3 % of the time): the gradient reads them.
    node("LayerNormalization", [x!, scale, ...bias], options, output, "", 2);
  },
  samples: [
    {
      inputs: [["batch", 5], [5], [5]],
      build: (x, scale, bias) => layerNormalization(x, { scale, bias }),
    },
    { inputs: [["batch", 4], [4]], build: (x, scale) => layerNormalization(x, { scale, epsilon: 0.1 }) },
    { inputs: [["batch", 2, 4]], build: (x) => layerNormalization(x) },
    {
      inputs: [
        ["batch", 2, 3],
        [2, 3],
        [2, 3],
      ],
      build: (x, scale, bias) => layerNormalization(x, { scale, bias, axes: 2 }),
    },
    {
      inputs: [["batch", 4, 2], [4], [4]],
      build: (x, scale, bias) => groupNormalization(x, 2, { scale, bias }),
    },
  ],
});

/** What the node of its first input has computed besides; what it means depends on the second, x, alone. */
const rowMeanOp: Op = defineOp({
  name: "rowMean",
  infer: inferStatistic,
  gradient: ({ inputs: [, x], dy }) => [undefined, expand(mul(dy, 1 / featuresOf(x!)), x!.shape)],
  onnx: (context) => {
    const { inputs, tensors, node, ints, further, output } = context;
    if (tensors[1]!.dtype === "float64")
      node("ReduceMean", [inputs[1]!, ints([-1])], { keepdims: 1 }, output);
    else node("Identity", [further(inputs[0]!)[0] ?? bug(`no mean beside ${inputs[0]}`)], {}, output);
  },
  samples: [
    { inputs: [["batch", 4]], build: (x) => apply(rowMeanOp, [layerNormalization(x), x], {}) },
    { inputs: [["batch", 2, 4]], build: (x) => apply(rowMeanOp, [layerNormalization(x), x], {}) },
  ],
});

/** 1 / √(variance + epsilon), found where the mean is. */
const rowInverseOp: Op<Epsilon> = defineOp<Epsilon>({
  name: "rowInverse",
  infer: inferStatistic,
  gradient: ({ inputs: [normalized, x], output, dy }) => {
    const distance = sub(x!, apply(rowMeanOp, [normalized!, x!], {}));
    return [undefined, mul(distance, inverseSlope(x!, output, dy))];
  },
  onnx: (context) => {
    const { inputs, tensors, node, ints, further, output } = context;
    if (tensors[1]!.dtype !== "float64") {
      node("Identity", [further(inputs[0]!)[1] ?? bug(`no deviation beside ${inputs[0]}`)], {}, output);
      return;
    }
    // The kernel's statistics are float32 whatever x is.
    const mean = node("ReduceMean", [inputs[1]!, ints([-1])], { keepdims: 1 });
    inverseOfSquares(context, node("Sub", [inputs[1]!, mean]), tensors[1]!);
  },
  samples: [
    {
      inputs: [["batch", 4]],
      build: (x) => apply(rowInverseOp, [layerNormalization(x), x], { epsilon: 1e-5 }),
    },
  ],
});

function inferStatistic([normalized, x]: readonly Tensor[]): { shape: Shape; dtype: DType } {
  if (normalized!.op.name !== "layerNormalization") bug(`statistics read from ${normalized!.op.name}`);
  return { shape: rowsOf(x!.shape), dtype: x!.dtype };
}
