import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluate } from "../../test/reference/evaluate.ts";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import type { Shape } from "../array/shape.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { inputsOf } from "../graph/walk.ts";
import { gradient } from "../ops/gradient.ts";
import { reshape, transpose } from "../ops/movement.ts";
import { dropout, keepProbability } from "./dropout.ts";
import { isTraining, tracing } from "./mode.ts";

const masksOf = (output: Tensor) => inputsOf([output]).filter(({ dtype }) => dtype === "uint8");

test("outside training dropout is the identity", () => {
  const x = input("x", ["batch", 3]);
  assert.equal(dropout(0.5)(x), x);
  const { result, masks } = tracing({ training: false }, () => dropout(0.5)(x));
  assert.equal(result, x);
  assert.deepEqual(masks, []);
});

test("a rate of 0 asks for no mask", () => {
  const x = input("x", ["batch", 3]);
  assert.equal(tracing({ training: true }, () => dropout(0)(x)).result, x);
});

test("in training every application asks for a mask of its own", () => {
  const x = input("x", ["batch", 4, 3]);
  const layer = dropout(0.25);
  const { result, masks } = tracing({ training: true }, () => dropout(0.1)(layer(layer(x))));
  assert.deepEqual(masks, [
    { input: "dropout:0", shape: [4, 3], elements: 12, rate: 0.25, layer: 0 },
    { input: "dropout:1", shape: [4, 3], elements: 12, rate: 0.25, layer: 1 },
    { input: "dropout:2", shape: [4, 3], elements: 12, rate: 0.1, layer: 2 },
  ]);
  assert.deepEqual(
    masksOf(result).map(({ shape, leaf }) => [leaf?.kind === "input" && leaf.name, shape]),
    masks.map(({ input: name, shape }) => [name, ["batch", ...shape]]),
  );
});

test("what is kept is scaled so that the mean stays, what is dropped is 0, and so is its gradient", () => {
  const x = input("x", ["batch", 2], "float64");
  const { result } = tracing({ training: true }, () => dropout(0.75)(x));
  const feeds = new Map([
    [x, { shape: [2, 2], data: [1, 2, 3, 4] }],
    [masksOf(result)[0]!, { shape: [2, 2], data: [0, 1, 1, 0] }],
  ]);
  const seed = input("seed", ["batch", 2], "float64");
  const [dx] = gradient(result, [x], seed);
  const values = evaluate([result, dx!], feeds.set(seed, { shape: [2, 2], data: [1, 10, 100, 1000] }));
  assert.deepEqual([...values[0]!.data], [0, 8, 12, 0]);
  assert.deepEqual([...values[1]!.data], [0, 40, 400, 0]);
});

test("a mask follows its sample wherever the batch axis lies, in ONNX Runtime", async () => {
  // Element i of sample s is 100·s + i, and its mask keeps it where i is even: whole samples must not be mixed up.
  const moves: readonly (readonly [Shape, (x: Tensor) => Tensor, (x: Tensor) => Tensor])[] = [
    [[4, "batch", 3], (x) => transpose(x, [1, 0, 2]), (x) => transpose(x, [1, 0, 2])],
    [["batch*4", 3], (x) => reshape(x, ["batch*4", 3]), (x) => reshape(x, ["batch", 4, 3])],
    [[3, 4, "batch"], (x) => transpose(x, [2, 1, 0]), (x) => transpose(x, [2, 1, 0])],
  ];
  const x = input("x", ["batch", 4, 3]);
  for (const [shape, there, back] of moves) {
    const { result, masks } = tracing({ training: true }, () => {
      const moved = there(x);
      assert.deepEqual(moved.shape, shape);
      return back(dropout(0.5)(moved));
    });
    const perSample = masks[0]!.elements;
    assert.equal(perSample, 12);
    const samples = 3;
    const data = Array.from({ length: samples * 12 }, (_, at) => 100 * Math.floor(at / 12) + (at % 12));
    // Sample 1 is dropped as a whole, the others are kept.
    const mask = Array.from({ length: samples * 12 }, (_, at) => (Math.floor(at / 12) === 1 ? 0 : 1));
    const [fed] = masksOf(result);
    const feeds = new Map([
      [x, { shape: [samples, 4, 3], data }],
      [fed!, { shape: [samples, ...masks[0]!.shape], data: mask }],
    ]);
    const { y } = await runTensors({ y: result }, feeds);
    assert.deepEqual(
      [...y.data],
      data.map((value, at) => 2 * value * mask[at]!),
    );
  }
});

test("the scale is exact for a rate rounded to 16 bits", () => {
  assert.equal(keepProbability(0.5), 0.5);
  assert.equal(keepProbability(0.1), 1 - 6554 / 65536);
  assert.equal(keepProbability(0), 1);
});

test("a rate outside of 0 … 1 is refused, and a tensor without samples too", () => {
  for (const rate of [-0.1, 1, 0.999999, Number.NaN]) {
    assert.throws(() => dropout(rate), {
      message: `dropout: expected a rate from 0 to below 1 (at most 0.99999), got ${rate}. Fix: give the probability of dropping an element, for example 0.1`,
    });
  }
  assert.throws(() => tracing({ training: true }, () => dropout(0.5)(input("x", [3]))), {
    message:
      "dropout: expected a tensor with a batch axis, got [3]. Fix: apply it to what is computed from the samples, not to parameters",
  });
});

test("traces nest, and the mode is restored when a model throws", () => {
  const seen: boolean[] = [];
  const { masks } = tracing({ training: true }, () => {
    dropout(0.5)(input("x", ["batch"]));
    tracing({ training: false }, () => seen.push(isTraining()));
    assert.throws(() =>
      tracing({ training: false }, () => {
        throw new Error("a mistake in the model");
      }),
    );
    seen.push(isTraining());
    return dropout(0.5)(input("x", ["batch"]));
  });
  assert.deepEqual(seen, [false, true]);
  assert.equal(isTraining(), false);
  assert.deepEqual(
    masks.map(({ layer }) => layer),
    [0, 1],
  );
});

test("a model that returns a promise is refused", () => {
  assert.throws(() => tracing({ training: true }, async () => 1), {
    message:
      "tracing: expected a model that returns at once, got a promise. Fix: load what it needs before, and keep async and await out of the model",
  });
});
