import assert from "node:assert/strict";
import { test } from "node:test";
import { input } from "../graph/tensor.ts";
import { parametersOf, sorted } from "../graph/walk.ts";
import { gradient } from "../ops/gradient.ts";
import { nameParameters } from "../train/parameters.ts";
import { gru } from "./gru.ts";
import { lstm } from "./lstm.ts";
import { tracing } from "./mode.ts";

for (const [layer, gates] of [
  [lstm, 4],
  [gru, 3],
] as const) {
  test(`${layer.name} has PyTorch's parameters, and gives every state`, () => {
    const y = layer(5, { layers: 2, name: "state" })(input("x", ["batch", 7, 3]));
    assert.deepEqual(y.shape, ["batch", 7, 5]);
    const named = [...nameParameters(parametersOf([y]), [])].map(([{ shape }, name]) => [name, shape]);
    assert.deepEqual(Object.fromEntries(named), {
      "state1.inputWeight": [gates * 5, 3],
      "state1.hiddenWeight": [gates * 5, 5],
      "state1.inputBias": [gates * 5],
      "state1.hiddenBias": [gates * 5],
      "state2.inputWeight": [gates * 5, 5],
      "state2.hiddenWeight": [gates * 5, 5],
      "state2.inputBias": [gates * 5],
      "state2.hiddenBias": [gates * 5],
    });
  });

  test(`${layer.name}'s first values are uniform within 1 / √hidden, all of them`, () => {
    const y = layer(4)(input("x", ["batch", 2, 100]));
    for (const { leaf } of parametersOf([y]))
      assert.equal(leaf?.kind === "parameter" && leaf.initializer.name, "uniform(0.5)");
  });

  test(`${layer.name} multiplies all steps' inputs at once, and their gradients too`, () => {
    const time = 6;
    const x = input("x", ["batch", time, 3]);
    const y = layer(5)(x);
    const forward = sorted([y]);
    const products = (tensors: typeof forward) => tensors.filter(({ op }) => op.name === "gemm").length;
    assert.equal(products(forward), 1 + (time - 1)); // the first step has no state before it
    const parameters = parametersOf([y]);
    const gradients = gradient(y, [x, ...parameters]);
    const backward = sorted(gradients).filter((tensor) => !forward.includes(tensor));
    // x, both weights, the bias of the inputs; in the GRU that of the states, whose first step takes it in two parts; and
    // the state at each step.
    assert.equal(products(backward), (layer === lstm ? 4 : 7) + (time - 1));
  });

  test(`${layer.name} drops states between layers in training, not behind the last`, () => {
    const x = input("x", ["batch", 3, 2]);
    const { masks } = tracing({ training: true }, () => layer(4, { layers: 3, dropout: 0.5 })(x));
    assert.deepEqual(
      masks.map(({ shape }) => shape),
      [
        [3, 4],
        [3, 4],
      ],
    );
    assert.equal(
      tracing({ training: false }, () => layer(4, { layers: 2, dropout: 0.5 })(x)).masks.length,
      0,
    );
  });

  test(`${layer.name} refuses sizes and tensors of another form`, () => {
    const refused = (call: () => unknown, message: string) => assert.throws(call, { message });
    const where = `${layer.name}(4)`;
    refused(
      () => layer(0),
      `${layer.name}(0): expected the hidden size to be a whole number from 1 on, got 0. Fix: for example 64`,
    );
    refused(
      () => layer(4, { layers: 1.5 }),
      `${where}: expected the number of layers to be a whole number from 1 on, got 1.5. Fix: for example 64`,
    );
    refused(
      () => layer(4)(input("x", ["batch", 3])),
      `${where}: expected x [batch, time, features] with a fixed time, got [batch, 3]. Fix: reshape(x, [...x.shape, 1]) for one number per step, embedding(…) for tokens`,
    );
    const used = layer(4);
    used(input("x", ["batch", 3, 2]));
    refused(
      () => used(input("x", ["batch", 3, 5])),
      `${where}: expected the last axis to be 2, got [batch, 3, 5]. Fix: make another ${where} for it; this one took its size from the tensor it saw first`,
    );
  });
}
