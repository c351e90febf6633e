import assert from "node:assert/strict";
import { test } from "node:test";
import { type ForeignModel, foreignModel, stored } from "../../test/foreign-model.ts";
import { load } from "../../test/reference/onnxruntime.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { buildProgram } from "../graph/program.ts";
import { input } from "../graph/tensor.ts";
import { type OnnxFunctionOptions, onnxFunction } from "./onnx-function.ts";

/** Features of x, and behind them a head that nobody can read and that needs an input of its own. */
const network: ForeignModel = {
  inputs: { x: [1, 2], threshold: [1] },
  outputs: { score: [1, 1] },
  stored: { "body.weight": stored([1, 2, 3, 4], [2, 2]), "head.weight": stored([1, 1], [2, 1]) },
  nodes: [
    ["MatMul", ["x", "body.weight"], ["body/hidden"]],
    ["Relu", ["body/hidden"], ["body/active"]],
    ["MatMul", ["body/active", "head.weight"], ["head/sum"]],
    ["com.other.Magic", ["head/sum", "threshold"], ["score"]],
  ],
};
const read = (options: OnnxFunctionOptions, model = network) => onnxFunction(foreignModel(model), options);

test("a model cut at inner tensors gives them, without the operators and inputs behind them", async () => {
  const model = read({ outputs: ["body/active", "body/hidden"] });
  assert.deepEqual(model.inputs, [{ name: "x", dtype: "float32", shape: ["batch", 2] }]);
  assert.deepEqual(
    model.weights.map(({ name }) => name),
    ["body.weight"],
  );
  const made = model({ x: input("x", ["batch", 2]) });
  assert.deepEqual(Object.keys(made), ["body/active", "body/hidden"]);
  const loaded = await load(buildProgram({ name: "cut", outputs: { active: made["body/active"]! } }));
  const { active } = await loaded.run({ x: { shape: [2, 2], data: [1, 0, 0, -1] } });
  assert.deepEqual([...active!.data], [1, 2, 0, 0]); // rows of the weight, and what of their negatives is above 0
  await loaded.close();
});

test("a model lists the tensors it computes with their shapes, and so what it can be cut at", () => {
  const model = read({ outputs: ["head/sum"] });
  assert.deepEqual(model.tensors, [
    { name: "body/hidden", dtype: "float32", shape: ["batch", 2] },
    { name: "body/active", dtype: "float32", shape: ["batch", 2] },
    { name: "head/sum", dtype: "float32", shape: ["batch", 1] },
  ]);
  const open = read(
    { outputs: ["body/active"] },
    { ...network, inputs: { x: [1, "width"], threshold: [1] } },
  );
  assert.deepEqual(open.tensors[0], { name: "body/hidden", dtype: "unknown", shape: [] });
});

const expected = "model, outputs: expected a list of different names of tensors that the file computes, got";

refuses("onnxFunction", [
  [
    "an output that no node writes, with the names that are most like it",
    () => read({ outputs: ["body/hiden"] }),
    `${expected} "body/hiden". Fix: those called most like it are body/hidden, body/active, head/sum, score`,
  ],
  [
    "a weight as an output",
    () => read({ outputs: ["head.weight"] }),
    `${expected} "head.weight". Fix: those called most like it are head/sum, body/hidden, body/active, score`,
  ],
  [
    "an output that comes twice",
    () => read({ outputs: ["score", "score"] }),
    `${expected} "score" twice. Fix: name it once`,
  ],
  [
    "an empty list of outputs",
    () => read({ outputs: [] }),
    `${expected} an empty list. Fix: for example outputs: ["features"]`,
  ],
  [
    "outputs that are no list",
    () => read({ outputs: "score" as unknown as string[] }),
    `${expected} "score". Fix: for example outputs: ["features"]`,
  ],
]);
