import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ForeignModel,
  foreignGraph,
  foreignModel,
  type Node,
  stored,
  storedInts,
} from "../../test/foreign-model.ts";
import { load } from "../../test/reference/onnxruntime.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { buildProgram } from "../graph/program.ts";
import { input } from "../graph/tensor.ts";
import { type OnnxFunctionOptions, onnxFunction } from "./onnx-function.ts";

/** A network as PyTorch exports it for a batch of one: flattened by a literal shape. */
const network: ForeignModel = {
  opset: 13,
  inputs: { x: [1, 2, 3] },
  outputs: { y: [1, 2] },
  stored: {
    "body.weight": stored([1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3], [2, 6]),
    "body.bias": stored([1, -1]),
    shape: storedInts([1, 6]),
  },
  nodes: [
    ["Constant", [], ["head.weight"], { value: stored([1, 0, 1, -1], [2, 2]) }],
    ["Reshape", ["x", "shape"], ["flat"]],
    ["Gemm", ["flat", "body.weight", "body.bias"], ["hidden"], { transB: 1 }],
    ["Relu", ["hidden"], ["active"]],
    ["MatMul", ["active", "head.weight"], ["y"]],
  ],
};

const read = (model: ForeignModel, options?: OnnxFunctionOptions) =>
  onnxFunction(foreignModel(model), options);

test("a file for a batch of one becomes a function of any batch", async () => {
  const model = read(network);
  assert.deepEqual(
    [model.inputs[0]?.shape, model.outputs[0]?.shape],
    [
      ["batch", 2, 3],
      ["batch", 2],
    ],
  );
  const { y } = model({ x: input("x", ["batch", 2, 3]) });
  const loaded = await load(buildProgram({ name: "network", outputs: { out: y! } }));
  const { out } = await loaded.run({ x: { shape: [2, 2, 3], data: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] } });
  await loaded.close();
  // By hand: hidden is [1 + 1, 7 − 1] and [6 + 1, 3 − 1]; y is [h0 + h1, −h1].
  assert.deepEqual([...out!.data], [8, -6, 9, -2]);
});

test("the batch stays as the file has it where samples would mix, and the function says why", () => {
  const mixed: ForeignModel = {
    ...network,
    nodes: [...network.nodes.slice(0, -1), ["Softmax", ["active"], ["y"], { axis: 0 }]],
  };
  const model = read(mixed);
  assert.deepEqual(model.inputs[0]?.shape, [1, 2, 3]);
  assert.match(
    model.fixedBatch!,
    /^model, node "y" \(Softmax\): expected axes of fixed size to compute over, so that samples stay apart, got axis 0 of \[batch, 2\]\./,
  );
  assert.deepEqual(read(network, { freeBatch: false }).inputs[0]?.shape, [1, 2, 3]);
});

test("sizes that a file computes are known: Shape, Gather, Concat and Reshape keep the batch apart", () => {
  const nodes: Node[] = [
    ["Shape", ["x"], ["sizes"]],
    ["Gather", ["sizes", "zero"], ["samples"]],
    ["Unsqueeze", ["samples", "axis"], ["first"]],
    ["Gather", ["sizes", "two"], ["last"]],
    ["Mul", ["last", "factor"], ["wide"]],
    ["Unsqueeze", ["wide", "axis"], ["second"]],
    ["Concat", ["first", "second"], ["shape"], { axis: 0 }],
    ["Reshape", ["x", "shape"], ["y"]],
  ];
  const given = {
    zero: storedInts([0], []),
    two: storedInts([2], []),
    axis: storedInts([0]),
    factor: storedInts([2], []),
  };
  const model = read({ inputs: { x: ["N", 2, 3] }, outputs: { y: ["N", 6] }, stored: given, nodes });
  assert.deepEqual(model.outputs[0]?.shape, ["batch", 6]);
});

test("weights are stored tensors and Constant nodes; those whose names match are trained", () => {
  const names = (trainable: OnnxFunctionOptions["trainable"]) =>
    read(network, { trainable: trainable! })
      .weights.filter(({ isTrainable }) => isTrainable)
      .map(({ name }) => name);
  assert.deepEqual(names(false), []);
  assert.deepEqual(names(true), ["body.weight", "body.bias", "head.weight"]);
  assert.deepEqual(names("body.*"), ["body.weight", "body.bias"]);
  assert.deepEqual(names([/bias$/g, "head.weight"]), ["body.bias", "head.weight"]);
  const [weight] = read(network, { trainable: "head.*" }).parameters;
  const values = new Float32Array(4);
  assert.ok(weight?.leaf?.kind === "parameter");
  weight.leaf.initializer.fill(values, [2, 2], () => 0);
  assert.deepEqual([...values, weight.leaf.label], [1, 0, 1, -1, "head.weight"]);
});

test("exponents, bounds and running statistics are no weights", () => {
  const model = read(
    {
      inputs: { x: [1, 2] },
      outputs: { y: [1, 2] },
      stored: {
        a: stored([1, 2]),
        b: stored([0, 0]),
        mean: stored([0, 1]),
        variance: stored([1, 1]),
        two: stored([2]),
      },
      nodes: [
        ["BatchNormalization", ["x", "a", "b", "mean", "variance"], ["n"]],
        ["Pow", ["n", "two"], ["y"]],
      ],
    },
    { trainable: true },
  );
  assert.deepEqual(
    model.weights.map(({ name }) => name),
    ["a", "b"],
  );
});

test("an op without a gradient is fine where nothing trained lies upstream of it", () => {
  const rounded: ForeignModel = {
    ...network,
    nodes: [...network.nodes.slice(0, 3), ["Round", ["hidden"], ["active"]], ...network.nodes.slice(4)],
  };
  assert.deepEqual(read(rounded, { trainable: "head.*" }).parameters.length, 1);
  assert.throws(() => read(rounded, { trainable: "body.*" }), {
    name: "MicrobatchError",
    message:
      'model, trainable "body.weight": expected weights that a gradient reaches from an output, got one behind round, which ' +
      "has none. Fix: leave it out of trainable",
  });
});

const call = (model: ForeignModel, options?: OnnxFunctionOptions) => () => read(model, options);
const inner = foreignGraph({ outputs: { y: [1] }, nodes: [] });

refuses("onnxFunction", [
  [
    "control flow, with the names of its nodes",
    call({
      inputs: { x: [1] },
      outputs: { y: [1] },
      nodes: [["If", ["x"], ["y"], { then_branch: inner, else_branch: inner }]],
    }),
    'model: expected operators that are known here, got If, in node "y" (If). Fix: export the model without control flow, for fixed sizes',
  ],
  [
    "operators that nobody knows, all at once",
    call({
      inputs: { x: [1] },
      outputs: { y: [1] },
      nodes: [
        ["com.other.Magic", ["x"], ["a"]],
        ["Unique", ["a"], ["y"]],
      ],
    }),
    'model: expected operators that are known here, got com.other.Magic, Unique, in node "a" (com.other.Magic), node "y" (Unique). ' +
      "Fix: cut these nodes out before loading, or file an issue that names them",
  ],
  [
    "an operator set from the future",
    call({ ...network, opset: 27 }),
    "model: expected operators of set 7 to 26, got set 27. Fix: convert the model with onnx.version_converter, or export it again for opset 21",
  ],
  [
    "a pattern that matches no weight",
    call(network, { trainable: "haed.*" }),
    "model, trainable: expected patterns that match weights, got haed.*, which matches none. Fix: its weights are body.weight, body.bias, head.weight",
  ],
  [
    "a call without its inputs",
    () => read(network)({}),
    'model: expected a tensor for each of x, got none for "x". Fix: call it with { x }',
  ],
  [
    "a call with an input of another shape",
    () => read(network)({ x: input("x", ["batch", 3, 3]) }),
    'model, input "x": expected float32 [batch, 2, 3], got float32 [batch, 3, 3]. Fix: reshape it to what the model takes',
  ],
  [
    "shapes that depend on what is fed, naming the input",
    call({
      inputs: { x: [1, 4], shape: [2] },
      dtypes: { shape: "int64" },
      outputs: { y: [2, 2] },
      nodes: [["Reshape", ["x", "shape"], ["y"]]],
    }),
    'model, node "y" (Reshape): expected an input "shape" that is known when the model is read, since shapes depend on it, got one that ' +
      'is computed from what is fed. Fix: give its values: onnxFunction(bytes, { values: { "shape": … } }), or simplify the model before loading it',
  ],
]);
