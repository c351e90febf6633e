import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluate } from "../../test/reference/evaluate.ts";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { input } from "../graph/tensor.ts";
import { gradient, groupNormalization, layerNormalization, rmsNormalization, sum } from "./index.ts";

const x = input("x", ["batch", 4, 3]);

refuses("normalising within samples", [
  [
    "more axes than there are in a sample",
    () => layerNormalization(x, { axes: 3 }),
    "layerNormalization: expected 3 last axes of fixed size, got [batch, 4, 3]. Fix: normalise within samples: the axes behind batch",
  ],
  [
    "no axes",
    () => layerNormalization(x, { axes: 0 }),
    "layerNormalization: expected a number of axes from 1 on, got 0. Fix: normalise within samples: the axes behind batch",
  ],
  [
    "samples along the last axis",
    () => rmsNormalization(input("loss", ["batch"])),
    "rmsNormalization: expected a last axis of fixed size, got [batch]. Fix: normalise within samples: the axes behind batch",
  ],
  [
    "a scale of another size",
    () => layerNormalization(x, { scale: input("scale", [4]) }),
    "layerNormalization: expected scale of shape [3], got [4]. Fix: reshape the scale to [3]",
  ],
  [
    "a bias of another dtype",
    () => layerNormalization(x, { bias: input("bias", [3], "float64") }),
    'layerNormalization: expected both sides of one dtype, got float32 and float64. Fix: cast one side: cast(x, "float32")',
  ],
  [
    "whole numbers",
    () => layerNormalization(input("x", ["batch", 4], "int32")),
    'layerNormalization: expected a float32 or float64 tensor, got int32. Fix: cast first: cast(x, "float32")',
  ],
  [
    "groups of different sizes",
    () => groupNormalization(x, 3),
    "groupNormalization: expected groups that share 4 channels evenly, got 3. Fix: one of 1, 2, 4",
  ],
  [
    "groups of one number",
    () => groupNormalization(input("x", ["batch", 4]), 4),
    "groupNormalization: expected more than one number in a group, got 4 groups of [batch, 4]. Fix: fewer groups",
  ],
  [
    "samples without channels",
    () => groupNormalization(input("x", ["batch"]), 1),
    "groupNormalization: expected [samples, channels, …], where only the samples may grow with the microbatch, got [batch]. Fix: move the channels to the second axis, for example by transpose",
  ],
  [
    "a bias that is not per channel",
    () => groupNormalization(x, 2, { bias: input("bias", [3]) }),
    "groupNormalization: expected bias of shape [4], got [3]. Fix: reshape the bias to [4]",
  ],
]);

test("float64 is normalised, and its gradients found, in float64", async () => {
  const wide = input("wide", ["batch", 4, 3], "float64");
  const scale = input("scale", [3], "float64");
  const data = Array.from({ length: 24 }, (_, index) => 3 + Math.sin(index * index));
  const feeds = new Map([
    [wide, { shape: [2, 4, 3], data }],
    [scale, { shape: [3], data: [1.5, -2, 0.7] }],
  ]);
  for (const result of [
    layerNormalization(wide, { scale }),
    rmsNormalization(wide, { scale }),
    rmsNormalization(wide, { scale, epsilon: 0.5 }),
    groupNormalization(wide, 2),
  ]) {
    const [dx] = gradient(sum(result, { axes: [0, 1] }), [wide], scale) as [typeof wide]; // one target, one gradient
    const [second] = gradient(dx, [wide]) as [typeof wide];
    const got = await runTensors({ result, dx, second }, feeds);
    evaluate([result, dx, second], feeds).forEach((want, which) => {
      const values = [got.result, got.dx, got.second][which]!.data;
      const gap = Math.max(...want.data.map((value, index) => Math.abs(values[index]! - value)));
      // The kernel holds epsilon 1e-5 as float32, 2.5e-13 off: as much of the result where the deviation is 0.1.
      assert.ok(gap < 1e-9, `differs by ${gap}`);
    });
  }
});

test("a mean far from 0 costs no more than the rounding of the numbers themselves", async () => {
  const far = input("far", ["batch", 64]);
  const data = Array.from({ length: 128 }, (_, index) => Math.fround(1000 + Math.sin(index)));
  const feeds = new Map([[far, { shape: [2, 64], data }]]);
  const result = layerNormalization(far);
  const [want] = evaluate([result], feeds);
  const got = await runTensors({ result }, feeds);
  const gap = Math.max(...want!.data.map((value, index) => Math.abs(value - got.result.data[index]!)));
  // 1000 · 2⁻²⁴ is what float32 loses of a mean of 1000, over a deviation of 0.7: 8.5e-5, and a few such roundings.
  assert.ok(gap < 4e-4, `differs by ${gap}`);
});

test("a row of equal numbers is normalised to 0, not to NaN", async () => {
  const same = input("same", [1, 5]);
  const results = { layer: layerNormalization(same), rms: rmsNormalization(same) };
  const gradients = { dLayer: gradient(results.layer, [same])[0]!, dRms: gradient(results.rms, [same])[0]! };
  for (const value of [0, 7.1]) {
    const feeds = new Map([[same, { shape: [1, 5], data: Array<number>(5).fill(value) }]]);
    const got = await runTensors({ ...results, ...gradients }, feeds);
    assert.deepEqual([...got.layer.data], [0, 0, 0, 0, 0]);
    for (const { data } of Object.values(got)) assert.ok(data.every(Number.isFinite));
  }
});
