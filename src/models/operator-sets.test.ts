/** Every operator set that is read, 7 to 26: one network, written as each set demands, is one function. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ForeignModel, foreignModel, type Node, stored, storedInts } from "../../test/foreign-model.ts";
import { seeded } from "../../test/reference/draw.ts";
import { load } from "../../test/reference/onnxruntime.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { buildProgram } from "../graph/program.ts";
import { input } from "../graph/tensor.ts";
import { onnxFunction } from "./onnx-function.ts";

const float = (value: number) => ({ float: value });
const floats = (...values: number[]) => ({ floats: values });

/** Nodes one after the other, each from what the last one gave, and what is stored for them. */
function chain(opset: number) {
  const nodes: Node[] = [];
  const beside: Record<string, ReturnType<typeof stored>> = {};
  let last = "x";
  /** Adds a node; inputs behind the first are stored, those that are undefined left out. */
  const then = (
    type: string,
    attributes: Node[3] = {},
    ...others: (ReturnType<typeof stored> | undefined)[]
  ) => {
    const output = `${type}_${nodes.length}`;
    const names = others.map((array, index) => (array === undefined ? "" : `${output}.${index + 1}`));
    others.forEach((array, index) => {
      if (array !== undefined) beside[names[index]!] = array;
    });
    nodes.push([type, [last, ...names], [output], attributes]);
    last = output;
  };
  /** Lists that were attributes before a set and are inputs from it on. */
  const moved = (
    since: number,
    type: string,
    lists: Readonly<Record<string, number[]>>,
    more: Node[3] = {},
  ) => {
    if (opset < since) then(type, { ...lists, ...more });
    else then(type, more, ...Object.values(lists).map((list) => storedInts(list)));
  };
  return { nodes, beside, then, moved, result: () => last };
}

/** [1, 2, 6, 5] → [1, 6]: all that sets 7 to 26 write differently, and mean alike. */
function network(opset: number): ForeignModel {
  const { nodes, beside, then, moved, result } = chain(opset);
  if (opset < 11) then("Pad", { pads: [0, 0, 1, 0, 0, 0, 0, 2], mode: "constant", value: float(0.5) });
  else then("Pad", {}, storedInts([0, 0, 1, 0, 0, 0, 0, 2]), stored([0.5], []));
  const norm = [
    [1.5, 0.5],
    [0.1, -0.2],
    [0.3, -0.3],
    [1.2, 0.8],
  ].map((values) => stored(values));
  then("BatchNormalization", { epsilon: float(0.01), ...(opset < 9 && { spatial: 1 }) }, ...norm);
  if (opset < 12) then("Dropout", { ratio: float(0.4) });
  else then("Dropout", {}, stored([0.4], []));
  if (opset < 10) then("Slice", { starts: [1, -6], ends: [7, 9], axes: [2, 3] });
  else then("Slice", {}, storedInts([1, -6]), storedInts([7, 9]), storedInts([2, 3]));
  const scales = stored([1, 1, 2, 3]);
  if (opset < 9) then("Upsample", { mode: "nearest", scales: floats(1, 1, 2, 3) });
  else if (opset === 9) then("Upsample", { mode: "nearest" }, scales);
  else if (opset === 10) then("Resize", { mode: "nearest" }, scales);
  else {
    const asBefore = { coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" };
    const region = opset < 13 ? stored([]) : undefined; // demanded up to set 12
    then("Resize", { mode: "nearest", ...asBefore }, region, scales);
  }
  if (opset < 11) then("Clip", { min: float(-1), max: float(1.5) });
  else then("Clip", {}, stored([-1], []), stored([1.5], []));
  then("MaxPool", { kernel_shape: [2, 3], strides: [2, 3] });
  moved(18, "ReduceMean", { axes: [2] }, { keepdims: 1 });
  moved(13, "Squeeze", { axes: [2] });
  moved(18, "ReduceL2", { axes: [1] }, { keepdims: 1 });
  moved(13, "ReduceSum", { axes: [1] }, { keepdims: 0 });
  moved(13, "Unsqueeze", { axes: [1] });
  then("Flatten", { axis: 1 });
  then("Softmax", { axis: 1 });
  const last = result();
  if (opset < 10) nodes.push(["TopK", [last], ["largest", "places"], { k: 4, axis: 1 }]);
  else {
    beside.k = storedInts([4]);
    nodes.push(["TopK", [last, "k"], ["largest", "places"], { axis: 1 }]);
  }
  const halves = ["first", "second"];
  if (opset < 13) nodes.push(["Split", ["largest"], halves, { axis: 1, split: [1, 3] }]);
  else {
    beside.sizes = storedInts([1, 3]);
    nodes.push(["Split", ["largest", "sizes"], halves, { axis: 1 }]);
  }
  nodes.push(
    ["Concat", ["second", "first", last], ["joined"], { axis: 1 }],
    ["Hardmax", ["joined"], ["hot"], { axis: 1 }],
  );
  nodes.push(["Sum", ["joined", "hot"], ["y"]]);
  return { opset, inputs: { x: [1, 2, 6, 5] }, outputs: { y: [1, 10] }, stored: beside, nodes };
}

const random = seeded(4);
const x = { shape: [3, 2, 6, 5], data: Array.from({ length: 180 }, () => 4 * random() - 2) };

/** What a function of the file gives for three samples. */
async function computed(bytes: Uint8Array): Promise<Float64Array> {
  const { y } = onnxFunction(bytes)({ x: input("x", ["batch", 2, 6, 5]) });
  const loaded = await load(buildProgram({ name: "ours", outputs: { y: y! } }));
  const results = await loaded.run({ x });
  await loaded.close();
  assert.deepEqual(results.y!.shape, [3, 10]);
  return results.y!.data;
}

/** What ONNX Runtime gives for the file itself, sample by sample: it is written for one. */
async function given(bytes: Uint8Array): Promise<Float64Array> {
  const program = buildProgram({ name: "theirs", outputs: { y: input("x", [1, 2, 6, 5]) } });
  const loaded = await load(program, bytes);
  const parts: number[] = [];
  for (const sample of [0, 1, 2]) {
    const feed = { shape: [1, 2, 6, 5], data: x.data.slice(60 * sample, 60 * sample + 60) };
    parts.push(...(await loaded.run({ x: feed })).y!.data);
  }
  await loaded.close();
  return Float64Array.from(parts);
}

for (let opset = 7; opset <= 26; opset++) {
  test(`a network written in set ${opset} is the function that it is in set 13`, async () => {
    const bytes = foreignModel(network(opset));
    const got = await computed(bytes);
    // Probabilities below 1, of a dozen operations in float32.
    const assertSame = (want: Float64Array) =>
      want.forEach((value, at) => {
        assert.ok(Math.abs(got[at]! - value) < 16 * 2 ** -24, `element ${at} is ${got[at]}, not ${value}`);
      });
    assertSame(await given(foreignModel(network(13))));
    assertSame(await given(bytes));
  });
}

const read = (model: ForeignModel) => () => onnxFunction(foreignModel(model));
const of = (opset: number, ...nodes: Node[]): ForeignModel => ({
  ...{ opset, inputs: { x: [1, 3] }, outputs: { y: [1, 3] }, nodes },
});

test("up to set 6 a smaller input lies on the axes that its node names", async () => {
  const { y } = onnxFunction(
    foreignModel({
      ...{ opset: 6, inputs: { x: [1, 2, 3] }, outputs: { y: [1, 2, 3] } },
      stored: { b: stored([10, 20]), last: stored([1, 2, 3]), slope: stored([0.5, 2]) },
      nodes: [
        ["Add", ["x", "b"], ["a"], { broadcast: 1, axis: 1 }],
        ["Mul", ["a", "last"], ["m"], { broadcast: 1 }],
        ["Neg", ["m"], ["n"]],
        ["PRelu", ["n", "slope"], ["y"]],
      ],
    }),
  )({ x: input("x", ["batch", 2, 3]) });
  const loaded = await load(buildProgram({ name: "old", outputs: { y: y! } }));
  const results = await loaded.run({
    x: { shape: [2, 2, 3], data: [...Array(6).fill(0), 1, 1, 1, 2, 2, 2] },
  });
  await loaded.close();
  // By hand: (x + b) · (1, 2, 3), its sign turned, times the slope of the channel.
  assert.deepEqual([...results.y!.data], [-5, -10, -15, -40, -80, -120, -5.5, -11, -16.5, -44, -88, -132]);
});

test("a set before 7 is read where it says what set 7 says", () => {
  assert.equal(read(of(6, ["Relu", ["x"], ["y"]]))().outputs.length, 1);
});

const convert = "Fix: convert the model with onnx.version_converter, or export it again for opset 21";
const report = "Fix: export the model again without it, or file an issue with the node";
refuses("operator sets", [
  [
    "a set from the future",
    read(of(27, ["Relu", ["x"], ["y"]])),
    `model: expected operators of set 7 to 26, got set 27. ${convert}`,
  ],
  [
    "a set before 7 with an operator that is not what it was",
    read(of(6, ["Dropout", ["x"], ["y"]])),
    `model: expected operators of set 7 to 26, got set 6, with Dropout. ${convert}`,
  ],
  [
    "a smaller input of set 6 that is not said to be stretched",
    read({ ...of(6, ["Add", ["x", "b"], ["y"]]), stored: { b: stored([1]) } }),
    `model, node "y" (Add): expected inputs of one shape, without broadcast, got [1, 3] and [1]. ${report}`,
  ],
  [
    "a smaller input of set 6 on axes that are not there",
    read({ ...of(6, ["Add", ["x", "b"], ["y"], { broadcast: 1, axis: 2 }]), stored: { b: stored([1]) } }),
    `model, node "y" (Add): expected an axis from 0 to 1 for [1] on [1, 3], got 2. ${report}`,
  ],
  [
    "no set",
    read(of(0, ["Relu", ["x"], ["y"]])),
    `model: expected operators of set 7 to 26, got no version of the standard operators. ${convert}`,
  ],
]);
