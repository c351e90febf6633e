import assert from "node:assert/strict";
import { test } from "node:test";
import { defineOp, type Op, registeredOps } from "./op.ts";

test("an op is registered once: a second one of its name would be merged with it", () => {
  const op: Op = { name: "once", infer: () => ({ shape: [], dtype: "float32" }), onnx: "Once", samples: [] };
  assert.equal(defineOp(op), op);
  assert.throws(() => defineOp({ ...op }), {
    name: "MicrobatchError",
    message:
      'defineOp("once"): expected a name that no other op has, got that of a registered op. ' +
      "Fix: rename it: equal nodes are merged by the names of their ops",
  });
  assert.deepEqual(registeredOps(), [op]);
});
