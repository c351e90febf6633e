import assert from "node:assert/strict";
import { test } from "node:test";
import { gap } from "../../test/reference/check.ts";
import { draw, type Random, seeded } from "../../test/reference/draw.ts";
import { evaluate } from "../../test/reference/evaluate.ts";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { sorted } from "../graph/walk.ts";
import { convolve, convolveTransposed } from "./convolution.ts";
import { convolvedSize, type Geometry, type Pair } from "./convolution-geometry.ts";
import { convolution, convolutionInput, convolutionWeight } from "./convolution-ops.ts";
import type { WeightForm } from "./convolution-weight.ts";
import { gradient } from "./gradient.ts";
import { reshape } from "./movement.ts";

/** Set OPS_SEED to try other shapes, or to repeat a failure. */
const seed = Number(process.env.OPS_SEED ?? 1);

/** Sums here have up to 300 terms of up to 4 in float32: 2⁻²⁴ for each of some √300 · 4 that do not cancel, and room. */
const tolerance = 1e-5;

const opsOf = (tensor: Tensor) => sorted([tensor]).map(({ op }) => op.name);
const x = (...shape: (number | "batch")[]) => input("x", shape);
const weight = (...shape: number[]) => input("weight", shape);

interface Shapes {
  readonly geometry: Geometry;
  readonly kernel: Pair;
  readonly size: Pair;
  /** Channels and outputs of each group. */
  readonly channels: number;
  readonly outputs: number;
}

/** A convolution at random: any stride, dilation, groups and zeros, kernels larger than the image too. */
function drawShapes(random: Random): Shapes {
  const upTo = (most: number) => 1 + Math.floor(random() * most);
  const pair = (most: number): Pair => [upTo(most), upTo(most)];
  for (;;) {
    const [top, left] = pair(4);
    const [bottom, right] = pair(4);
    const geometry: Geometry = {
      strides: pair(4),
      dilations: pair(3),
      pads: [top - 1, left - 1, bottom - 1, right - 1],
      groups: upTo(3),
    };
    const [kernel, size, channels, outputs] = [pair(5), pair(9), upTo(6), upTo(3)];
    if (random() < 0.25) return { geometry: asWide(geometry, kernel), kernel, size, channels, outputs };
    if (convolvedSize(size, kernel, geometry).every((one) => one >= 1))
      return { geometry, kernel, size, channels, outputs };
  }
}

/** Moving such that what comes out is as wide as the image, and higher than nothing. */
function asWide({ dilations, pads, groups }: Geometry, kernel: Pair): Geometry {
  const [high, wide] = kernel.map((one, axis) => (one - 1) * dilations[axis]!) as [number, number]; // a pair again
  const left = Math.min(pads[1], wide);
  return { strides: [1, 1], dilations, groups, pads: [pads[0], left, high, wide - left] };
}

/** Everything a convolution can be asked for, each form of the weight's gradient included. */
function tensorsOf(
  { geometry, kernel, size, channels, outputs }: Shapes,
  samples: number | "batch",
): Record<string, Tensor> {
  const { groups } = geometry;
  const image = x(samples, channels * groups, ...size);
  const kernels = weight(outputs * groups, channels, ...kernel);
  const y = input("y", [samples, outputs * groups, ...convolvedSize(size, kernel, geometry)]);
  const forms: WeightForm[] = ["swapped", "columns", "slabs"];
  if (channels === 1 && outputs === 1) forms.push("depthwise");
  const taken = kernel[0] * kernel[1] > 1 && geometry.strides.every((one) => one === 1);
  if (taken && y.shape[3] === size[1]) forms.push("wrapped");
  return {
    forward: convolution(image, kernels, undefined, geometry),
    backward: convolutionInput(y, kernels, undefined, size, geometry),
    fastest: convolutionWeight(image, y, kernel, geometry),
    ...Object.fromEntries(
      forms.map((form) => [form, convolutionWeight(image, y, kernel, geometry, form)] as const),
    ),
  };
}

test("every form of a convolution and its gradients computes the same, on shapes at random", async () => {
  const random = seeded(seed);
  for (let round = 0; round < 60; round++) {
    const shapes = drawShapes(random);
    const tensors = tensorsOf(shapes, round % 5 === 0 ? 2 : "batch");
    const leaves = sorted(Object.values(tensors)).filter(({ leaf }) => leaf !== undefined);
    const batch = 1 + (round % 3);
    const feeds = new Map(leaves.map((leaf) => [leaf, draw({ shape: leaf.shape }, batch, random)] as const));
    const names = ["forward", "backward", "swapped"];
    const [forward, backward, swapped] = evaluate(
      names.map((name) => tensors[name]!),
      feeds,
    );
    const got = await runTensors(tensors, feeds);
    const problems = Object.entries(got).flatMap(([name, { data }]) => {
      const want = name === "forward" ? forward : name === "backward" ? backward : swapped;
      return gap(name, data, want!.data, tolerance);
    });
    assert.deepEqual(problems, [], `seed ${seed}, round ${round}: ${JSON.stringify(shapes)}`);
  }
});

test("a convolution that sees the whole image in one place is a matrix product, and so is its gradient", () => {
  const [image, kernels] = [x("batch", 4, 5, 5), weight(8, 4, 5, 5)];
  const y = convolve(image, kernels);
  assert.deepEqual(y.shape, ["batch", 8, 1, 1]);
  const [dWeight] = gradient(y, [kernels]);
  for (const tensor of [y, dWeight!]) {
    assert.ok(opsOf(tensor).includes("gemm"));
    assert.ok(!opsOf(tensor).some((name) => name.startsWith("convolution")));
  }
});

test("images of every place of a sequence can be convolved at once", () => {
  const frames = reshape(x("batch", 6, 1, 5, 5), ["batch*6", 1, 5, 5]);
  const y = convolve(frames, weight(2, 1, 3, 3));
  assert.deepEqual(y.shape, ["batch*6", 2, 3, 3]);
});

refuses("convolve", [
  [
    "float64, for which ONNX Runtime has no kernel",
    () => convolve(input("x", ["batch", 3, 8, 8], "float64"), weight(4, 3, 3, 3)),
    'convolve: expected a float32 tensor, got float64. Fix: cast first: cast(x, "float32")',
  ],
  [
    "channels that the weight does not have",
    () => convolve(x("batch", 3, 8, 8), weight(4, 2, 3, 3)),
    "convolve: expected an image of 2 channels, got [batch, 3, 8, 8]. Fix: a weight [4, 3, …], or another image",
  ],
  [
    "groups that divide nothing",
    () => convolve(x("batch", 3, 8, 8), weight(4, 1, 3, 3), { groups: 3 }),
    "convolve: expected groups to divide 3 channels and 4 outputs, got 3. Fix: groups: 1, or a common divisor of both",
  ],
  [
    "a bias of another size",
    () => convolve(x("batch", 3, 8, 8), weight(4, 3, 3, 3), { bias: input("bias", [3]) }),
    "convolve: expected bias of shape [4], got [3]. Fix: reshape the bias to [4]",
  ],
  [
    "a weight of too few axes",
    () => convolve(x("batch", 3, 8, 8), weight(4, 27)),
    "convolve: expected a weight of 4 axes of fixed sizes, got [4, 27]. Fix: [outputs, inputs / groups, rows, columns]",
  ],
  [
    "an image whose height grows with the microbatch",
    () => convolve(x(2, 3, "batch", 8), weight(4, 3, 3, 3)),
    "convolve: expected [samples, channels, height, width], got [2, 3, batch, 8]. Fix: reshape it to [samples, channels, height, width]; only the first may grow with the microbatch",
  ],
  [
    "a pair of strides for a sequence",
    () => convolve(x("batch", 3, 8), weight(4, 3, 3), { stride: [1, 2] }),
    "convolve: expected stride to be one number for a sequence, got [1,2]. Fix: stride: 2",
  ],
  [
    "a kernel that reaches beyond the image",
    () => convolve(x("batch", 3, 8, 2), weight(4, 3, 3, 3)),
    "convolve: expected an image of at least 3 × 3 with its padding, got 8 × 2. Fix: a smaller kernel, or padding: [0, 1]",
  ],
]);

refuses("convolveTransposed", [
  [
    "channels that the weight does not have",
    () => convolveTransposed(x("batch", 3, 8, 8), weight(4, 2, 3, 3)),
    "convolveTransposed: expected an image of 4 channels, got [batch, 3, 8, 8]. Fix: a weight [3, …], or another image",
  ],
  [
    "a padding of half a pixel",
    () => convolveTransposed(x("batch", 4, 8, 8), weight(4, 2, 3, 3), { padding: 0.5 }),
    "convolveTransposed: expected padding to be a whole number from 0 on, got 0.5. Fix: for example padding: 1",
  ],
]);
