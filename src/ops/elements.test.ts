import assert from "node:assert/strict";
import { test } from "node:test";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { constant, input } from "../graph/tensor.ts";
import { gatherElements, scatterElements, scatterPositions, sizesOf, topPositions } from "./elements.ts";
import { floor, remainder, round } from "./rounding.ts";

const x = input("x", ["batch", 4]);
const indices = input("indices", ["batch", 2], "int64");

refuses("elements", [
  [
    "more positions than there are elements",
    () => topPositions(x, 5),
    "topPositions: expected a whole number from 1 to 4, got 5. Fix: ask for 4 at most",
  ],
  [
    "positions among samples",
    () => topPositions(x, 1, { axis: 0 }),
    "topPositions: expected an axis of fixed size, got [batch, 4]. Fix: choose among the elements of one sample",
  ],
  [
    "indices along the batch",
    () => gatherElements(x, indices, 0),
    "gatherElements: expected an axis of fixed size, got axis 0 of [batch, 4]. Fix: choose another axis",
  ],
  [
    "indices of another rank",
    () => gatherElements(x, input("i", ["batch"], "int64")),
    "gatherElements: expected indices of shape [batch, 4] but for axis 1, got [batch]. Fix: give one index per element that is wanted",
  ],
  [
    "updates of another shape than their indices",
    () => scatterElements(x, indices, x),
    "scatterElements: expected updates of shape [batch, 2], got [batch, 4]. Fix: reshape the updates to [batch, 2]",
  ],
  [
    "positions that are no int64, or have more coordinates than axes",
    () => scatterPositions(input("t", [3, 4]), input("i", [2, 3], "int64"), input("u", [2])),
    "scatterPositions: expected int64 positions [..., k], k coordinates of axes of fixed size of [3, 4], got int64 [2, 3]. " +
      "Fix: cast the positions to int64, one coordinate per axis from the first on",
  ],
]);

test("sizes are those of the microbatch that runs", async () => {
  const { sizes } = await runTensors({ sizes: sizesOf([7, 2]) });
  assert.deepEqual([...sizes.data], [7, 2]);
});

test("halves round to the even number, and remainders keep the sign of what is divided", async () => {
  const values = constant({ dtype: "float32", shape: [5], data: Float32Array.of(-2.5, -0.5, 0.5, 1.5, 2.5) });
  const { rounded, below, rest } = await runTensors({
    rounded: round(values),
    below: floor(values),
    rest: remainder(values, 2),
  });
  assert.deepEqual(
    Array.from(rounded.data, (value) => value + 0),
    [-2, 0, 0, 2, 2],
  );
  assert.deepEqual([...below.data], [-3, -1, 0, 1, 2]);
  assert.deepEqual([...rest.data], [-0.5, -0.5, 0.5, 1.5, 0.5]);
});
