/**
 * The three ops behind convolutions. Σ y · convolve(x, weight) is linear in x, weight and y: each op is its gradient with
 * respect to one of them, so that the gradients of each are the other two, and so on for gradients of gradients.
 */
import { factorOf, formatShape, sameShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { defineOp, type OpSample } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";
import { mul } from "./arithmetic.ts";
import { emitConvolution, emitInputGradient } from "./convolution-emission.ts";
import { convolvedSize, type Geometry, type Pair, sizeOf } from "./convolution-geometry.ts";
import { emitWeightGradient, type WeightForm } from "./convolution-weight.ts";
import { reshape } from "./movement.ts";
import { sum } from "./reduction.ts";
import { requireDType, requireShape } from "./require.ts";

/** x [samples, channels, height, width], weight [outputs, channels / groups, rows, columns], bias [outputs] → y. */
export function convolution(x: Tensor, weight: Tensor, bias: Tensor | undefined, geometry: Geometry): Tensor {
  return apply(convolutionOp, bias === undefined ? [x, weight] : [x, weight, bias], geometry);
}

/** y and the weight → the gradient of the image, of `size`: the transposed convolution. bias [channels] is added to it. */
export function convolutionInput(
  y: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  size: Pair,
  geometry: Geometry,
): Tensor {
  const inputs = bias === undefined ? [y, weight] : [y, weight, bias];
  return apply(convolutionInputOp, inputs, { ...geometry, size });
}

/** x and y → the gradient of the weight, whose kernel has that size. form: which nodes compute it, by default the fastest. */
export function convolutionWeight(
  x: Tensor,
  y: Tensor,
  kernel: Pair,
  geometry: Geometry,
  form?: WeightForm,
): Tensor {
  return apply(convolutionWeightOp, [x, y], { ...geometry, kernel, ...(form && { form }) });
}

const single = ["float32"] as const;

const convolutionOp = defineOp<Geometry>({
  name: "convolution",
  infer: ([x, weight, bias], geometry) => {
    for (const tensor of [x!, weight!, ...(bias ? [bias] : [])]) requireDType("convolve", tensor, single);
    const channels = factorOf(x!.shape[1]!);
    const [outputs, inputs] = weight!.shape as readonly [number, number];
    requireGroups("convolve", channels, outputs, geometry.groups);
    if (inputs * geometry.groups !== channels) {
      fail("convolve", {
        expected: `an image of ${inputs * geometry.groups} channels`,
        got: formatShape(x!.shape),
        fix: `a weight [${outputs}, ${channels / geometry.groups}, …], or another image`,
      });
    }
    if (bias) requireShape("convolve", "bias", bias.shape, [outputs]);
    const size = convolvedSize(sizeOf(x!.shape), sizeOf(weight!.shape), geometry);
    return { shape: [x!.shape[0]!, outputs, ...size], dtype: x!.dtype };
  },
  gradient: ({ inputs: [x, weight, bias], attributes, dy, needs }) => {
    const { rest, factor } = withoutFactor(dy);
    const scaled = (one: Tensor) => (factor === undefined ? one : mul(one, factor));
    return [
      needs(0) ? convolutionInput(rest, scaled(weight!), undefined, sizeOf(x!.shape), attributes) : undefined,
      needs(1) ? scaled(convolutionWeight(x!, rest, sizeOf(weight!.shape), attributes)) : undefined,
      ...(bias ? [needs(2) ? sumChannels(dy) : undefined] : []),
    ];
  },
  onnx: emitConvolution,
  samples: [
    forward([2, 3, 4], [2, 2, 2, 3], { pads: [1, 0, 2, 1] }, true),
    forward([4, 5, 2], [2, 2, 3, 2], { groups: 2, strides: [2, 1] }),
    forward([2, 3, 4], [2, 1, 2, 2], { groups: 2, dilations: [2, 3], pads: [1, 1, 1, 1] }, true),
    // A kernel larger than the image, which only the padding makes room for.
    forward([1, 2, 2], [2, 1, 3, 4], { pads: [1, 1, 1, 2], strides: [1, 3] }),
    forward([3, 2, 2], [2, 3, 1, 1]),
  ],
});

type InputAttributes = Geometry & { readonly size: Pair };

const convolutionInputOp = defineOp<InputAttributes>({
  name: "convolutionInput",
  infer: ([y, weight, bias], { size, ...geometry }) => {
    const where = "convolveTransposed";
    for (const tensor of [y!, weight!, ...(bias ? [bias] : [])]) requireDType(where, tensor, single);
    const outputs = factorOf(y!.shape[1]!);
    const [wanted, inputs] = weight!.shape as readonly [number, number];
    const channels = inputs * geometry.groups;
    requireGroups(where, outputs, channels, geometry.groups);
    if (wanted !== outputs) {
      fail(where, {
        expected: `an image of ${wanted} channels`,
        got: formatShape(y!.shape),
        fix: `a weight [${outputs}, …], or another image`,
      });
    }
    if (bias) requireShape(where, "bias", bias.shape, [channels]);
    return { shape: [y!.shape[0]!, channels, ...size], dtype: y!.dtype };
  },
  gradient: ({ inputs: [y, weight, bias], attributes: { size: _, ...geometry }, dy, needs }) => [
    needs(0) ? convolution(dy, weight!, undefined, geometry) : undefined,
    needs(1) ? convolutionWeight(dy, y!, sizeOf(weight!.shape), geometry) : undefined,
    ...(bias ? [needs(2) ? sumChannels(dy) : undefined] : []),
  ],
  onnx: emitInputGradient,
  samples: [
    backward([3, 3, 3], [3, 2, 2, 3], [4, 5], {}, true),
    backward([4, 3, 2], [4, 1, 3, 2], [3, 4], { groups: 2, pads: [1, 1, 1, 0], strides: [1, 2] }, true),
    backward([4, 2, 2], [4, 1, 2, 2], [3, 3], { groups: 2 }),
    backward([2, 2, 2], [2, 1, 2, 2], [5, 6], {
      groups: 2,
      dilations: [2, 1],
      strides: [2, 3],
      pads: [0, 1, 0, 0],
    }),
    backward([2, 3, 4], [2, 1, 2, 2], [2, 2], { pads: [1, 1, 1, 2] }, true),
  ],
});

type WeightAttributes = Geometry & { readonly kernel: Pair; readonly form?: WeightForm };

const convolutionWeightOp = defineOp<WeightAttributes>({
  name: "convolutionWeight",
  infer: ([x, y], { kernel, groups }) => {
    for (const tensor of [x!, y!]) requireDType("the gradient of convolve", tensor, single);
    const [outputs, channels] = [factorOf(y!.shape[1]!), factorOf(x!.shape[1]!)];
    return { shape: [outputs, channels / groups, ...kernel], dtype: x!.dtype };
  },
  gradient: ({ inputs: [x, y], attributes: { kernel: _, form: __, ...geometry }, dy, needs }) => [
    needs(0) ? convolutionInput(y!, dy, undefined, sizeOf(x!.shape), geometry) : undefined,
    needs(1) ? convolution(x!, dy, undefined, geometry) : undefined,
  ],
  onnx: emitWeightGradient,
  samples: [
    weighing("swapped", [2, 4, 3], [2, 3, 2], [2, 2], { groups: 2, strides: [2, 2], pads: [1, 0, 1, 1] }),
    weighing("columns", [4, 2, 4], [2, 3, 2], [2, 3], { groups: 2, strides: [1, 2], pads: [1, 1, 1, 0] }),
    weighing("columns", [3, 2, 1], [2, 2, 1], [1, 1]),
    weighing("slabs", [4, 3, 2], [2, 2, 1], [2, 2], { groups: 2 }),
    weighing("slabs", [1, 5, 3], [2, 2, 1], [4, 3], { strides: [2, 1], pads: [1, 0, 0, 0] }),
    weighing("slabs", [1, 7, 3], [1, 3, 1], [3, 2], {
      strides: [2, 2],
      dilations: [2, 1],
      pads: [1, 0, 1, 0],
    }),
    weighing("wrapped", [4, 3, 3], [2, 3, 3], [3, 3], { groups: 2, pads: [1, 1, 1, 1] }),
    weighing("wrapped", [2, 4, 3], [1, 3, 3], [2, 2], { dilations: [2, 2], pads: [0, 2, 1, 0] }),
    weighing("depthwise", [2, 4, 3], [2, 2, 1], [3, 2], { groups: 2, strides: [1, 2], dilations: [1, 2] }),
  ],
});

function moving(geometry: Partial<Geometry>): Geometry {
  return { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], groups: 1, ...geometry };
}

/** Sizes of one sample's image; of the weight; and whether there is a bias. */
type Image = readonly [channels: number, height: number, width: number];
type Weight = readonly [outputs: number, channels: number, rows: number, columns: number];

function forward(image: Image, weight: Weight, geometry: Partial<Geometry> = {}, hasBias = false): OpSample {
  return {
    inputs: [["batch", ...image], weight, ...(hasBias ? [[weight[0]]] : [])],
    build: (x, w, bias) => convolution(x!, w!, bias, moving(geometry)),
  };
}

function backward(
  image: Image,
  weight: Weight,
  size: Pair,
  geometry: Partial<Geometry> = {},
  hasBias = false,
): OpSample {
  return {
    inputs: [["batch", ...image], weight, ...(hasBias ? [[weight[1] * (geometry.groups ?? 1)]] : [])],
    build: (y, w, bias) => convolutionInput(y!, w!, bias, size, moving(geometry)),
  };
}

function weighing(
  form: WeightForm,
  image: Image,
  output: Image,
  kernel: Pair,
  geometry: Partial<Geometry> = {},
): OpSample {
  return {
    inputs: [
      ["batch", ...image],
      ["batch", ...output],
    ],
    build: (x, y) => convolutionWeight(x!, y!, kernel, moving(geometry), form),
  };
}

/**
 * y as rest · factor, where it is made with one number per channel, [outputs, 1, 1]; the factor then as it stretches over a
 * weight. Weights are small, and images are not: behind batch normalisation it is 2 % of a ResNet's step.
 */
function withoutFactor(y: Tensor): { readonly rest: Tensor; readonly factor?: Tensor } {
  const [rest, factor] = y.inputs;
  const outputs = y.shape[1]!;
  const isFactored =
    y.op.name === "mul" && sameShape(rest!.shape, y.shape) && sameShape(factor!.shape, [outputs, 1, 1]);
  return isFactored ? { rest: rest!, factor: reshape(factor!, [outputs, 1, 1, 1]) } : { rest: y };
}

/** [samples, channels, height, width] → [channels]. */
const sumChannels = (dy: Tensor) => sum(dy, { axes: [0, 2, 3] });

function requireGroups(where: string, channels: number, outputs: number, groups: number): void {
  const uneven = [channels, outputs].find((size) => size % groups !== 0);
  if (uneven === undefined) return;
  fail(where, {
    expected: `groups to divide ${channels} channels and ${outputs} outputs`,
    got: String(groups),
    fix: "groups: 1, or a common divisor of both",
  });
}
