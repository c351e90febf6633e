import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluate } from "../../test/reference/evaluate.ts";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { elementCount } from "../array/shape.ts";
import { input } from "../graph/tensor.ts";
import { gradient, maxPooling, mul, relu, sum } from "./index.ts";
import type { WindowOptions } from "./pooling-windows.ts";

const image = input("image", ["batch", 2, 5, 4]);

refuses("pooling the largest", [
  [
    "a table",
    () => maxPooling(input("x", ["batch", 4]), 2),
    "maxPooling: expected [samples, channels, length] or [samples, channels, height, width], got [batch, 4]. Fix: reshape or transpose it; only the number of samples may grow with the microbatch",
  ],
  [
    "whole numbers",
    () => maxPooling(input("x", ["batch", 1, 4], "int32"), 2),
    'maxPooling: expected a float32 or float64 tensor, got int32. Fix: cast first: cast(x, "float32")',
  ],
  [
    "windows of no size",
    () => maxPooling(image, 0),
    "maxPooling: expected size to be a whole number from 1 on, or 2 of them, one per spatial axis, got 0. Fix: for example size 1",
  ],
  [
    "sizes for another number of axes",
    () => maxPooling(image, [2, 2, 2]),
    "maxPooling: expected size to be a whole number from 1 on, or 2 of them, one per spatial axis, got [2,2,2]. Fix: for example size 1",
  ],
  [
    "a stride that is not whole",
    () => maxPooling(image, 2, { stride: 1.5 }),
    "maxPooling: expected stride to be a whole number from 1 on, or 2 of them, one per spatial axis, got 1.5. Fix: for example stride 1",
  ],
  [
    "windows that could lie outside altogether",
    () => maxPooling(image, 3, { padding: 2 }),
    "maxPooling: expected padding of at most half the window's 3, got 2. Fix: padding 1, or a larger window",
  ],
  [
    "windows larger than the image",
    () => maxPooling(image, [2, 5]),
    "maxPooling: expected windows that fit into 5 × 4 with padding 0 and 0, got size 2 × 5. Fix: a size of at most 4 along that axis, or fewer layers of pooling before it",
  ],
]);

/** Every way windows can lie. */
const windows: readonly (readonly [string, number | number[], WindowOptions])[] = [
  ["side by side", 2, {}],
  ["side by side, of different sides", [3, 2], {}],
  ["overlapping", 3, { stride: 1 }],
  ["overlapping, beyond the edge", 3, { stride: 2, padding: 1 }],
  ["side by side, beyond the edge", 2, { padding: 1 }],
];

for (const [where, size, options] of windows) {
  test(`of tied elements the first has the whole gradient, windows ${where}`, async () => {
    const dy = input("dy", maxPooling(image, size, options).shape);
    const outputs = { dx: gradient(maxPooling(image, size, options), [image], dy)[0]! };
    const shape = [3, 2, 5, 4];
    const dyShape = [3, ...(dy.shape.slice(1) as number[])]; // fixed but for the samples
    const count = dyShape.reduce((product, one) => product * one, 1);
    const feeds = new Map([
      [image, { shape, data: Array.from({ length: 120 }, (_, index) => -((index * 7) % 3)) }],
      [dy, { shape: dyShape, data: Array.from({ length: count }, (_, index) => index + 1) }],
    ]);
    const { dx } = await runTensors(outputs, feeds);
    const total = (count * (count + 1)) / 2;
    assert.equal(
      dx.data.reduce((sum, one) => sum + one, 0),
      total,
    );
    assert.deepEqual([...dx.data], [...evaluate([outputs.dx], feeds)[0]!.data]);
  });
}

for (const size of [2, 3]) {
  test(`what is cut off at 0 and pooled by ${size} has the gradient of each, with another reader and without`, async () => {
    const cut = relu(image);
    const pooled = maxPooling(cut, size, { stride: 2 });
    const dy = input("dy", pooled.shape);
    const [alone, before] = gradient(pooled, [image, cut], dy);
    const [beside] = gradient(sum(mul(mul(pooled, dy), sum(cut))), [image]);
    const outputs = { alone: alone!, before: before!, beside: beside! };
    const dyShape = [3, ...(dy.shape.slice(1) as number[])]; // fixed but for the samples
    const data = Array.from({ length: 120 }, (_, index) => ((index * 5) % 13) - 11); // mostly below 0, and tied
    const feeds = new Map([
      [image, { shape: [3, 2, 5, 4], data }],
      [dy, { shape: dyShape, data: Array.from({ length: elementCount(dyShape) }, (_, index) => index + 1) }],
    ]);
    const got = await runTensors(outputs, feeds);
    const want = evaluate(Object.values(outputs), feeds);
    assert.deepEqual(
      Object.values(got).map((value) => [...value.data]),
      want.map((value) => [...value.data]),
    );
    // The reference computes the same nodes: so by the definition as well.
    const isAbove = data.map((one) => (one > 0 ? 1 : 0));
    assert.deepEqual(
      [...got.alone.data],
      [...got.before.data].map((one, index) => one * isAbove[index]!),
    );
    assert.ok([...got.before.data].some((one, index) => one !== 0 && isAbove[index] === 0));
  });
}

test("an image of one colour gives the corner of every window the gradient", async () => {
  const x = input("x", [1, 1, 4, 4]);
  const feeds = new Map([[x, { shape: [1, 1, 4, 4], data: Array<number>(16).fill(0.25) }]]);
  const { dx } = await runTensors({ dx: gradient(sum(maxPooling(x, 2)), [x])[0]! }, feeds);
  assert.deepEqual([...dx.data], [1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]);
});

test("float64 is pooled, and its gradient found, in float64", async () => {
  const x = input("x", [1, 1, 2, 5], "float64");
  const data = [1, 1 + 2 ** -40, 0, 7, 7, 1, 0, 0, 7, 8 + 2 ** -40];
  for (const options of [{}, { stride: 1 }]) {
    const y = maxPooling(x, 2, options);
    const outputs = { y, dx: gradient(y, [x])[0]! };
    const feeds = new Map([[x, { shape: [1, 1, 2, 5], data }]]);
    const got = await runTensors(outputs, feeds);
    const want = evaluate([outputs.y, outputs.dx], feeds);
    assert.deepEqual(
      [[...got.y.data], [...got.dx.data]],
      want.map((value) => [...value.data]),
    );
  }
});

test("NaN and −∞ in an image are no error", async () => {
  const x = input("x", [1, 1, 4, 4]);
  const data = Array.from(
    { length: 16 },
    (_, index) => [Number.NaN, Number.NEGATIVE_INFINITY, 1][index % 3]!,
  );
  for (const options of [{}, { stride: 1 }, { padding: 1 }]) {
    const y = maxPooling(x, 2, options);
    const got = await runTensors({ dx: gradient(y, [x])[0]! }, new Map([[x, { shape: [1, 1, 4, 4], data }]]));
    assert.deepEqual(got.dx.shape, [1, 1, 4, 4]);
  }
});
