import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluate } from "../../test/reference/evaluate.ts";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { float32, ndarray } from "../array/array.ts";
import { constant, input } from "../graph/tensor.ts";
import { cumulativeSum } from "./cumulative.ts";

test("running totals include the element itself unless told otherwise, from either end", async () => {
  const x = constant(float32([1, 2, 3, 4]));
  const totals = {
    plain: cumulativeSum(x),
    reverse: cumulativeSum(x, { reverse: true }),
    exclusive: cumulativeSum(x, { exclusive: true }),
    both: cumulativeSum(x, { reverse: true, exclusive: true }),
  };
  const got = await runTensors(totals);
  const want = [
    [1, 3, 6, 10],
    [10, 9, 7, 4],
    [0, 1, 3, 6],
    [9, 7, 4, 0],
  ];
  assert.deepEqual(
    Object.values(got).map(({ data }) => [...data]),
    want,
  );
  assert.deepEqual(
    evaluate(Object.values(totals), new Map()).map(({ data }) => [...data]),
    want,
  );
});

test("running totals keep float64, int32 and int64", async () => {
  const data = [
    ndarray("float64", [2], Float64Array.of(1 + 2 ** -40, 1)),
    ndarray("int32", [2], Int32Array.of(7, -9)),
    ndarray("int64", [2], BigInt64Array.of(7n, -9n)),
  ];
  const [wide, short, long] = data.map((value) => cumulativeSum(constant(value)));
  const got = await runTensors({ wide: wide!, short: short!, long: long! });
  assert.deepEqual([...got.wide!.data], [1 + 2 ** -40, 2 + 2 ** -40]);
  assert.deepEqual([...got.short!.data], [7, -2]);
  assert.deepEqual([...got.long!.data], [7, -2]);
});

test("the batch has no order, and booleans no total", () => {
  assert.throws(() => cumulativeSum(input("x", ["batch", 3]), { axis: 0 }), {
    message:
      "cumulativeSum: expected an axis of fixed size, got axis 0 of [batch, 3]. Fix: sum along another axis; samples are in no order",
  });
  assert.throws(() => cumulativeSum(input("x", ["batch", 3], "bool")), {
    message:
      'cumulativeSum: expected a float32, float64, int32 or int64 tensor, got bool. Fix: cast first: cast(x, "float32")',
  });
  assert.throws(() => cumulativeSum(input("x", ["batch", 3]), { axis: 2 }), {
    message: "cumulativeSum: expected an axis from -2 to 1, got 2. Fix: use -1 for the last axis",
  });
});
