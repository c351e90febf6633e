/** Normalisation by a mean and a variance per channel: given ones, or those of the microbatch itself. */
import type { DType } from "../array/dtype.ts";
import { factorOf, formatShape, isBatchDim, productDim, type Shape } from "../array/shape.ts";
import { bug, fail } from "../errors.ts";
import { defineOp, type OpSample } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";
import { add, div, mul, neg, sqrt, sub } from "./arithmetic.ts";
import { sumRows } from "./matmul.ts";
import { expand, fill, reshape } from "./movement.ts";
import { sum } from "./reduction.ts";
import { floats, requireDType, requireSameDType, requireShape } from "./require.ts";
import { cast } from "./selection.ts";

/** Numbers per channel, [channels] each. */
export interface ChannelNumbers {
  readonly scale: Tensor;
  readonly bias: Tensor;
  readonly mean: Tensor;
  readonly variance: Tensor;
}

/**
 * (x − mean) / √(variance + epsilon) · scale + bias, per channel. x [samples, channels, …], numbers [channels] → as x.
 * Throws for x without a channel axis of fixed size and for numbers of another shape. Source: ONNX BatchNormalization-15.
 */
export function batchNormalization(x: Tensor, numbers: ChannelNumbers, epsilon = 1e-5): Tensor {
  const { scale, bias, mean, variance } = numbers;
  return apply(batchNormalizationOp, [x, scale, bias, mean, variance], { epsilon });
}

/** What `normalizeByBatch` gives. */
export interface NormalizedByBatch {
  /** In the shape of x. */
  readonly output: Tensor;
  /** Mean over all axes but that of the channels, [channels]. */
  readonly mean: Tensor;
  /** Mean squared distance from it, [channels]: divided by the number of values, not by one less. */
  readonly variance: Tensor;
}

/**
 * The same by the mean and the variance of x itself, which come out too: they are computed once. scale and bias [channels].
 * Right to about 2⁻²⁴ · |mean| / deviation, which is what the rounding of x itself costs. Gradients cross mean and variance.
 * Throws as `batchNormalization`. Source: ONNX BatchNormalization-15, training_mode 1 and momentum 0; Ioffe and Szegedy 2015.
 */
export function normalizeByBatch(x: Tensor, scale: Tensor, bias: Tensor, epsilon = 1e-5): NormalizedByBatch {
  if (x.shape.length === 2) return normalizeRows(x, scale, bias, epsilon);
  const output = apply(normalizeByBatchOp, [x, scale, bias], { epsilon });
  return {
    output,
    mean: apply(batchMeanOp, [output, x], {}),
    variance: apply(batchVarianceOp, [output, x], {}),
  };
}

type Epsilon = { readonly epsilon: number };

const batchNormalizationOp = defineOp<Epsilon>({
  name: "batchNormalization",
  infer: (inputs) => inferLike("batchNormalization", inputs),
  gradient: ({ inputs: [x, scale, , mean, variance], attributes: { epsilon }, dy, needs }) => {
    const inverse = div(1, sqrt(add(variance!, epsilon)));
    const slope = mul(scale!, inverse);
    const dBias = sumPerChannel(dy);
    const centred = sub(sumPerChannel(mul(x!, dy)), mul(mean!, dBias)); // Σ (x − mean) · dy
    const dVariance = () => mul(mul(slope, mul(inverse, inverse)), mul(centred, -0.5));
    return [
      needs(0) ? mul(dy, perChannel(slope, x!)) : undefined,
      needs(1) ? mul(inverse, centred) : undefined,
      dBias,
      needs(3) ? neg(mul(slope, dBias)) : undefined,
      needs(4) ? dVariance() : undefined,
    ];
  },
  onnx: ({ inputs, tensors, outputTensor, attributes: { epsilon }, node, constant, output }) => {
    if (tensors[0]!.shape.length > 2) {
      node("BatchNormalization", inputs, { epsilon: { float: epsilon } }, output);
      return;
    }
    // The kernel goes through [samples, channels] value by value; in a saved file all but the last two nodes are folded.
    const [x, scale, bias, mean, variance] = inputs as readonly [string, string, string, string, string]; // as applied
    const deviation = node("Sqrt", [node("Add", [variance, constant([epsilon], [], outputTensor.dtype)])]);
    const slope = node("Div", [scale, deviation]);
    const shift = node("Sub", [bias, node("Mul", [mean, slope])]);
    node("Add", [node("Mul", [x, slope]), shift], {}, output);
  },
  samples: [
    {
      inputs: [["batch", 2, 3], [2], [2], [2], { shape: [2], range: [0.5, 2] }],
      build: (x, scale, bias, mean, variance) => batchNormalization(x, { scale, bias, mean, variance }),
    },
    {
      inputs: [["batch", 3], [3], [3], [3], { shape: [3], range: [0.5, 2] }],
      build: (x, scale, bias, mean, variance) => batchNormalization(x, { scale, bias, mean, variance }, 0.1),
    },
    {
      inputs: [["batch", 2, 2, 2], [2], [2], [2], { shape: [2], range: [0.5, 2] }],
      build: (x, scale, bias, mean, variance) => batchNormalization(x, { scale, bias, mean, variance }),
    },
  ],
});

const normalizeByBatchOp = defineOp<Epsilon>({
  name: "normalizeByBatch",
  infer: (inputs) => inferLike("normalizeByBatch", inputs),
  gradient: ({ inputs: [x, scale], output, attributes: { epsilon }, dy, needs }) => {
    const mean = apply(batchMeanOp, [output, x!], {});
    const inverse = div(1, sqrt(add(apply(batchVarianceOp, [output, x!], {}), epsilon)));
    const dBias = sumPerChannel(dy);
    const dScale = mul(inverse, sub(sumPerChannel(mul(x!, dy)), mul(mean, dBias)));
    if (!needs(0)) return [undefined, dScale, dBias];
    // dx = slope · (dy − Σdy/M − x̂ · Σ(x̂·dy)/M): what is linear in x is one pass of the kernel above, 0.51 ms against 0.69.
    // The slope comes last: a convolution before this takes it into its weights, and nothing is left of that pass.
    const share = neg(inverseCount(x!));
    const fromStatistics = batchNormalization(
      x!,
      {
        scale: mul(mul(share, inverse), dScale),
        bias: mul(share, dBias),
        mean,
        variance: cast(fill(scale!.shape, 1), x!.dtype),
      },
      1e-30,
    );
    return [mul(add(fromStatistics, dy), perChannel(mul(scale!, inverse), x!)), dScale, dBias];
  },
  onnx: ({ inputs, tensors, attributes: { epsilon }, node, ints, output }) => {
    // The kernel writes the statistics over the ones it is given, be they constants or fed: it gets some that nobody else
    // reads and that no optimizer can fold, the first value of each channel. They are blended in with momentum 0.
    const others = tensors[0]!.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
    const [starts, ends] = [ints(others.map(() => 0)), ints(others.map(() => 1))];
    const corner = node("Slice", [inputs[0]!, starts, ends, ints(others)]);
    const first = node("Reshape", [corner, ints([-1])]);
    const attributes = { epsilon: { float: epsilon }, momentum: { float: 0 }, training_mode: 1 };
    node("BatchNormalization", [...inputs, node("Neg", [first]), first], attributes, output, "", 2);
  },
  // More than two values per channel: two are always normalised to ±1, and gradients are then differences of equal numbers.
  samples: [
    {
      inputs: [["batch", 2, 3], [2], [2]],
      build: (x, scale, bias) => normalizeByBatch(x, scale, bias).output,
    },
    {
      inputs: [["batch", 2, 2, 2], [2], [2]],
      build: (x, scale, bias) => normalizeByBatch(x, scale, bias).output,
    },
    {
      // Deep in a graph, where what it is made from has other readers.
      inputs: [["batch", 2, 3], [2]],
      build: (x, scale) => mul(normalizeByBatch(mul(x, x), scale, scale).output, x),
    },
  ],
});

/**
 * Two axes: the kernel above goes through them value by value, 7 × slower than products with ones. Inputs: x, scale, bias, and
 * what is made of x, the distances from the mean and the variance; the gradient of x is that through all of them.
 */
const normalizeRowsOp = defineOp<Epsilon>({
  name: "normalizeRows",
  infer: (inputs) => inferLike("normalizeByBatch", inputs.slice(0, 3)),
  gradient: ({ inputs: [x, scale, , distances, variance], attributes: { epsilon }, dy, needs }) => {
    const inverse = div(1, sqrt(add(variance!, epsilon)));
    const dBias = sumPerChannel(dy);
    const dScale = mul(inverse, sumPerChannel(mul(dy, distances!)));
    if (!needs(0)) return [undefined, dScale, dBias];
    const share = inverseCount(x!);
    const fromStatistics = add(mul(distances!, mul(mul(inverse, dScale), share)), mul(dBias, share));
    return [mul(sub(dy, fromStatistics), mul(scale!, inverse)), dScale, dBias];
  },
  onnx: ({ inputs, outputTensor, attributes: { epsilon }, node, constant, output }) => {
    const [, scale, bias, distances, variance] = inputs as readonly [string, string, string, string, string]; // as applied
    const deviation = node("Sqrt", [node("Add", [variance, constant([epsilon], [], outputTensor.dtype)])]);
    node("Add", [node("Mul", [distances, node("Div", [scale, deviation])]), bias], {}, output);
  },
  samples: [
    {
      inputs: [["batch*3", 3], [3], [3]],
      build: (x, scale, bias) => normalizeByBatch(x, scale, bias, 0.1).output,
    },
    {
      inputs: [["batch*2", 2], [2]],
      build: (x, scale) => mul(normalizeByBatch(mul(x, x), scale, scale).output, x),
    },
  ],
});

function normalizeRows(x: Tensor, scale: Tensor, bias: Tensor, epsilon: number): NormalizedByBatch {
  inferLike("normalizeByBatch", [x, scale, bias]);
  const share = inverseCount(x);
  const mean = mul(sumPerChannel(x), share);
  const distances = sub(x, mean);
  const variance = mul(sumPerChannel(mul(distances, distances)), share);
  return {
    output: apply(normalizeRowsOp, [x, scale, bias, distances, variance], { epsilon }),
    mean,
    variance,
  };
}

/** Reads what the node of its first input has computed besides; what it means depends on the second, x, alone. */
const batchMeanOp = defineOp({
  name: "batchMean",
  infer: inferStatistic,
  gradient: ({ inputs: [, x], dy }) => [
    undefined,
    expand(perChannel(mul(dy, inverseCount(x!)), x!), x!.shape),
  ],
  onnx: ({ inputs: [output, x], node, further, output: name }) => {
    node("Identity", [further(output!)[0] ?? bug(`no mean beside ${output} of ${x}`)], {}, name);
  },
  samples: [statisticSample(["batch", 2, 3], "mean"), statisticSample(["batch", 2, 1, 3], "mean")],
});

const batchVarianceOp = defineOp({
  name: "batchVariance",
  infer: inferStatistic,
  gradient: ({ inputs: [output, x], dy }) => {
    const distance = sub(x!, perChannel(apply(batchMeanOp, [output!, x!], {}), x!));
    return [undefined, mul(distance, perChannel(mul(mul(dy, 2), inverseCount(x!)), x!))];
  },
  onnx: ({ inputs: [output, x], node, further, output: name }) => {
    node("Identity", [further(output!)[1] ?? bug(`no variance beside ${output} of ${x}`)], {}, name);
  },
  samples: [statisticSample(["batch", 2, 3], "variance"), statisticSample(["batch", 2, 1, 3], "variance")],
});

function statisticSample(shape: Shape, which: "mean" | "variance"): OpSample {
  const channels = [shape[1]!];
  return {
    inputs: [shape, channels],
    build: (x, scale) => normalizeByBatch(x, scale, scale)[which],
  };
}

function inferStatistic([output, x]: readonly Tensor[]): { shape: Shape; dtype: DType } {
  if (output!.op.name !== "normalizeByBatch") bug(`statistics read from ${output!.op.name}`);
  return { shape: [x!.shape[1]!], dtype: x!.dtype };
}

function inferLike(where: string, inputs: readonly Tensor[]): { shape: Shape; dtype: DType } {
  const x = inputs[0]!;
  requireDType(where, x, floats);
  const channels = x.shape[1];
  if (channels === undefined || isBatchDim(channels)) {
    fail(where, {
      expected: "a tensor [samples, channels, …] with a fixed number of channels",
      got: formatShape(x.shape),
      fix: "move the channels to the second axis, for example by transpose",
    });
  }
  inputs.slice(1).forEach((numbers, index) => {
    requireSameDType(where, x, numbers);
    requireShape(where, ["scale", "bias", "mean", "variance"][index]!, numbers.shape, [channels]);
  });
  return { shape: x.shape, dtype: x.dtype };
}

/** [channels] as it stretches over x. */
function perChannel(values: Tensor, x: Tensor): Tensor {
  return reshape(values, [values.shape[0]!, ...x.shape.slice(2).map(() => 1)]);
}

/** Σ over all axes but that of the channels. */
function sumPerChannel(x: Tensor): Tensor {
  if (x.shape.length === 2 && x.dtype === "float32") return sumRows(x); // by a product with ones, which are float32
  return sum(x, { axes: x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis])) });
}

/** 1 / the number of values per channel, a scalar. */
function inverseCount(x: Tensor): Tensor {
  const count = productDim([x.shape[0]!, ...x.shape.slice(2)], "normalizeByBatch");
  const samples = isBatchDim(count) ? sum(fill(["batch"], 1)) : fill([1], 1);
  return cast(div(1 / factorOf(count), reshape(samples, [])), x.dtype);
}
