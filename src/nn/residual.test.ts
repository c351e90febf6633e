import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluate } from "../../test/reference/evaluate.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { input } from "../graph/tensor.ts";
import { parametersOf } from "../graph/walk.ts";
import { averagePool, conv2d, type Layer, linear, maxPool, relu, residual, sequence } from "./index.ts";

const row = input("row", ["batch", 4], "float64");
const image = input("image", ["batch", 3, 9, 8]);

test("a residual adds its input to what the body makes of it", () => {
  const feeds = new Map([[row, { shape: [2, 4], data: [-1, 2, -3, 4, 0, 1, 2, -2] }]]);
  const [got] = evaluate([residual(relu)(row)], feeds);
  assert.deepEqual([...got!.data], [-1, 4, -3, 8, 0, 2, 4, -2]);
});

test("a shortcut takes the place of the input where the body changes the shape", () => {
  const block = residual(
    sequence(conv2d(8, 3, { stride: 2, padding: 1 }), relu),
    conv2d(8, 1, { stride: 2 }),
  );
  const output = block(image);
  assert.deepEqual(output.shape, ["batch", 8, 5, 4]);
  assert.equal(parametersOf([output]).length, 4);
});

const strided = conv2d(6, 3, { stride: 2, padding: 1 });
refuses("residual", [
  [
    "a body of other features, and names the shortcut that fits",
    () => residual(linear(64))(input("x", ["batch", 4])),
    "residual: expected [batch, 4] from the body, as from the shortcut, got [batch, 64] from [batch, 4]. Fix: residual(body, linear(64)), or let the body keep the shape",
  ],
  [
    "a body of other channels",
    () => residual(conv2d(6, 3, { padding: 1 }))(image),
    "residual: expected [batch, 3, 9, 8] from the body, as from the shortcut, got [batch, 6, 9, 8] from [batch, 3, 9, 8]. Fix: residual(body, conv2d(6, 1)), or let the body keep the shape",
  ],
  [
    "a body that halves the image",
    () => residual(strided)(image),
    "residual: expected [batch, 3, 9, 8] from the body, as from the shortcut, got [batch, 6, 5, 4] from [batch, 3, 9, 8]. Fix: residual(body, conv2d(6, 1, { stride: 2 })), or let the body keep the shape",
  ],
  [
    "a body whose output would be stretched",
    () => residual(averagePool([9, 8]))(image),
    "residual: expected [batch, 3, 9, 8] from the body, as from the shortcut, got [batch, 3, 1, 1] from [batch, 3, 9, 8]. Fix: residual(body, a layer that gives [batch, 3, 1, 1]), or let the body keep the shape",
  ],
  [
    "a shortcut that does not fit either",
    () => residual(maxPool(2), maxPool(3))(image),
    "residual: expected [batch, 3, 3, 2] from the body, as from the shortcut, got [batch, 3, 4, 4] from [batch, 3, 9, 8]. Fix: residual(body, a layer that gives [batch, 3, 4, 4]), or let the body keep the shape",
  ],
  [
    "what is no layer",
    () => residual([relu] as unknown as Layer),
    "residual: expected a layer as body, got object. Fix: pass a function of a tensor: residual(sequence(linear(64), relu, linear(64)))",
  ],
]);
