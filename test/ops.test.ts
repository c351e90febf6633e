import assert from "node:assert/strict";
import { test } from "node:test";
import { registeredOps } from "../src/graph/op.ts";
import "../src/ops/index.ts";
import { dtypeProblemsOf, problemsOf } from "./reference/check.ts";

/** Set OPS_SEED to try other numbers, or to repeat a failure. */
const seed = Number(process.env.OPS_SEED ?? 1);

test("there are ops to check", () => {
  assert.ok(registeredOps().length > 40);
});

for (const op of registeredOps()) {
  test(`${op.name} keeps its shape, dtype, values and gradients in ONNX Runtime`, async () => {
    assert.deepEqual(await problemsOf(op, { seed }), []);
  });
}

test("every op refuses the dtypes that ONNX Runtime has no kernel for", async () => {
  for (const op of registeredOps()) assert.deepEqual(await dtypeProblemsOf(op), []);
});
