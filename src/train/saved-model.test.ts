import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema, TensorProto_DataType } from "onnx-buf";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import type { TableSchema } from "../array/schema.ts";
import { arrays } from "../data/arrays.ts";
import { memoryDataset } from "../data/memory.ts";
import { statistics } from "../data/statistics.ts";
import { buildProgram } from "../graph/program.ts";
import { input } from "../graph/tensor.ts";
import { crossEntropy, dropout, encoder, linear, sequence, squaredError, tanh } from "../nn/index.ts";
import { encodeOnnx } from "../onnx/encode.ts";
import { argMax, categoryCodes, categoryNames, concat, exp, softmax } from "../ops/index.ts";
import { adamw } from "../optim/index.ts";
import { threads } from "../parallel/threads.ts";
import { fit } from "./fit.ts";
import { loadModel } from "./saved-model.ts";
import { afterEpochs } from "./stop.ts";

const folder = temporaryFolder();

const colours = ["blue", "red"];
const kinds = ["ä ß 漢", "long, very", "short"];
const schema: TableSchema = {
  features: [
    { kind: "number", name: "size" },
    { kind: "category", name: "colour", categories: colours },
  ],
  targets: [{ task: "classification", name: "kind", categories: kinds }],
};
const count = 1500; // more than one run of the saved model
const sizes = Float32Array.from({ length: count }, (_, i) => Math.sin(i) * 3);
const codes = Int32Array.from({ length: count }, (_, i) => (i % 10 === 9 ? -1 : i % 2)); // some are missing
const data = memoryDataset({
  name: "samples",
  size: count,
  columns: {
    size: { spec: { dtype: "float32", shape: [1] }, data: sizes },
    colour: { spec: { dtype: "int32", shape: [], categories: colours }, data: codes },
    kind: {
      spec: { dtype: "int32", shape: [], categories: kinds },
      data: Int32Array.from({ length: count }, (_, i) => (sizes[i]! < 0 ? 2 : Math.max(codes[i]!, 0))),
    },
  },
  schema,
});
const raw = { size: sizes, colour: Array.from(codes, (code) => colours[code] ?? "") };

/** A classifier that puts out the name of the class and the probabilities. */
async function classifier() {
  const body = sequence(encoder(await statistics(data)), linear(kinds.length));
  return fit({
    data,
    model: (row) => body(row),
    loss: (predicted, row) => crossEntropy(predicted, row.kind),
    serve: (predicted) => ({
      prediction: categoryNames(argMax(predicted), kinds),
      probabilities: softmax(predicted),
    }),
    optimizer: adamw({ learningRate: 0.05 }),
    stop: afterEpochs(2),
  });
}

test("a saved classifier puts out the name of the class, the same as the model it was saved from", async () => {
  const model = await classifier();
  const path = join(folder, "kinds.onnx");
  await model.save(path);
  const saved = await loadModel(path);
  try {
    const { prediction, probabilities } = await saved.predict(raw);
    assert.ok(prediction?.dtype === "string" && probabilities?.dtype === "float32");
    assert.deepEqual([prediction.shape, probabilities.shape], [[count], [count, kinds.length]]);
    prediction.data.forEach((name, row) => {
      const own = Array.from(probabilities.data.slice(row * 3, row * 3 + 3), Number);
      assert.equal(name, kinds[own.indexOf(Math.max(...own))]);
    });
    assert.deepEqual(new Set(prediction.data), new Set(kinds));
    assert.deepEqual((await model.predict(data)).prediction, prediction);
    assert.deepEqual((await saved.predict({ size: [3], colour: ["red"] })).prediction, {
      dtype: "string",
      shape: [1],
      data: ["long, very"],
    });
  } finally {
    await saved.close();
  }
});

test("raw rows are read as a table reads them: NA and its like are missing, blanks do not count", async () => {
  const path = join(folder, "missing.onnx");
  await (await classifier()).save(path);
  const saved = await loadModel(path);
  try {
    const sizes = ["1.5", " 1.5 ", "+15e-1", "", "NA", "n/A", "nan", "?", " ", null];
    const colours = ["red", " red", "red\u00a0", "", "NA", "n/A", "nan", "?", " ", null];
    const { probabilities } = await saved.predict({ size: sizes, colour: colours });
    const rows = sizes.map((_, row) => Array.from(probabilities!.data.slice(row * 3, row * 3 + 3), Number));
    for (const row of [1, 2]) assert.deepEqual(rows[row], rows[0]);
    for (const row of [4, 5, 6, 7, 8, 9]) assert.deepEqual(rows[row], rows[3]);
    assert.notDeepEqual(rows[3], rows[0]);
    const unseen = (await saved.predict({ size: [null], colour: ["green"] })).probabilities;
    assert.notDeepEqual(Array.from(unseen!.data, Number), rows[3]);
    for (const size of ["0x10", "1e39", "Infinity", {} as unknown as string]) {
      const got = typeof size === "string" ? `"${size}"` : "an object";
      await assert.rejects(saved.predict({ size: ["1", size], colour: ["red", "red"] }), {
        message:
          `${path}, predict, column "size", row 1: expected a number that fits float32, or nothing where it is missing, ` +
          `got ${got}. Fix: correct the value, or leave it empty`,
      });
    }
  } finally {
    await saved.close();
  }
});

test("ranks of ordered categories reach the file as texts, and mean the same there", async () => {
  const grades = ["poor", "fair", "good"];
  const column = { kind: "category", name: "grade", categories: grades, isOrdered: true } as const;
  const grade = Int32Array.of(0, 0, 1, 2, -1, 1, 2, 2);
  const price = Float32Array.from(grade, (code) => (code < 0 ? 4 : 10 * code));
  const wares = memoryDataset({
    name: "wares",
    size: 8,
    columns: {
      grade: { spec: { dtype: "int32", shape: [], categories: grades }, data: grade },
      price: { spec: { dtype: "float32", shape: [1] }, data: price },
    },
    schema: { features: [column], targets: [{ task: "regression", name: "price" }] },
  });
  const counts = [2, 2, 3];
  const feature = { ...column, codes: [0, 1, 2], counts, missing: 1, other: 0 };
  const body = sequence(encoder({ samples: 8, features: [feature], targets: [] }), linear(1));
  const model = await fit({
    data: wares,
    model: (row) => body(row),
    loss: (predicted, row) => squaredError(predicted, row.price),
    optimizer: adamw({ learningRate: 1 }),
    stop: afterEpochs(20),
  });
  const path = join(folder, "grades.onnx");
  await model.save(path);
  const saved = await loadModel(path);
  try {
    assert.deepEqual(saved.schema, wares.schema);
    const texts = Array.from(grade, (code) => grades[code] ?? "n/a");
    const { prediction } = await saved.predict({ grade: texts });
    const own = (await model.predict(wares)).prediction!;
    prediction!.data.forEach((value, row) => {
      // The same kernels; a microbatch of another size may differ in a last bit of numbers below 32.
      assert.ok(Math.abs(Number(value) - Number(own.data[row])) < 1e-5, `${row}`);
    });
    // One weight for the rank: good is as far from fair as fair from poor. An unknown grade is at the mean rank, 8/7.
    const { prediction: four } = await saved.predict({ grade: ["poor", "fair", "good", "superb"] });
    const [poor, fair, good, superb] = Array.from(four!.data, Number);
    assert.ok(Math.abs(good! - fair! - (fair! - poor!)) < 1e-5 && good! - poor! > 10);
    assert.ok(Math.abs(superb! - (poor! + (8 / 7) * (fair! - poor!))) < 1e-5);
  } finally {
    await saved.close();
  }
});

test("texts of a model that was not made from a table are fed as they are", async () => {
  const path = join(folder, "texts.onnx");
  const text = input("text", ["batch", 1], "string");
  const outputs = { codes: categoryCodes(text, [" a", "NA"]) };
  await writeFile(path, encodeOnnx(buildProgram({ name: "texts", outputs })));
  const model = await loadModel(path);
  const { codes } = await model.predict({ text: [" a", "a", "NA", null] });
  assert.deepEqual([codes!.shape, ...codes!.data], [[4, 1], 0, 2, 1, -1]);
  await model.close();
});

test("dropout is no part of a saved model: it asks for no mask and gives the same numbers every time", async () => {
  const path = join(folder, "dropout.onnx");
  const x = Array.from({ length: 12 }, (_, i) => [Math.sin(i), i / 12]);
  const points = arrays({ x, y: x.map(([a, b]) => [a! + b!]) });
  const body = sequence(linear(8), tanh, dropout(0.5), linear(1), dropout(0.2));
  const model = await fit({
    data: points,
    model: (row) => body(row.x),
    loss: (predicted, row) => squaredError(predicted, row.y),
    optimizer: adamw({ learningRate: 0.01 }),
  });
  await model.save(path);
  const saved = await loadModel(path);
  try {
    assert.deepEqual(saved.summary.inputs, [{ name: "x", dtype: "float32", shape: ["batch", 2] }]);
    assert.deepEqual(saved.summary.operators, { Gemm: 2, Tanh: 1 });
    const { prediction } = await saved.predict({ x });
    assert.deepEqual((await saved.predict({ x })).prediction, prediction);
    const values = [...model.parameters.values()].map(({ data: numbers }) => Array.from(numbers, Number));
    const [weight, bias, outer, shift] = values as [number[], number[], number[], number[]]; // two linear layers
    prediction!.data.forEach((value, row) => {
      const [a, b] = x[row]!;
      const inner = bias.map((one, k) => Math.tanh(one + weight[2 * k]! * a! + weight[2 * k + 1]! * b!));
      const expected = inner.reduce((sum, one, k) => sum + one * outer[k]!, shift[0]!);
      assert.ok(Math.abs(Number(value) - expected) < 1e-5, `row ${row}`); // sums of eight in float32
    });
  } finally {
    await saved.close();
  }
});

test("a model whose outputs this package cannot hold is refused when it is loaded", async () => {
  const path = join(folder, "half.onnx");
  const x = input("x", ["batch"]);
  const bytes = encodeOnnx(buildProgram({ name: "half", outputs: { y: exp(x) } }));
  const model = fromBinary(ModelProtoSchema, bytes);
  const type = model.graph!.output[0]!.type!.value;
  if (type.case === "tensorType") type.value.elemType = TensorProto_DataType.FLOAT16;
  await writeFile(path, toBinary(ModelProtoSchema, model));
  await assert.rejects(loadModel(path), {
    message:
      `${path}, output "y": expected a tensor of float32, uint8, int32, int64, string, bool, float64, got float16. ` +
      "Fix: load a model that this package has saved, or cast the output in whatever writes the file",
  });
});

test("one sample alone, which is computed twice, has one name", async () => {
  const model = await classifier();
  const alone = { ...data, size: 1 };
  assert.deepEqual((await model.predict(alone)).prediction, {
    dtype: "string",
    shape: [1],
    data: [kinds[0]],
  });
});

test("a column that the schema does not know, such as a list of numbers, is an input of the saved model as it is", async () => {
  const spots = { spec: { dtype: "float32", shape: [2] }, data: Float32Array.from(sizes, Math.cos) } as const;
  const weights = { spec: { dtype: "float32", shape: [] }, data: new Float32Array(750).fill(1) } as const;
  const kind = Int32Array.from({ length: 750 }, (_, i) => i % 3);
  const listed = memoryDataset({
    name: "listed",
    size: 750,
    columns: {
      size: { spec: { dtype: "float32", shape: [1] }, data: sizes.slice(0, 750) },
      kind: { spec: { dtype: "int32", shape: [], categories: kinds }, data: kind },
      spots,
      weights,
    },
    schema: { features: [{ kind: "number", name: "size" }], targets: schema.targets },
    weight: "weights",
  });
  const head = linear(kinds.length);
  const model = await fit({
    data: listed,
    model: (row) => head(concat([row.size, row.spots], 1)),
    loss: (predicted, row) => crossEntropy(predicted, row.kind),
    serve: (predicted) => ({ prediction: predicted }),
    optimizer: adamw({ learningRate: 0.05 }),
    stop: afterEpochs(1),
  });
  const path = join(folder, "listed.onnx");
  await model.save(path);
  const saved = await loadModel(path);
  try {
    const lists = Array.from({ length: 750 }, (_, i) => [...spots.data.slice(2 * i, 2 * i + 2)]);
    const { prediction } = await saved.predict({ size: sizes.slice(0, 750), spots: lists });
    assert.deepEqual(prediction, (await model.predict(listed)).prediction);
  } finally {
    await saved.close();
  }
});

test("threads predict and judge to the bit as one thread does, names of classes and a lone last row too", async () => {
  const trained = await classifier();
  const parallel = threads(3);
  assert.deepEqual(await trained.predict(data, { parallel }), await trained.predict(data));
  assert.deepEqual(await trained.evaluate(data, { parallel }), await trained.evaluate(data));
  const path = join(folder, "threads.onnx");
  await trained.save(path);
  const [one, three] = [await loadModel(path), await loadModel(path, { parallel })];
  try {
    for (const rows of [1, 1025, count]) {
      const some = { size: raw.size.subarray(0, rows), colour: raw.colour.slice(0, rows) };
      assert.deepEqual(await three.predict(some), await one.predict(some), `${rows} rows`);
    }
    const wrong = { ...raw, size: [...raw.size.subarray(0, 1200), "many", ...raw.size.subarray(1201)] };
    await assert.rejects(three.predict(wrong, "rows"), {
      message:
        'rows, column "size", row 1200: expected a number that fits float32, or nothing where it is missing, got "many". ' +
        "Fix: correct the value, or leave it empty",
    });
  } finally {
    await Promise.all([one.close(), three.close()]);
  }
});

test("what says who computes, and does not, is refused", async () => {
  const trained = await classifier();
  // @ts-expect-error: as a caller without types may
  await assert.rejects(trained.predict(data, threads(2)), {
    message:
      "model.predict: expected options that say who computes, got the crew alone. Fix: for example { parallel: threads(2) }",
  });
  // @ts-expect-error: as a caller without types may
  await assert.rejects(trained.evaluate(data, { parallel: 2 }), {
    message:
      "model.evaluate, parallel: expected a crew, got 2. Fix: for example threads(2), from microbatch/node",
  });
  // @ts-expect-error: as a caller without types may
  await assert.rejects(loadModel("any.onnx", { threads: 2 }), {
    message:
      "loadModel: expected options that say who computes, got threads. Fix: for example { parallel: threads(2) }",
  });
});
