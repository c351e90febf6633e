import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluate } from "../../test/reference/evaluate.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { parametersOf } from "../graph/walk.ts";
import { leakyRelu, linear, ones, relu, sequence, standardize, zeros } from "./index.ts";

const labelsOf = (output: Tensor) =>
  parametersOf([output]).map(({ leaf }) => (leaf?.kind === "parameter" ? leaf.label : ""));
/** The values of a tensor of one input. */
const valuesOf = (output: Tensor, x: Tensor, shape: readonly number[], data: readonly number[]) => [
  ...evaluate([output], new Map([[x, { shape, data }]]))[0]!.data,
];

test("linear learns its input size from the first tensor and keeps weights as [out, in]", () => {
  const output = linear(64)(input("x", ["batch", 13]));
  assert.deepEqual(output.shape, ["batch", 64]);
  assert.deepEqual(
    parametersOf([output]).map(({ shape }) => shape),
    [[64, 13], [64]],
  );
  assert.deepEqual(labelsOf(output), ["linear.weight", "linear.bias"]);
});

test("both forms of linear apply to every position of the leading axes", () => {
  for (const layer of [linear(5, { name: "head" }), linear(3, 5, { name: "head" })]) {
    const output = layer(input("x", ["batch", 7, 3]));
    assert.deepEqual(output.shape, ["batch", 7, 5]);
    assert.deepEqual(labelsOf(output), ["head.weight", "head.bias"]);
  }
});

test("a layer applied twice shares its parameters, another layer has its own", () => {
  const [a, b] = [linear(3), linear(3)];
  const x = input("x", ["batch", 3]);
  assert.equal(parametersOf([a(a(x))]).length, 2);
  assert.equal(parametersOf([a(b(x))]).length, 4);
});

test("linear without a bias has one parameter", () => {
  assert.deepEqual(labelsOf(linear(2, { bias: false })(input("x", ["batch", 3]))), ["linear.weight"]);
});

test("linear starts from PyTorch's bounds, or from the initializers it is given", () => {
  const first = (output: Tensor) =>
    parametersOf([output]).map(({ leaf, shape }) => {
      const values = new Float32Array(1);
      if (leaf?.kind === "parameter") leaf.initializer.fill(values, shape as readonly number[], () => 0);
      return values[0];
    });
  const x = input("x", ["batch", 16]);
  assert.deepEqual(first(linear(4)(x)), [-0.25, -0.25]); // −1/√16, the lower end of both
  assert.deepEqual(first(linear(4, { initializer: ones, biasInitializer: zeros })(x)), [1, 0]);
});

test("parameters of one linear layer are known to belong together", () => {
  const owners = parametersOf([linear(3)(linear(3)(input("x", ["batch", 3])))]).map(({ leaf }) =>
    leaf?.kind === "parameter" ? leaf.owner : undefined,
  );
  assert.ok(owners[0] !== undefined);
  assert.deepEqual(
    owners.map((owner) => owners.indexOf(owner)),
    [0, 0, 2, 2],
  );
});

test("linear refuses what it cannot multiply, and says what to type instead", () => {
  const learned = linear(64);
  learned(input("x", ["batch", 13]));
  const refusals: readonly (readonly [() => unknown, string])[] = [
    [
      () => learned(input("x", ["batch", 4])),
      "linear(64): expected the last axis to be 13, got [batch, 4]. Fix: make another linear(64) for it; this one took 13 from the tensor it saw first",
    ],
    [
      () => linear(3, 8)(input("x", ["batch", 4])),
      "linear(3, 8): expected the last axis to be 3, got [batch, 4]. Fix: linear(4, 8), or select 3 columns",
    ],
    [
      () => linear(8)(input("x", ["batch"])),
      'linear(8): expected a last axis of features, got [batch]. Fix: reshape(x, ["batch",1]) makes one feature of it',
    ],
    [
      () => linear(8)(input("x", ["batch", 2], "int32")),
      'linear(8): expected a float32 tensor, got int32 [batch, 2]. Fix: cast(x, "float32") for numbers, oneHot(x, depth) for categories',
    ],
    [
      () => linear(0),
      "linear(0): expected sizes that are whole numbers from 1 on, got 0. Fix: for example linear(64)",
    ],
    [
      () => linear(2.5, 3),
      "linear(2.5, 3): expected sizes that are whole numbers from 1 on, got 2.5. Fix: for example linear(64)",
    ],
  ];
  for (const [call, message] of refusals) assert.throws(call, { name: "MicrobatchError", message });
});

test("sequence applies its layers in order, plain functions too", () => {
  const x = input("x", ["batch", 2], "float64");
  const body = sequence(relu, leakyRelu(0.5), (value) =>
    standardize({ mean: [1, 1], deviation: [2, 4] })(value),
  );
  assert.deepEqual(valuesOf(body(x), x, [1, 2], [-3, 9]), [-0.5, 2]);
  assert.equal(sequence()(x), x);
});

test("a sequence takes what its first layer takes", () => {
  const body = sequence(({ size }: { size: Tensor }) => size, linear(3), relu);
  assert.deepEqual(body({ size: input("size", ["batch", 1]) }).shape, ["batch", 3]);
});

test("sequence names the argument that is no layer", () => {
  assert.throws(() => sequence(relu, [relu] as unknown as typeof relu), {
    message:
      "sequence: expected a layer as argument 2, got object. Fix: pass layers one by one: sequence(linear(64), relu), sequence(...layers) for a list",
  });
});

test("leakyRelu is a layer with PyTorch's slope, and makes one with a slope of its own", () => {
  const x = input("x", ["batch", 2], "float64");
  assert.deepEqual(valuesOf(leakyRelu(x), x, [1, 2], [-1, 2]), [-0.01, 2]);
  assert.deepEqual(valuesOf(leakyRelu(x, 0.25), x, [1, 2], [-1, 2]), [-0.25, 2]);
  assert.deepEqual(valuesOf(leakyRelu(0.2)(x), x, [1, 2], [-1, 2]), [-0.2, 2]);
});

test("standardize takes the mean out and divides by the deviation, by 1 where it is 0", () => {
  const x = input("x", ["batch", 3], "float64");
  const layer = standardize({ mean: [1, -2, 5], deviation: [2, 0.5, 0] });
  assert.deepEqual(valuesOf(layer(x), x, [2, 3], [5, -2, 5, 1, -1, 7]), [2, 0, 0, 0, 2, 2]);
});

test("standardize refuses statistics that cannot be right", () => {
  const refusals: readonly (readonly [() => unknown, string])[] = [
    [
      () => standardize({ mean: [1, 2], deviation: [1] }),
      "standardize: expected one mean and one deviation per feature, got 2 means and 1 deviations. Fix: fit both on the same columns",
    ],
    [
      () => standardize({ mean: [1, Number.NaN], deviation: [1, 1] }),
      "standardize: expected finite means and deviations from 0 on, got mean NaN and deviation 1 of feature 1. Fix: fit them on samples where that feature is present",
    ],
    [
      () => standardize({ mean: [1], deviation: [-1] }),
      "standardize: expected finite means and deviations from 0 on, got mean 1 and deviation -1 of feature 0. Fix: fit them on samples where that feature is present",
    ],
    [
      () => standardize({ mean: [1], deviation: [1] })(input("x", ["batch", 2])),
      "standardize: expected the last axis to be 1, got [batch, 2]. Fix: standardise the columns the statistics were fitted on",
    ],
  ];
  for (const [call, message] of refusals) assert.throws(call, { name: "MicrobatchError", message });
});
