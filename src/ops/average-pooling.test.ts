import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluate } from "../../test/reference/evaluate.ts";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { input } from "../graph/tensor.ts";
import { averagePooling, globalAveragePool, gradient, resizeNearest } from "./index.ts";

const image = input("image", ["batch", 1, 5, 4], "float64");

refuses("pooling means and resizing", [
  [
    "whole numbers for means",
    () => averagePooling(input("x", ["batch", 1, 4], "uint8"), 2),
    'averagePooling: expected a float32 or float64 tensor, got uint8. Fix: cast first: cast(x, "float32")',
  ],
  [
    "windows larger than the image",
    () => averagePooling(image, 5),
    "averagePooling: expected windows that fit into 5 × 4 with padding 0 and 0, got size 5 × 5. Fix: a size of at most 4 along that axis, or fewer layers of pooling before it",
  ],
  [
    "a channel without places",
    () => globalAveragePool(input("x", ["batch", 3])),
    "globalAveragePool: expected [samples, channels, length] or [samples, channels, height, width], got [batch, 3]. Fix: reshape or transpose it; only the number of samples may grow with the microbatch",
  ],
  [
    "a factor that is not whole",
    () => resizeNearest(image, 1.5),
    "resizeNearest: expected scale to be a whole number from 1 on, or 2 of them, one per spatial axis, got 1.5. Fix: for example scale 1",
  ],
  [
    "texts",
    () => resizeNearest(input("x", ["batch", 1, 4], "string"), 2),
    'resizeNearest: expected a float32, float64, int32 or uint8 tensor, got string. Fix: cast first: cast(x, "float32")',
  ],
]);

test("float64 has its means, blocks and gradients in float64", async () => {
  const results = [
    averagePooling(image, 2),
    averagePooling(image, 3, { stride: 2, padding: 1 }),
    averagePooling(image, 3, { stride: 1, padding: 1, countPadding: false }),
    globalAveragePool(image),
    resizeNearest(image, [2, 3]),
  ];
  const data = Array.from({ length: 60 }, (_, index) => Math.sin(index) + 1e-9);
  const feeds = new Map([[image, { shape: [3, 1, 5, 4], data }]]);
  for (const result of results) {
    const outputs = { result, dx: gradient(result, [image])[0]! };
    const got = await runTensors(outputs, feeds);
    evaluate([outputs.result, outputs.dx], feeds).forEach(({ data }, which) => {
      const values = [got.result, got.dx][which]!.data;
      // Sums of at most 20 numbers around 1 in another order: far below the 1e-9 that float32 would lose.
      const gap = Math.max(...data.map((want, index) => Math.abs(values[index]! - want)));
      assert.ok(gap < 1e-14, `differs by ${gap}`);
    });
  }
});

test("a stretched image holds every element in its block, whatever the factor", async () => {
  // ONNX Runtime divides the place by the factor in float32, which must not fall short of a whole number.
  const line = input("line", [1, 1, 1000]);
  const data = Array.from({ length: 1000 }, (_, index) => index);
  for (const scale of [3, 7, 11, 49]) {
    const { wide } = await runTensors(
      { wide: resizeNearest(line, scale) },
      new Map([[line, { shape: [1, 1, 1000], data }]]),
    );
    const wrong = wide.data.findIndex((value, index) => value !== Math.floor(index / scale));
    assert.equal(wrong, -1, `factor ${scale}`);
  }
});
