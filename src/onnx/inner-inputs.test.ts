import assert from "node:assert/strict";
import { test } from "node:test";
import { type ForeignModel, foreignModel, stored } from "../../test/foreign-model.ts";
import { load } from "../../test/reference/onnxruntime.ts";
import { buildProgram } from "../graph/program.ts";
import { input } from "../graph/tensor.ts";
import { onnxFunction } from "../models/onnx-function.ts";
import { feedInside } from "./inner-inputs.ts";

/** Something unknown in front of a product. */
const model: ForeignModel = {
  inputs: { x: ["N", 2] },
  outputs: { y: ["N", 1] },
  stored: { w: stored([2, 3], [2, 1]) },
  nodes: [
    ["com.other.Magic", ["x"], ["inner"]],
    ["MatMul", ["inner", "w"], ["y"]],
  ],
};

test("an inner tensor is fed, and what stood in front of it need not be known", async () => {
  const bytes = feedInside(foreignModel(model), [{ name: "inner", dtype: "float32", shape: ["batch", 2] }]);
  const rest = onnxFunction(bytes, { outputs: ["y"] });
  assert.deepEqual(rest.inputs, [{ name: "inner", dtype: "float32", shape: ["batch", 2] }]);
  const { y } = rest({ inner: input("inner", ["batch", 2]) });
  const loaded = await load(buildProgram({ name: "rest", outputs: { y: y! } }));
  const got = await loaded.run({ inner: { shape: [2, 2], data: [1, 0, 10, 1] } });
  assert.deepEqual([...got.y!.data], [2, 23]); // 1 · 2 + 0 · 3 and 10 · 2 + 1 · 3
  await loaded.close();
});

test("a tensor that no node writes is refused", () => {
  const bytes = foreignModel(model);
  for (const name of ["x", "w", "outer", ""]) {
    assert.throws(() => feedInside(bytes, [{ name, dtype: "float32", shape: ["batch", 2] }], "m.onnx"), {
      message: `m.onnx, inner input: expected the name of a tensor that the file computes, got ${JSON.stringify(name)}. Fix: look for its name in the file`,
    });
  }
});
