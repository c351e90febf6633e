import assert from "node:assert/strict";
import { test } from "node:test";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { float32 } from "../array/array.ts";
import { constant, input } from "../graph/tensor.ts";
import { gradient } from "./gradient.ts";
import { logSigmoid, logSumExp } from "./log-sum-exp.ts";

const close = (got: ArrayLike<number>, want: readonly number[]) =>
  want.forEach((value, at) => {
    assert.ok(Math.abs(got[at]! - value) <= 1e-6 * Math.max(1, Math.abs(value)), `${got[at]}, not ${value}`); // float32
  });

test("large and small exponents neither overflow nor vanish, in the value and in the gradient", async () => {
  const x = constant(float32([1000, 1000, -1000, -1000, -1000, 0, Number.NEGATIVE_INFINITY, 2], [4, 2]));
  const y = logSumExp(x);
  const [dx] = gradient(y, [x]);
  const got = await runTensors({ y, dx: dx! });
  close(got.y.data, [1000 + Math.LN2, -1000 + Math.LN2, 0, 2]);
  close(got.dx.data, [0.5, 0.5, 0.5, 0.5, 0, 1, 0, 1]);
});

test("logSigmoid is x far below 0, and 0 far above", async () => {
  const x = constant(float32([-200, -1, 0, 1, 200]));
  const y = logSigmoid(x);
  const [dx] = gradient(y, [x]);
  const got = await runTensors({ y, dx: dx! });
  close(got.y.data, [-200, -Math.log1p(Math.E), -Math.LN2, -Math.log1p(Math.exp(-1)), 0]);
  close(got.dx.data, [1, 1 / (1 + Math.exp(-1)), 0.5, 1 / (1 + Math.E), 0]);
});

test("the batch is no axis to sum along", () => {
  assert.throws(() => logSumExp(input("x", ["batch", 3]), 0), {
    message:
      "logSumExp: expected an axis of fixed size, got axis 0 of [batch, 3]. Fix: take it of each sample: logSumExp(x) along the last axis",
  });
});
