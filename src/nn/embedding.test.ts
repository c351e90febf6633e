import assert from "node:assert/strict";
import { test } from "node:test";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { buildProgram, indexBounds } from "../graph/program.ts";
import { input } from "../graph/tensor.ts";
import { sorted } from "../graph/walk.ts";
import { gradient } from "../ops/gradient.ts";
import { affine } from "../ops/matmul.ts";
import { embedding } from "./embedding.ts";

test("tokens of any shape and whole dtype become rows of the table", async () => {
  const layer = embedding(4, 2, { initializer: { name: "given", fill: () => undefined } });
  const rows = { shape: [4, 2], data: [0, 1, 10, 11, 20, 21, 30, 31] };
  for (const dtype of ["int32", "int64", "uint8"] as const) {
    const tokens = input("tokens", ["batch", 3], dtype);
    const y = layer(tokens);
    assert.deepEqual(y.shape, ["batch", 3, 2]);
    const feeds = new Map([
      [tokens, { shape: [1, 3], data: [3, 0, 3] }],
      [layer.table, rows],
    ]);
    assert.deepEqual([...(await runTensors({ y }, feeds)).y.data], [30, 31, 0, 1, 30, 31]);
  }
});

test("the gradient is added row by row, without a one-hot matrix, and tokens that come twice count twice", async () => {
  const layer = embedding(4, 2);
  const tokens = input("tokens", ["batch", 3], "int32");
  const y = layer(tokens);
  const seed = input("seed", y.shape);
  const [d] = gradient(y, [layer.table], seed);
  const names = sorted([d!]).map(({ op }) => op.name);
  assert.ok(names.includes("scatterAdd") && !names.includes("oneHot") && !names.includes("gemm"));
  const feeds = new Map([
    [tokens, { shape: [1, 3], data: [3, 0, 3] }],
    [seed, { shape: [1, 3, 2], data: [1, 2, 3, 4, 5, 6] }],
  ]);
  assert.deepEqual([...(await runTensors({ d: d! }, feeds)).d.data], [3, 4, 0, 0, 0, 0, 6, 8]);
});

test("padding is zeros, whatever its row holds, and is not trained", async () => {
  const layer = embedding(3, 1, { padding: 1 });
  const tokens = input("tokens", ["batch"], "uint8");
  const y = layer(tokens);
  const [d] = gradient(y, [layer.table]);
  const feeds = new Map([
    [tokens, { shape: [4], data: [1, 0, 1, 2] }],
    [layer.table, { shape: [3, 1], data: [7, 8, 9] }],
  ]);
  const got = await runTensors({ y, d: d! }, feeds);
  assert.deepEqual([...got.y.data], [0, 7, 0, 9]);
  assert.deepEqual([...got.d.data], [1, 0, 1]);
});

test("its table can score tokens, too, and then gets both gradients", async () => {
  const layer = embedding(2, 2, { name: "tied" });
  const tokens = input("tokens", ["batch"], "int32");
  const y = affine(layer(tokens), layer.table);
  const [d] = gradient(y, [layer.table]);
  const feeds = new Map([
    [tokens, { shape: [1], data: [1] }],
    [layer.table, { shape: [2, 2], data: [1, 2, 3, 4] }],
  ]);
  assert.deepEqual([...(await runTensors({ d: d! }, feeds)).d.data], [3, 4, 3 + 4, 4 + 6]);
});

test("tokens are checked before a run", () => {
  const program = buildProgram({
    name: "p",
    outputs: { y: embedding(5, 2)(input("tokens", ["batch", 4], "uint8")) },
  });
  assert.deepEqual(indexBounds(program), [{ inputName: "tokens", below: 5, meaning: "index" }]);
});

test("sizes that are none, and numbers that are no tokens, are refused", () => {
  assert.throws(() => embedding(0, 4), {
    message:
      "embedding(0, 4): expected sizes that are whole numbers from 1 on, got 0. Fix: for example embedding(vocabulary.size, 64)",
  });
  assert.throws(() => embedding(3, 4, { padding: 3 }), {
    message:
      "embedding(3, 4): expected padding to be a token from 0 to 2, got 3. Fix: leave it out, or name one of the tokens",
  });
  assert.throws(() => embedding(3, 4)(input("x", ["batch", 7])), {
    message:
      'embedding(3, 4): expected tokens of whole numbers, int32, int64 or uint8, got float32 [batch, 7]. Fix: cast(x, "int32"), or linear(7) for numbers that measure something',
  });
});
