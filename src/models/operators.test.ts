/** Operators in the sets that wrote them differently, and those that ONNX's own cases leave out: each against its file. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ForeignModel, foreignModel, type Node, stored, storedInts } from "../../test/foreign-model.ts";
import { assertSame } from "../../test/same-as-file.ts";
import { onnxFunction } from "./onnx-function.ts";
import { operators } from "./operators.ts";

/** One node from x to y, with what is stored beside it. */
interface Written {
  readonly opset: number;
  readonly from: readonly number[];
  readonly to: readonly number[];
  readonly node: readonly [string, Node[3]?];
  readonly stored?: ForeignModel["stored"];
}

const single = ({
  opset,
  from,
  to,
  node: [type, attributes = {}],
  stored: beside = {},
}: Written): ForeignModel => {
  const node: Node = [type, ["x", ...Object.keys(beside)], ["y"], attributes];
  return { opset, inputs: { x: from }, outputs: { y: to }, stored: beside, nodes: [node] };
};

const float = (value: number) => ({ float: value });

/** The same operator, before and after its attributes became inputs. */
const written: Readonly<Record<string, readonly Written[]>> = {
  Squeeze: [
    { opset: 11, from: [2, 1, 3], to: [2, 3], node: ["Squeeze", { axes: [1] }] },
    { opset: 13, from: [2, 1, 3], to: [2, 3], node: ["Squeeze"], stored: { axes: storedInts([-2]) } },
  ],
  Unsqueeze: [
    { opset: 11, from: [2, 3], to: [1, 2, 3, 1], node: ["Unsqueeze", { axes: [0, 3] }] },
    { opset: 13, from: [2, 3], to: [1, 2, 3, 1], node: ["Unsqueeze"], stored: { axes: storedInts([0, -1]) } },
  ],
  ReduceSum: [
    { opset: 11, from: [2, 3], to: [2], node: ["ReduceSum", { axes: [1], keepdims: 0 }] },
    { opset: 13, from: [2, 3], to: [2, 1], node: ["ReduceSum"], stored: { axes: storedInts([1]) } },
  ],
  ReduceMean: [
    { opset: 13, from: [2, 3], to: [2, 1], node: ["ReduceMean", { axes: [-1] }] },
    { opset: 18, from: [2, 3], to: [1, 3], node: ["ReduceMean"], stored: { axes: storedInts([0]) } },
  ],
  Slice: [
    { opset: 9, from: [4, 6], to: [2, 3], node: ["Slice", { starts: [1, -4], ends: [3, -1], axes: [0, 1] }] },
    {
      opset: 13,
      from: [4, 6],
      to: [4, 3],
      node: ["Slice"],
      stored: {
        starts: storedInts([-1]),
        ends: storedInts([-(2 ** 31)]),
        axes: storedInts([1]),
        steps: storedInts([-2]),
      },
    },
  ],
  Clip: [
    { opset: 7, from: [2, 3], to: [2, 3], node: ["Clip", { min: float(-0.5), max: float(1) }] },
    {
      opset: 13,
      from: [2, 3],
      to: [2, 3],
      node: ["Clip"],
      stored: { low: stored([-0.5], []), high: stored([1], []) },
    },
  ],
  Pad: [
    { opset: 10, from: [2, 3], to: [3, 6], node: ["Pad", { pads: [1, 1, 0, 2], value: float(7) }] },
    {
      opset: 13,
      from: [2, 3],
      to: [2, 5],
      node: ["Pad", { mode: "reflect" }],
      stored: { pads: storedInts([0, 2, 0, 0]) },
    },
    {
      opset: 18,
      from: [2, 3],
      to: [2, 5],
      node: ["Pad", { mode: "edge" }],
      stored: { pads: storedInts([1, 1]), value: stored([0], []), axes: storedInts([1]) },
    },
    {
      opset: 19,
      from: [2, 3],
      to: [2, 5],
      node: ["Pad", { mode: "wrap" }],
      stored: { pads: storedInts([0, 1, 0, 1]) },
    },
    { opset: 13, from: [2, 5], to: [2, 3], node: ["Pad"], stored: { pads: storedInts([0, -1, 0, -1]) } },
  ],
  Dropout: [
    { opset: 7, from: [2, 3], to: [2, 3], node: ["Dropout", { ratio: float(0.3) }] },
    { opset: 13, from: [2, 3], to: [2, 3], node: ["Dropout"], stored: { ratio: stored([0.3], []) } },
  ],
  Upsample: [
    {
      opset: 9,
      from: [1, 1, 2, 3],
      to: [1, 1, 4, 9],
      node: ["Upsample"],
      stored: { scales: stored([1, 1, 2, 3]) },
    },
  ],
  Resize: [
    {
      opset: 10,
      from: [1, 1, 4, 6],
      to: [1, 1, 2, 9],
      node: ["Resize"],
      stored: { scales: stored([1, 1, 0.5, 1.5]) },
    },
  ],
  Softmax: [
    { opset: 11, from: [2, 3, 4], to: [2, 3, 4], node: ["Softmax", { axis: 1 }] },
    { opset: 13, from: [2, 3, 4], to: [2, 3, 4], node: ["Softmax", { axis: 1 }] },
    { opset: 11, from: [2, 3, 4], to: [2, 3, 4], node: ["LogSoftmax"] },
  ],
};

for (const [name, cases] of Object.entries(written)) {
  for (const one of cases) {
    test(`${name} as set ${one.opset} writes it gives what its file gives`, () => assertSame(single(one)));
  }
}

/** Operators that ONNX 1.12 has no case for. */
const uncased: readonly Written[] = [
  { opset: 20, from: [3, 4], to: [3, 4], node: ["Gelu"] },
  { opset: 20, from: [3, 4], to: [3, 4], node: ["Gelu", { approximate: "tanh" }] },
  { opset: 21, from: [3, 4], to: [3, 4], node: ["com.microsoft.Gelu"] },
  { opset: 18, from: [3, 4], to: [3, 4], node: ["Mish"] },
  { opset: 24, from: [3, 4], to: [3, 4], node: ["Swish", { alpha: float(1.5) }] },
  { opset: 11, from: [3, 4], to: [3, 4], node: ["LpNormalization", { axis: 1 }] },
  { opset: 11, from: [3, 4], to: [3, 4], node: ["LpNormalization", { axis: 0, p: 1 }] },
  {
    opset: 11,
    from: [1, 2, 5, 4],
    to: [1, 2, 2, 2],
    node: ["LpPool", { kernel_shape: [2, 3], strides: [2, 1] }],
  },
  { opset: 11, from: [1, 2, 5, 4], to: [1, 2, 1, 1], node: ["GlobalLpPool"] },
  {
    opset: 23,
    from: [3, 4],
    to: [3, 4],
    node: ["RMSNormalization"],
    stored: { scale: stored([1, 2, 3, 4]) },
  },
  {
    opset: 21,
    from: [2, 4, 3],
    to: [2, 4, 3],
    node: ["GroupNormalization", { num_groups: 2 }],
    stored: { scale: stored([1, 2, 3, 4]), bias: stored([4, 3, 2, 1]) },
  },
  {
    opset: 21,
    from: [3, 4],
    to: [3, 4],
    node: ["com.microsoft.FastGelu"],
    stored: { bias: stored([1, 2, 3, 4]) },
  },
  {
    opset: 21,
    from: [3, 4],
    to: [3, 4],
    node: ["com.microsoft.BiasGelu"],
    stored: { bias: stored([1, 2, 3, 4]) },
  },
  { opset: 21, from: [3, 4], to: [3, 4], node: ["com.microsoft.QuickGelu", { alpha: float(1.5) }] },
  {
    opset: 21,
    from: [3, 4],
    to: [3, 4],
    node: ["SimplifiedLayerNormalization"],
    stored: { scale: stored([1, 2, 3, 4]) },
  },
  {
    opset: 21,
    from: [2, 3],
    to: [2, 2],
    node: ["com.microsoft.FusedMatMul", { transB: 1, alpha: float(0.5) }],
    stored: { b: stored([1, 2, 3, 4, 5, 6], [2, 3]) },
  },
  {
    opset: 21,
    from: [1, 2, 4],
    to: [1, 2, 4],
    node: ["com.microsoft.SkipLayerNormalization", { epsilon: float(1e-5) }],
    stored: {
      skip: stored([1, 2, 3, 4, 4, 3, 2, 1], [1, 2, 4]),
      gamma: stored([1, 2, 3, 4]),
      beta: stored([1, 1, 0, 0]),
    },
  },
  {
    opset: 21,
    from: [1, 2, 4],
    to: [1, 2, 4],
    node: ["com.microsoft.SkipSimplifiedLayerNormalization"],
    stored: {
      skip: stored([1, 2, 3, 4, 4, 3, 2, 1], [1, 2, 4]),
      gamma: stored([1, 2, 3, 4]),
      bias: stored([1, 1, 0, 0]),
    },
  },
];

for (const one of uncased) {
  const [name, attributes] = one.node;
  test(`${name} ${JSON.stringify(attributes ?? {})} gives what its file gives`, () =>
    assertSame(single(one)));
}

test("sums of products by letters, images and recurrent layers give what their files give", async () => {
  await assertSame({
    inputs: { a: [2, 3, 4], b: [2, 4, 5] },
    outputs: { y: [3, 2, 5] },
    nodes: [["Einsum", ["a", "b"], ["y"], { equation: "bij,bjk->ibk" }]],
  });
  await assertSame({
    inputs: { x: [1, 2, 7] },
    outputs: { y: [1, 4, 4] },
    stored: {
      w: stored(
        Array.from({ length: 12 }, (_, at) => at / 7 - 1),
        [4, 1, 3],
      ),
      b: stored([1, 2, 3, 4]),
    },
    nodes: [["Conv", ["x", "w", "b"], ["y"], { group: 2, strides: [2], pads: [2, 0] }]],
  });
  await assertSame({
    inputs: { x: [1, 2, 3] },
    outputs: { y: [1, 3, 7] },
    stored: {
      w: stored(
        Array.from({ length: 18 }, (_, at) => at / 7 - 1),
        [2, 3, 3],
      ),
      b: stored([1, 2, 3]),
    },
    nodes: [["ConvTranspose", ["x", "w", "b"], ["y"], { strides: [2], pads: [1, 0], output_padding: [1] }]],
  });
});

test("a recurrent layer of two directions has the activations it says, the same in both", async () => {
  const numbers = (count: number) => Array.from({ length: count }, (_, at) => Math.sin(at));
  const layer = (...activations: string[]): ForeignModel => ({
    opset: 14,
    inputs: { x: [3, 2, 2] },
    outputs: { y: [3, 2, 2, 4] },
    stored: { w: stored(numbers(16), [2, 4, 2]), r: stored(numbers(32), [2, 4, 4]) },
    nodes: [
      [
        "RNN",
        ["x", "w", "r"],
        ["y"],
        { hidden_size: 4, direction: "bidirectional", activations: { strings: activations } },
      ],
    ],
  });
  await assertSame(layer("Sigmoid", "Sigmoid"));
  assert.throws(() => onnxFunction(foreignModel(layer("Sigmoid", "Tanh"))), {
    name: "MicrobatchError",
    message:
      'model, node "y" (RNN): expected the same activations in both directions, got Sigmoid, Tanh. ' +
      "Fix: export the model again without it, or file an issue with the node",
  });
});

test("what ONNX Runtime computes in float64 is read in float64", async () => {
  for (const nodes of [
    [["BatchNormalization", ["x", "w", "b", "b", "w"], ["y"]]],
    [["LayerNormalization", ["x", "wide", "wide"], ["y"]]],
    [["MaxPool", ["x"], ["y"], { kernel_shape: [1, 1] }]],
    [
      ["Gemm", ["flat", "square"], ["z"], { transB: 1 }],
      ["Reshape", ["z", "shape"], ["y"]],
      ["Reshape", ["x", "two"], ["flat"]],
    ],
  ] as const satisfies readonly (readonly Node[])[]) {
    const double = (values: readonly number[], shape: readonly number[] = [values.length]) => ({
      ...{ dtype: "float64" as const, shape, data: Float64Array.from(values) },
    });
    await assertSame({
      inputs: { x: [2, 2, 2, 2] },
      dtypes: { x: "float64", y: "float64" },
      outputs: { y: [2, 2, 2, 2] },
      stored: {
        ...{ w: double([0.1, 0.7]), b: double([1 / 3, -1]), wide: double([0.1, 0.7]) },
        ...{
          square: double([0.1, 0.2, 0.3, 0.4], [2, 2]),
          shape: storedInts([2, 2, 2, 2]),
          two: storedInts([8, 2]),
        },
      },
      nodes,
    });
  }
});

test("attention and rotary embeddings give what their files give", async () => {
  const heads = { q_num_heads: 4, kv_num_heads: 2 };
  const attend = (attributes: Node[3]): ForeignModel => ({
    opset: 23,
    inputs: { q: [2, 3, 8], k: [2, 3, 4], v: [2, 3, 6] },
    outputs: { y: [2, 3, 12] },
    nodes: [["Attention", ["q", "k", "v"], ["y"], { ...heads, ...attributes }]],
  });
  await assertSame(attend({}));
  await assertSame(attend({ is_causal: 1, scale: float(0.3), softcap: float(2) }));
  await assertSame({
    opset: 23,
    inputs: { q: [1, 2, 3, 4], k: [1, 2, 5, 4], v: [1, 2, 5, 3] },
    outputs: { y: [1, 2, 3, 3] },
    stored: {
      mask: stored(
        Array.from({ length: 15 }, (_, at) => (at % 4 === 0 ? -1 : 0.5)),
        [3, 5],
      ),
    },
    nodes: [["Attention", ["q", "k", "v", "mask"], ["y"]]],
  });
  const cos = stored(
    Array.from({ length: 12 }, (_, at) => Math.cos(at)),
    [6, 2],
  );
  const sin = stored(
    Array.from({ length: 12 }, (_, at) => Math.sin(at)),
    [6, 2],
  );
  for (const interleaved of [0, 1]) {
    await assertSame({
      opset: 23,
      inputs: { x: [2, 2, 3, 4] },
      outputs: { y: [2, 2, 3, 4] },
      stored: { cos, sin, places: storedInts([0, 1, 2, 3, 4, 5], [2, 3]) },
      nodes: [["RotaryEmbedding", ["x", "cos", "sin", "places"], ["y"], { interleaved }]],
    });
  }
  await assertSame({
    opset: 23,
    inputs: { x: [2, 3, 12] },
    outputs: { y: [2, 3, 12] },
    stored: { cos, sin, places: storedInts([0, 1, 2, 0, 1, 5], [2, 3]) },
    nodes: [
      ["RotaryEmbedding", ["x", "cos", "sin", "places"], ["y"], { num_heads: 2, rotary_embedding_dim: 4 }],
    ],
  });
});

test("every operator is a function under a name of its own", () => {
  assert.ok(Object.keys(operators).length >= 149);
  for (const entry of Object.values(operators)) assert.equal(typeof entry, "function");
});
