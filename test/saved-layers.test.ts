/**
 * Every layer that src/nn exports is trained, saved, and read back: by plain ONNX Runtime, which must predict what the model
 * predicts, and by onnxFunction, which must have its gradients. A new layer fails the first test until it has a row here.
 */
import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { type GraphProto, ModelProtoSchema } from "onnx-buf";
import { type AnyArray, contentKey } from "../src/array/array.ts";
import { elementCount, type Shape } from "../src/array/shape.ts";
import { arrays } from "../src/data/arrays.ts";
import type { Dataset } from "../src/data/dataset.ts";
import { buildProgram } from "../src/graph/program.ts";
import { input, type Tensor } from "../src/graph/tensor.ts";
import { parametersOf, statisticsOf } from "../src/graph/walk.ts";
import { onnxFunction } from "../src/models/onnx-function.ts";
import * as nn from "../src/nn/index.ts";
import { summarizeOnnx } from "../src/onnx/decode.ts";
import { encodeOnnx } from "../src/onnx/encode.ts";
import { storedArray } from "../src/onnx/stored-tensor.ts";
import { flatten, gradient } from "../src/ops/index.ts";
import { sgd } from "../src/optim/index.ts";
import { fit } from "../src/train/fit.ts";
import type { Model } from "../src/train/model.ts";
import { nameParameters } from "../src/train/parameters.ts";
import { afterSteps } from "../src/train/stop.ts";
import { seeded } from "./reference/draw.ts";
import { evaluate, type Feed } from "./reference/evaluate.ts";
import { load } from "./reference/onnxruntime.ts";

/** A layer as it is applied: x, and a mask where it takes one. */
type Applied = (x: Tensor, mask?: Tensor) => Tensor;

interface Row {
  /** Of one sample. */
  readonly shape: readonly number[];
  /** Whole numbers below so many instead of floats. */
  readonly tokens?: number;
  /** Positions from 1 on are padding in some samples. */
  readonly masked?: boolean;
  readonly make: () => Applied;
}

const { attention, batchNorm, conv2d, linear, positional, sequence, transformerBlock } = nn;
const [points, signals, images]: readonly (readonly number[])[] = [[3], [4, 6], [2, 6, 4]];
const texts = [5, 8];
const row = (shape: readonly number[], make: () => Applied, more: Partial<Row> = {}): Row => ({
  ...{ shape, make },
  ...more,
});
/** Activations have no options. */
const plain = (layer: nn.Layer) => [row(points!, () => layer)];
const masked = { masked: true };

/** How each layer is called, on what: one row per form that is written differently. */
const rows: Readonly<Record<string, readonly Row[]>> = {
  attention: [
    row(texts, () => attention({ heads: 2, causal: true, dropout: 0.2 })),
    row(texts, () => attention({ heads: 4, causal: false, rotary: true, bias: false }), masked),
  ],
  averagePool: [row(images!, () => nn.averagePool(2)), row(images!, () => nn.averagePool(3, { stride: 2 }))],
  batchNorm: [
    row(points!, () => batchNorm()),
    row(images!, () => batchNorm({ affine: false })),
    row(signals!, () => sequence(nn.conv1d(3, 2), batchNorm({ frozen: true }))),
  ],
  conv1d: [row(signals!, () => nn.conv1d(4, 3, { stride: 2, padding: 1, groups: 2 }))],
  conv2d: [
    row(images!, () => conv2d(3, 3, { padding: "same" })),
    row(images!, () =>
      conv2d(4, [3, 2], { stride: 2, dilation: 2, padding: [2, 1], groups: 2, bias: false }),
    ),
  ],
  convTranspose2d: [
    row(images!, () => nn.convTranspose2d(3, 3, { stride: 2, padding: 1, outputPadding: 1 })),
  ],
  dropout: [row(points!, () => sequence(linear(4), nn.dropout(0.5)))],
  embedding: [row([4], () => nn.embedding(7, 3), { tokens: 7 })],
  flatten: [row(images!, () => (x) => flatten(x))],
  gelu: plain(nn.gelu),
  globalAveragePool: [row(images!, () => nn.globalAveragePool)],
  groupNorm: [row(images!, () => sequence(conv2d(4, 1), nn.groupNorm(2)))],
  gru: [row([4, 3], () => nn.gru(5, { layers: 2 }))],
  layerNorm: [row(texts, () => nn.layerNorm()), row(images!, () => nn.layerNorm({ axes: 3, bias: false }))],
  leakyRelu: plain(nn.leakyRelu(0.1)),
  linear: [row(points!, () => linear(4)), row(texts, () => linear(2, { bias: false }))],
  logSoftmax: plain(nn.logSoftmax),
  lstm: [row([4, 3], () => nn.lstm(5, { layers: 2 }))],
  maxPool: [row(images!, () => nn.maxPool(2)), row(images!, () => nn.maxPool(3, { stride: 2, padding: 1 }))],
  positional: (["learned", "sinusoidal", "rotary"] as const).map((kind) =>
    row(texts, () => positional(kind)),
  ),
  relu: plain(nn.relu),
  residual: [row(points!, () => nn.residual(sequence(linear(3), nn.tanh)))],
  rmsNorm: [row(texts, () => nn.rmsNorm())],
  sequence: [row(images!, () => sequence(conv2d(2, 3), nn.relu, conv2d(2, 1)))],
  sigmoid: plain(nn.sigmoid),
  silu: plain(nn.silu),
  softmax: plain(nn.softmax),
  softplus: plain(nn.softplus),
  standardize: plain(nn.standardize({ mean: [1, 2, 3], deviation: [1, 2, 3] })),
  tanh: plain(nn.tanh),
  transformerBlock: [
    row(texts, () => transformerBlock({ heads: 2, causal: true, dropout: 0.1 })),
    row(texts, () => transformerBlock({ heads: 2, causal: false }), masked),
  ],
  upsample: [row(images!, () => nn.upsample(2))],
};

/** What else src/nn exports: losses, metrics, penalties, beginnings, and what layers are made with. The encoder has its own tests. */
const notLayers: readonly string[] = [
  ...["absoluteError", "binaryCrossEntropy", "crossEntropy", "huber", "squaredError"],
  ...["accuracy", "auc", "f1", "logLoss", "mae", "r2", "rmse", "l1", "l2"],
  ...["constantOf", "normal", "uniform", "keepProbability", "isTraining", "tracing"],
  ...["requestMask", "requestStatistics", "encoder", "featureNames", "clipLimits", "rawRow", "rawText"],
];

test("every layer that src/nn exports has a row in this file", () => {
  const exported = Object.entries(nn).flatMap(([name, value]) => (typeof value === "function" ? [name] : []));
  const layers = exported.filter((name) => !notLayers.includes(name));
  assert.deepEqual(Object.keys(rows).sort(), layers.sort());
});

const samples = 6;

/** The layer, and behind it two numbers per sample, so that something can be trained. */
function modelOf({ make, masked = false }: Row): (columns: Readonly<Record<string, Tensor>>) => Tensor {
  const [layer, head] = [make(), linear(2, { name: "head" })];
  return (columns) => head(flatten(masked ? layer(columns.x!, columns.mask) : layer(columns.x!)));
}

interface Numbers {
  readonly data: Float32Array | Int32Array;
  readonly shape: readonly number[];
}

/** Numbers for the columns x and mask. */
function numbersFor({ shape, tokens, masked = false }: Row): Record<string, Numbers> {
  const random = seeded(7);
  const count = samples * elementCount(shape);
  const x =
    tokens === undefined
      ? Float32Array.from({ length: count }, () => 4 * random() - 2)
      : Int32Array.from({ length: count }, () => Math.floor(tokens * random()));
  const mask = Float32Array.from({ length: samples * shape[0]! }, (_, at) =>
    Number(at % shape[0]! < 1 + (at % 7)),
  );
  return {
    x: { data: x, shape: [samples, ...shape] },
    ...(masked && { mask: { data: mask, shape: [samples, shape[0]!] } }),
  };
}

/** Two steps, in microbatches of two. */
async function trained(one: Row): Promise<{ readonly model: Model; readonly data: Dataset }> {
  const random = seeded(8);
  const y = { data: Float32Array.from({ length: 2 * samples }, () => random()), shape: [samples, 2] };
  const data = arrays({ ...numbersFor(one), y }) as unknown as Dataset; // its columns are known here
  const body = modelOf(one);
  const model = await fit({
    data,
    model: body,
    loss: (predicted, { y: target }) => nn.squaredError(predicted, target!),
    optimizer: sgd({ learningRate: 0.01 }),
    batchSize: 4,
    microbatchSize: 2,
    stop: afterSteps(2),
  });
  return { model, data };
}

/**
 * The same operations in other kernels or another order: a layer's few hundred roundings of 2⁻²⁴ per unit of the largest.
 */
const tolerance = 256 * 2 ** -24;
/** In float64 what remains is that a file holds an epsilon in float32: 2⁻²⁴ of it. */
const exactTolerance = 2 ** -22;

function assertClose(what: string, got: ArrayLike<number>, want: ArrayLike<number>, most = tolerance) {
  assert.equal(got.length, want.length, what);
  const [actual, expected] = [Array.from(got), Array.from(want)];
  const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-3); // smaller ones are all rounding
  const gap = expected.reduce((a, b, at) => Math.max(a, Math.abs(actual[at]! - b)), 0);
  assert.ok(gap <= most * largest, `${what} is ${gap} off, the largest number is ${largest}`);
}

const numbersOf = ({ data }: AnyArray) => Array.from(data as Iterable<number>, Number);

/** What no saved file holds: nodes of the runtime's own, outputs that nobody reads, one array twice, mysterious names. */
function assertTidy(graph: GraphProto, model: Model): void {
  assert.deepEqual([...new Set(graph.node.map(({ domain }) => domain))], [""]);
  const read = new Set([
    ...graph.node.flatMap(({ input: names }) => names),
    ...graph.output.map(({ name }) => name),
  ]);
  const unread = graph.node.filter(({ output }) => output.some((name) => !read.has(name)));
  assert.deepEqual(
    unread.map(({ name }) => name),
    [],
  );
  assert.deepEqual(
    graph.output.map(({ name }) => name),
    ["prediction"],
  );
  assert.deepEqual(
    graph.initializer.filter(({ name }) => !read.has(name)).map(({ name }) => name),
    [],
  );
  const stored = new Map(
    graph.initializer.map((one) => [one.name, storedArray(one, one.name, new Map())] as const),
  );
  for (const [name, value] of model.parameters)
    assert.deepEqual(numbersOf(stored.get(name)!), numbersOf(value), name);
  const constants = [...stored]
    .filter(([name]) => !model.parameters.has(name))
    .map(([, array]) => contentKey(array));
  assert.equal(new Set(constants).size, constants.length, "an array is stored twice");
}

/** The first samples of the columns that a file takes. */
function fedFrom(
  names: readonly string[],
  numbers: Record<string, Numbers>,
  count: number,
): Record<string, Feed> {
  return Object.fromEntries(
    names.map((name) => {
      const { data, shape } = numbers[name]!;
      const size = elementCount(shape.slice(1));
      return [name, { shape: [count, ...shape.slice(1)], data: Array.from(data).slice(0, count * size) }];
    }),
  );
}

/** Loads the file in plain ONNX Runtime, and ours made of it by onnxFunction: both give the first samples' predictions. */
async function assertPredicts(bytes: Uint8Array, one: Row, prediction: readonly number[]): Promise<void> {
  const call = onnxFunction(bytes);
  const leaves = leavesOf(call.inputs);
  const again = buildProgram({ name: "again", outputs: { prediction: call(leaves).prediction! } });
  const inputs = Object.entries(leaves).map(([name, tensor]) => ({ name, tensor }));
  for (const file of [bytes, encodeOnnx(again)]) {
    const loaded = await load({ ...again, inputs }, file);
    try {
      for (const count of [samples, 3, 1]) {
        const result = await loaded.run(fedFrom(Object.keys(leaves), numbersFor(one), count));
        assert.deepEqual(result.prediction!.shape, [count, 2]);
        assertClose(`predictions of ${count}`, result.prediction!.data, prediction.slice(0, 2 * count));
      }
    } finally {
      await loaded.close();
    }
  }
}

const leavesOf = (inputs: readonly { name: string; shape: readonly (number | string)[]; dtype: string }[]) =>
  Object.fromEntries(
    // onnxFunction frees the batch of files of this package, so that its shapes are ours
    inputs.map(({ name, shape, dtype }) => [name, input(name, shape as Shape, dtype as "float32")]),
  );

/** The prediction and its gradients by the parameters' names, in float64. */
function slopes(
  output: Tensor,
  names: ReadonlyMap<Tensor, string>,
  one: Row,
  parameters: Model["parameters"],
) {
  const statistics = statisticsOf([output]);
  const targets = parametersOf([output]).filter((leaf) => !statistics.includes(leaf));
  const feeds = new Map<Tensor, Feed>();
  for (const [leaf, name] of names) feeds.set(leaf, parameters.get(name)!);
  const seed = input("seed", output.shape);
  const random = seeded(9);
  feeds.set(seed, { shape: [samples, 2], data: Array.from({ length: 2 * samples }, () => random()) });
  const fed = fedFrom(Object.keys(numbersFor(one)), numbersFor(one), samples);
  return (leaves: Readonly<Record<string, Tensor>>) => {
    for (const [name, leaf] of Object.entries(leaves)) feeds.set(leaf, fed[name]!);
    const values = evaluate([output, ...gradient(output, targets, seed)], feeds);
    return new Map(
      ["prediction", ...targets.map((leaf) => names.get(leaf)!)].map((name, at) => [name, values[at]!.data]),
    );
  };
}

/** Through the loaded file go the gradients that go through the model it was saved from. */
function assertSlopes(bytes: Uint8Array, one: Row, { parameters }: Model): void {
  const dtypes = { x: one.tokens === undefined ? "float32" : "int32", mask: "float32" } as const;
  const numbers = numbersFor(one);
  const own = Object.fromEntries(
    Object.entries(numbers).map(([name, { shape }]) => [
      name,
      input(name, ["batch", ...shape.slice(1)], dtypes[name as "x" | "mask"]), // the columns made above
    ]),
  );
  const { result: output } = nn.tracing({ training: false }, () => modelOf(one)(own));
  const names = nameParameters([...parametersOf([output]), ...statisticsOf([output])], Object.keys(numbers));
  const want = slopes(output, names, one, parameters)(own);
  const call = onnxFunction(bytes, { trainable: [...parameters.keys()].filter((name) => want.has(name)) });
  const leaves = leavesOf(call.inputs);
  const made = call(leaves).prediction!;
  const labels = new Map(
    parametersOf([made]).map(
      (leaf) => [leaf, leaf.leaf?.kind === "parameter" ? leaf.leaf.label : ""] as const,
    ),
  );
  const got = slopes(made, labels, one, parameters)(leaves);
  assert.deepEqual([...got.keys()].sort(), [...want.keys()].sort());
  for (const [name, expected] of want) assertClose(name, got.get(name)!, expected, exactTolerance);
}

describe("saved and read back, predictions and gradients are the model's", () => {
  for (const [name, forms] of Object.entries(rows)) {
    forms.forEach((one, index) => {
      it(forms.length === 1 ? name : `${name}, form ${index + 1}`, async () => {
        const { model, data } = await trained(one);
        const bytes = model.toOnnx();
        assertTidy(fromBinary(ModelProtoSchema, bytes).graph!, model);
        const { prediction } = await model.predict(data);
        await assertPredicts(bytes, one, numbersOf(prediction!));
        assertSlopes(bytes, one, model);
      });
    });
  }
});

test("names are kept whatever characters they have, of columns, parameters and outputs; and so is metadata", async () => {
  const [column, layer, output] = ['größe / "x"\n', "层 1:é\\", "__proto__ of {a}"];
  const x = { data: Float32Array.of(1, 2, 3, 4), shape: [4, 1] };
  const data = arrays({ [column]: x, y: x });
  const body = linear(1, { name: layer });
  const model = await fit({
    data,
    model: (columns) => body(columns[column]!),
    loss: (predicted, { y }) => nn.squaredError(predicted, y!),
    serve: (predicted) => ({ [output]: predicted }),
    optimizer: sgd({ learningRate: 0.01 }),
    stop: afterSteps(2),
  });
  const bytes = model.toOnnx({ "unit of y": "µm²", "": "\u0000" });
  const { inputs, outputs, initializers, metadata } = summarizeOnnx(bytes);
  assert.deepEqual([inputs[0]!.name, outputs[0]!.name], [column, output]);
  assert.deepEqual(initializers.map(({ name }) => name).sort(), [`${layer}.bias`, `${layer}.weight`]);
  assert.deepEqual([metadata["unit of y"], metadata[""]], ["µm²", "\u0000"]);
  const call = onnxFunction(bytes, { trainable: `${layer}.*` });
  assert.equal(call.parameters.length, 2);
  const leaf = input(column, ["batch", 1]);
  const program = buildProgram({ name: "again", outputs: { again: call({ [column]: leaf })[output]! } });
  const loaded = await load({ ...program, inputs: [{ name: column, tensor: leaf }] }, bytes);
  const result = await loaded.run({ [column]: { shape: [4, 1], data: [1, 2, 3, 4] } });
  await loaded.close();
  assert.deepEqual(result[output]!.data, Float64Array.from(numbersOf((await model.predict(data))[output]!)));
});
