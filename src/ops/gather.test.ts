import assert from "node:assert/strict";
import { test } from "node:test";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { constant, input } from "../graph/tensor.ts";
import { gather, gradient, scatterAdd } from "./index.ts";

const x = input("x", ["batch", 4]);
const table = input("table", [4]);
const index = input("index", ["batch"], "int32");
const fixed = (value: number) => constant({ dtype: "int32", shape: [], data: Int32Array.of(value) });

refuses("gathering", [
  [
    "indices that are no whole numbers",
    () => gather(table, x),
    `gather: expected int32 or int64 indices, got float32. Fix: cast them first: cast(x, "int32")`,
  ],
  [
    "samples by index",
    () => gather(x, index),
    "gather: expected an axis of fixed size, got axis 0 of [batch, 4]. Fix: gather along another axis",
  ],
  [
    "an axis that is not there",
    () => gather(table, index, 1),
    "gather: expected an axis from -1 to 0, got 1. Fix: use -1 for the last axis",
  ],
  [
    "a constant index beyond the table",
    () => gather(table, fixed(4)),
    "gather: expected indices from 0 to 3, got 4. Fix: leave it out, or make the axis longer",
  ],
  [
    "a constant index below 0, which ONNX Runtime would count from the end",
    () => gather(x, fixed(-1), 1),
    "gather: expected indices from 0 to 3, got -1. Fix: count from the start of the axis",
  ],
  [
    "adding to samples",
    () => scatterAdd(x, index, x),
    "scatterAdd: expected a table whose first axis has a fixed size, got [batch, 4]. Fix: move the axis that the indices name to the front",
  ],
  [
    "adding to a scalar",
    () => scatterAdd(input("scalar", []), index, x),
    "scatterAdd: expected a table whose first axis has a fixed size, got []. Fix: move the axis that the indices name to the front",
  ],
  [
    "adding another dtype",
    () => scatterAdd(table, index, index),
    `scatterAdd: expected both sides of one dtype, got float32 and int32. Fix: cast one side: cast(x, "float32")`,
  ],
  [
    "rows of another shape",
    () => scatterAdd(table, index, x),
    "scatterAdd: expected rows of shape [batch], got [batch, 4]. Fix: reshape the rows to [batch]",
  ],
  [
    "adding by indices that are no whole numbers",
    () => scatterAdd(table, x, x),
    `scatterAdd: expected int32 or int64 indices, got float32. Fix: cast them first: cast(x, "int32")`,
  ],
]);

test("an index that comes a thousand times gets a thousand rows of gradient", async () => {
  const [gradients] = gradient(gather(table, index), [table]);
  const data = Array.from({ length: 1000 }, (_, position) => (position === 500 ? 3 : 1));
  const feeds = new Map([
    [table, { shape: [4], data: [1, 2, 3, 4] }],
    [index, { shape: [1000], data }],
  ]);
  const got = await runTensors({ gradients: gradients! }, feeds);
  assert.deepEqual([...got.gradients.data], [0, 999, 0, 1]);
});

test("rows are added in place of what the table holds, not instead of it", async () => {
  const row = input("row", ["batch"]);
  const feeds = new Map([
    [table, { shape: [4], data: [1, 2, 3, 4] }],
    [index, { shape: [3], data: [0, 3, 0] }],
    [row, { shape: [3], data: [10, 20, 30] }],
  ]);
  const got = await runTensors({ sum: scatterAdd(table, index, row) }, feeds);
  assert.deepEqual([...got.sum.data], [41, 2, 3, 24]);
});
