import assert from "node:assert/strict";
import { test } from "node:test";
import { refuses } from "../../test/reference/refusals.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { parametersOf } from "../graph/walk.ts";
import { conv1d, conv2d, convTranspose2d, relu, sequence } from "./index.ts";

const image = (...size: number[]) => input("image", ["batch", ...size]);
const shapesOf = (output: Tensor) => parametersOf([output]).map(({ shape }) => shape);
const labelsOf = (output: Tensor) =>
  parametersOf([output]).map(({ leaf }) => (leaf?.kind === "parameter" ? leaf.label : ""));

test("conv2d learns its channels from the first image and keeps weights as [outputs, inputs, rows, columns]", () => {
  const output = conv2d(16, [3, 5], { padding: 1, stride: [2, 1] })(image(3, 32, 32));
  assert.deepEqual(output.shape, ["batch", 16, 16, 30]);
  assert.deepEqual(shapesOf(output), [[16, 3, 3, 5], [16]]);
  assert.deepEqual(labelsOf(output), ["conv2d.weight", "conv2d.bias"]);
});

test("conv2d with padding same keeps height and width, whatever kernel and dilation", () => {
  for (const kernel of [1, 2, 3, 6]) {
    for (const dilation of [1, 2]) {
      const output = conv2d(4, kernel, { padding: "same", dilation })(image(2, 7, 9));
      assert.deepEqual(output.shape, ["batch", 4, 7, 9]);
    }
  }
});

test("a depthwise convolution has one kernel for each channel", () => {
  const output = conv2d(8, 8, 3, { groups: 8, name: "depthwise", bias: false })(image(8, 5, 5));
  assert.deepEqual(shapesOf(output), [[8, 1, 3, 3]]);
  assert.deepEqual(labelsOf(output), ["depthwise.weight"]);
});

test("conv1d takes sequences [batch, channels, length]", () => {
  const output = conv1d(3, 6, 5, { stride: 2, padding: 1, groups: 3 })(image(3, 20));
  assert.deepEqual(output.shape, ["batch", 6, 9]);
  assert.deepEqual(shapesOf(output), [[6, 1, 5], [6]]);
});

test("convTranspose2d turns around the sizes of conv2d, and keeps weights as [inputs, outputs, rows, columns]", () => {
  const options = { stride: 2, padding: 1 };
  const body = sequence(conv2d(8, 4, options), relu, convTranspose2d(3, 4, options));
  const output = body(image(3, 16, 12));
  assert.deepEqual(output.shape, ["batch", 3, 16, 12]);
  assert.deepEqual(shapesOf(output), [[8, 3, 4, 4], [8], [8, 3, 4, 4], [3]]);
});

test("a convolutional layer applied twice shares its parameters", () => {
  const layer = conv2d(2, 3, { padding: 1 });
  assert.equal(parametersOf([layer(layer(image(2, 6, 6)))]).length, 2);
});

test("convolutional layers start from PyTorch's bounds", () => {
  const limits = (output: Tensor) =>
    parametersOf([output]).map(({ leaf, shape }) => {
      const values = new Float32Array(1);
      // Draws of 0 give the lower end.
      if (leaf?.kind === "parameter") leaf.initializer.fill(values, shape as readonly number[], () => 0);
      return values[0];
    });
  assert.deepEqual(limits(conv2d(4, 2)(image(4, 5, 5))), [-0.25, -0.25]); // 1/√(4 · 2 · 2)
  assert.deepEqual(limits(conv2d(4, 2, { groups: 4 })(image(4, 5, 5))), [-0.5, -0.5]); // 1/√(1 · 2 · 2)
  assert.deepEqual(limits(conv1d(3, 4)(image(4, 9))), [-0.25, -0.25]); // 1/√(4 · 4)
  assert.deepEqual(limits(convTranspose2d(1, 2)(image(9, 5, 5))), [-0.5, -0.5]); // 1/√(1 · 2 · 2): PyTorch counts outputs
});

const learned = conv2d(4, 3);
learned(image(3, 8, 8));

refuses("conv2d", [
  [
    "outputs that are no number",
    () => conv2d(0, 3),
    "conv2d(0, 3): expected outputs to be a whole number from 1 on, got 0. Fix: for example outputs: 1",
  ],
  [
    "a call without a kernel",
    () => conv2d(4, undefined as unknown as number),
    "conv2d(4, undefined): expected kernel to be a whole number from 1 on, got undefined. Fix: for example kernel: 1",
  ],
  [
    "a kernel of three sizes",
    () => conv2d(4, [3, 3, 3] as unknown as [number, number]),
    "conv2d(4, [3, 3, 3]): expected kernel to be a number or two, for height and width, got [3,3,3]. Fix: for example kernel: [1, 1]",
  ],
  [
    "a negative padding",
    () => conv2d(4, 3, { padding: -1 }),
    "conv2d(4, 3): expected padding to be a whole number from 0 on, got -1. Fix: for example padding: 1",
  ],
  [
    "a stride with padding same",
    () => conv2d(4, 3, { padding: "same", stride: [1, 2] }),
    'conv2d(4, 3): expected stride 1 with padding "same", got stride 1 and 2. Fix: give the padding as a number: half of the kernel size, rounded down',
  ],
  [
    "groups that do not divide the outputs",
    () => conv2d(4, 3, { groups: 3 }),
    "conv2d(4, 3): expected groups to divide outputs, 4, got 3. Fix: groups: 1, or a divisor of both channels and outputs",
  ],
  [
    "groups that do not divide the channels",
    () => conv2d(4, 3, { groups: 2 })(image(3, 8, 8)),
    "conv2d(4, 3): expected groups to divide the channels of the input, 3, got 2. Fix: groups: 1, or a divisor of both channels and outputs",
  ],
  [
    "images without channels",
    () => conv2d(4, 3)(image(8, 8)),
    'conv2d(4, 3): expected [samples, channels, height, width], got [batch, 8, 8]. Fix: reshape(x, ["batch",1,8,8]) gives it one channel',
  ],
  [
    "rows",
    () => conv2d(4, 3)(image(8)),
    "conv2d(4, 3): expected [samples, channels, height, width], got [batch, 8]. Fix: reshape it to [samples, channels, height, width]; only the first may grow with the microbatch",
  ],
  [
    "bytes",
    () => conv2d(4, 3)(input("image", ["batch", 3, 8, 8], "uint8")),
    'conv2d(4, 3): expected a float32 tensor, got uint8 [batch, 3, 8, 8]. Fix: cast(x, "float32")',
  ],
  [
    "other channels than before",
    () => learned(image(5, 8, 8)),
    "conv2d(4, 3): expected 3 channels, as axis 1, got [batch, 5, 8, 8]. Fix: make another conv2d(4, 3) for it; this one took 3 from the tensor it saw first",
  ],
  [
    "other channels than given",
    () => conv2d(3, 4, [3, 2])(image(5, 8, 8)),
    "conv2d(3, 4, [3, 2]): expected 3 channels, as axis 1, got [batch, 5, 8, 8]. Fix: conv2d(5, 4, [3, 2])",
  ],
  [
    "channels as the last axis",
    () => conv2d(3, 4, 3)(image(8, 8, 3)),
    "conv2d(3, 4, 3): expected 3 channels, as axis 1, got [batch, 8, 8, 3]. Fix: transpose(x, [0, 3, 1, 2]): channels come before height and width",
  ],
  [
    "images smaller than the kernel",
    () => conv2d(4, 5, { dilation: [1, 2] })(image(3, 4, 4)),
    "conv2d(4, 5): expected an image of at least 5 × 9 with its padding, got 4 × 4. Fix: a smaller kernel, or padding: [1, 3]",
  ],
]);

refuses("conv1d", [
  [
    "a pair of strides",
    () => conv1d(4, 3, { stride: [1, 2] as unknown as number }),
    "conv1d(4, 3): expected stride to be a whole number from 1 on, got 1,2. Fix: for example stride: 1",
  ],
  [
    "images",
    () => conv1d(4, 3)(image(3, 8, 8)),
    "conv1d(4, 3): expected [samples, channels, length], got [batch, 3, 8, 8]. Fix: reshape it to [samples, channels, length]; only the first may grow with the microbatch",
  ],
  [
    "sequences shorter than the kernel",
    () => conv1d(4, 5)(image(3, 2)),
    "conv1d(4, 5): expected a sequence of at least 5 with its padding, got 2. Fix: a smaller kernel, or padding: 2",
  ],
]);

refuses("convTranspose2d", [
  [
    "an outputPadding as large as the stride",
    () => convTranspose2d(4, 3, { stride: 2, outputPadding: [0, 2] })(image(3, 4, 4)),
    "convTranspose2d(4, 3): expected outputPadding below the stride, 2 and 2, got 0 and 2. Fix: pad what comes out: pad(y, { after: 1 })",
  ],
  [
    "a padding that leaves nothing",
    () => convTranspose2d(4, 3, { padding: [0, 3] })(image(3, 4, 4)),
    "convTranspose2d(4, 3): expected an output of at least 1 × 1, got 6 × 0 after the padding. Fix: a padding smaller than 0 and 3, or a larger image",
  ],
]);
