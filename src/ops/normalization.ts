/** Normalisation within a sample: by layer, by groups of channels, or by the root mean square. */
import type { DType } from "../array/dtype.ts";
import { factorOf, formatShape, isBatchDim, productDim, type Shape } from "../array/shape.ts";
import { bug, fail } from "../errors.ts";
import { defineOp, type EmitContext, type Op } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";
import { add, mul, neg, sub } from "./arithmetic.ts";
import { gemm, matmul, sumRows } from "./matmul.ts";
import { expand, fill, reshape } from "./movement.ts";
import { floats, requireDType, requireSameDType, requireShape } from "./require.ts";
import { cast } from "./selection.ts";

/** What is done with the normalised numbers. */
export interface AffineOptions {
  /** They are multiplied with this. Default: not at all. */
  readonly scale?: Tensor | undefined;
  /** This is added to them. Default: nothing. */
  readonly bias?: Tensor | undefined;
}

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

/** Options of `groupNormalization`. */
export interface GroupNormalizationOptions extends AffineOptions {
  /** Added to the variance. Default 1e-5. */
  readonly epsilon?: number;
}

/**
 * The channels cut into `groups` that each sample normalises on their own, then · scale + bias, [channels] each:
 * [samples, channels, …] → the same shape. One group is layer normalisation over channels and places, a group per channel is
 * instance normalisation. Throws where the groups are not of one size, or hold one number only, which is always 0 then.
 * Source: Wu and He 2018; ONNX LayerNormalization-17 over each group.
 */
export function groupNormalization(
  x: Tensor,
  groups: number,
  options: GroupNormalizationOptions = {},
): Tensor {
  const { epsilon, scale, bias } = options;
  const [samples, channels] = groupsOf(x, groups);
  const size =
    x.shape
      .slice(1)
      .map(factorOf)
      .reduce((product, one) => product * one, 1) / groups;
  const cut = reshape(x, [samples, groups, size]);
  const normalized = reshape(layerNormalization(cut, { ...(epsilon !== undefined && { epsilon }) }), x.shape);
  const perChannel = [channels, ...x.shape.slice(2).map(() => 1)];
  const [by, plus] = [scale, bias].map((numbers, index) => {
    if (numbers !== undefined)
      requireShape("groupNormalization", ["scale", "bias"][index]!, numbers.shape, [channels]);
    return numbers && reshape(numbers, perChannel);
  });
  const scaled = by === undefined ? normalized : mul(normalized, by);
  return plus === undefined ? scaled : add(scaled, plus);
}

/** Throws unless x has channels that so many groups share evenly. */
function groupsOf(x: Tensor, groups: number): readonly [samples: Shape[number], channels: number] {
  const [samples, channels, ...rest] = x.shape;
  const where = "groupNormalization";
  if (samples === undefined || typeof channels !== "number" || rest.some(isBatchDim)) {
    fail(where, {
      expected: "[samples, channels, …], where only the samples may grow with the microbatch",
      got: formatShape(x.shape),
      fix: "move the channels to the second axis, for example by transpose",
    });
  }
  if (!(Number.isSafeInteger(groups) && groups >= 1 && channels % groups === 0)) {
    fail(where, {
      expected: `groups that share ${channels} channels evenly`,
      got: String(groups),
      fix: `one of ${divisors(channels).join(", ")}`,
    });
  }
  if (rest.map(factorOf).reduce((product, one) => product * one, channels) === groups) {
    fail(where, {
      expected: "more than one number in a group",
      got: `${groups} groups of ${formatShape(x.shape)}`,
      fix: "fewer groups",
    });
  }
  return [samples, channels];
}

const divisors = (count: number) =>
  Array.from({ length: count }, (_, index) => index + 1).filter((one) => count % one === 0);

type Epsilon = { readonly epsilon: number };

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

/** Writes 1 / √(mean of the squares of `values` + epsilon) along the last axis. */
function inverseOfSquares(context: EmitContext<Epsilon>, values: string, x: Tensor): void {
  const { attributes, node, ints, constant, output } = context;
  const number = (value: number) => constant([value], [], x.dtype);
  const squares = node("ReduceSumSquare", [values, ints([-1])], { keepdims: 1 });
  const mean = node("Mul", [squares, number(1 / featuresOf(x))]);
  node("Reciprocal", [node("Sqrt", [node("Add", [mean, number(attributes.epsilon)])])], {}, output);
}

/** What a change of the inverse deviation means for each distance from the mean: −inverse³ · dy / features. */
const inverseSlope = (x: Tensor, inverse: Tensor, dy: Tensor) =>
  mul(mul(mul(inverse, inverse), mul(inverse, neg(dy))), 1 / featuresOf(x));

/** The mean of values · scale along the last axis, as a product: [..., features] → [..., 1], without a pass that writes. */
function rowMeanOf(values: Tensor, scale: Tensor | undefined): Tensor {
  const features = featuresOf(values);
  const whole = scale ?? cast(fill([features], 1), values.dtype);
  return matmul(values, reshape(mul(whole, 1 / features), [features, 1]));
}

/** Σ over all axes but the last of values · weights, as a product: values [..., features], weights [..., 1] → [features]. */
function sumPositions(values: Tensor, weights?: Tensor): Tensor {
  const features = featuresOf(values);
  const positions = productDim(values.shape.slice(0, -1), "normalisation");
  const rows = reshape(values, [positions, features]);
  if (weights === undefined) return sumRows(rows);
  return reshape(gemm(reshape(weights, [1, positions]), rows), [features]);
}

const featuresOf = (x: Tensor) => factorOf(x.shape.at(-1)!);

const rowsOf = (shape: Shape): Shape => [...shape.slice(0, -1), 1];

const onesFor = ({ tensors, constant }: EmitContext<Epsilon>) =>
  constant(Array<number>(featuresOf(tensors[0]!)).fill(1), [featuresOf(tensors[0]!)], tensors[0]!.dtype);

function inferStatistic([normalized, x]: readonly Tensor[]): { shape: Shape; dtype: DType } {
  if (normalized!.op.name !== "layerNormalization") bug(`statistics read from ${normalized!.op.name}`);
  return { shape: rowsOf(x!.shape), dtype: x!.dtype };
}

function inferLike(where: string, [x, ...others]: readonly Tensor[]): { shape: Shape; dtype: DType } {
  requireDType(where, x!, floats);
  for (const numbers of others) requireSameDType(where, x!, numbers);
  return { shape: x!.shape, dtype: x!.dtype };
}

/** Sizes of the last axes. Throws unless there are so many, of fixed sizes. */
function sizesOf(where: string, x: Tensor, axes: number): number[] {
  const isCount = Number.isSafeInteger(axes) && axes >= 1;
  const sizes = isCount ? x.shape.slice(-axes) : [];
  if (!isCount || sizes.length < axes || sizes.some(isBatchDim)) {
    fail(where, {
      expected: isCount
        ? `${axes === 1 ? "a last axis" : `${axes} last axes`} of fixed size`
        : "a number of axes from 1 on",
      got: isCount ? formatShape(x.shape) : String(axes),
      fix: "normalise within samples: the axes behind batch",
    });
  }
  return sizes.map(factorOf);
}

/** Scale and bias as the ops take them, flat. A bias alone gets a scale of ones. */
function affineInputs(where: string, sizes: readonly number[], { scale, bias }: AffineOptions): Tensor[] {
  const flat = (what: string, numbers: Tensor) => {
    requireShape(where, what, numbers.shape, sizes);
    return reshape(numbers, [-1]);
  };
  if (bias === undefined) return scale === undefined ? [] : [flat("scale", scale)];
  return [flat("scale", scale ?? cast(fill(sizes, 1), bias.dtype)), flat("bias", bias)];
}
