import assert from "node:assert/strict";
import { test } from "node:test";
import { input } from "../graph/tensor.ts";
import { parametersOf } from "../graph/walk.ts";
import { nameParameters } from "../train/parameters.ts";
import { tracing } from "./mode.ts";
import { sequence } from "./sequence.ts";
import { transformerBlock } from "./transformer-block.ts";

const x = input("x", ["batch", 5, 6]);

test("blocks of a stack keep their shape and have parameters of their own, four times as wide inside", () => {
  const block = () => transformerBlock({ heads: 2, causal: true });
  const y = sequence(block(), block())(x);
  assert.deepEqual(y.shape, x.shape);
  const named = [...nameParameters(parametersOf([y]), [])].map(([{ shape }, name]) => [name, shape] as const);
  assert.deepEqual(Object.fromEntries(named.filter(([name]) => name.includes("1."))), {
    "block.attentionNorm1.weight": [6],
    "block.attentionNorm1.bias": [6],
    "block.attention.qkv1.weight": [18, 6],
    "block.attention.qkv1.bias": [18],
    "block.attention.output1.weight": [6, 6],
    "block.attention.output1.bias": [6],
    "block.feedForwardNorm1.weight": [6],
    "block.feedForwardNorm1.bias": [6],
    "block.expand1.weight": [24, 6],
    "block.expand1.bias": [24],
    "block.contract1.weight": [6, 24],
    "block.contract1.bias": [6],
  });
  assert.equal(named.length, 2 * 12);
  assert.equal(new Set(named.map(([name]) => name)).size, named.length);
});

test("dropout acts on the attention's weights, the hidden numbers and both branches, in training alone", () => {
  const layer = transformerBlock({ heads: 3, causal: false, hidden: 1.5, dropout: 0.1 });
  const shapes = (training: boolean) => tracing({ training }, () => layer(x)).masks.map(({ shape }) => shape);
  assert.deepEqual(shapes(true), [
    [3, 5, 5],
    [5, 6],
    [5, 9],
    [5, 6],
  ]);
  assert.deepEqual(shapes(false), []);
});

test("a mask of padding reaches the attention", () => {
  const mask = input("mask", ["batch", 5], "uint8");
  const layer = transformerBlock({ heads: 2, causal: false });
  assert.throws(() => layer(x, input("mask", ["batch", 4], "uint8")), {
    message:
      "scaledDotProductAttention: expected a mask of shape [batch, 5], got [batch, 4]. Fix: one number per key of every sample: not 0 where it is real, 0 where it is padding",
  });
  assert.deepEqual(layer(x, mask).shape, x.shape);
});

test("a width that is none is refused", () => {
  assert.throws(() => transformerBlock({ heads: 2, causal: true, hidden: 0 }), {
    message:
      "transformerBlock: expected hidden to be a number above 0: how many times wider than the features it is, got 0. Fix: for example 4",
  });
});
