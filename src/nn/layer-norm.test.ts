import assert from "node:assert/strict";
import { test } from "node:test";
import { refuses } from "../../test/reference/refusals.ts";
import { input } from "../graph/tensor.ts";
import { parametersOf } from "../graph/walk.ts";
import {
  averagePool,
  flatten,
  globalAveragePool,
  groupNorm,
  type Layer,
  layerNorm,
  linear,
  maxPool,
  relu,
  rmsNorm,
  sequence,
  upsample,
} from "./index.ts";

const image = input("image", ["batch", 4, 6, 6]);

const parametersOfLayer = (layer: Layer) =>
  parametersOf([layer(image)]).map(({ leaf, shape }) => [leaf?.kind === "parameter" && leaf.label, shape]);

test("normalisations have PyTorch's parameters, weights of 1 and biases of 0, and take names", () => {
  const pair = (name: string, shape: number[]) => [
    [`${name}.weight`, shape],
    [`${name}.bias`, shape],
  ];
  assert.deepEqual(parametersOfLayer(layerNorm()), pair("layerNorm", [6]));
  assert.deepEqual(parametersOfLayer(layerNorm({ axes: 2, name: "norm" })), pair("norm", [6, 6]));
  assert.deepEqual(parametersOfLayer(layerNorm({ bias: false })), [["layerNorm.weight", [6]]]);
  assert.deepEqual(parametersOfLayer(layerNorm({ affine: false })), []);
  assert.deepEqual(parametersOfLayer(groupNorm(2)), pair("groupNorm", [4]));
  assert.deepEqual(parametersOfLayer(groupNorm(2, { affine: false })), []);
  assert.deepEqual(parametersOfLayer(rmsNorm()), [["rmsNorm.weight", [6]]]);
  assert.deepEqual(parametersOfLayer(rmsNorm({ affine: false })), []);
  const first = parametersOf([layerNorm()(image)]).map(({ leaf, shape }) => {
    const values = new Float32Array(6).fill(Number.NaN);
    if (leaf?.kind === "parameter") leaf.initializer.fill(values, shape as readonly number[], () => 0.5);
    return [...new Set(values)];
  });
  assert.deepEqual(first, [[1], [0]]);
});

test("a normalisation applied twice shares its parameters", () => {
  const norm = layerNorm();
  assert.equal(parametersOf([norm(norm(image))]).length, 2);
  assert.equal(parametersOf([layerNorm()(norm(image))]).length, 4);
});

test("an image goes through pooling to classes", () => {
  const classify = sequence(
    groupNorm(2),
    relu,
    maxPool(3, { stride: 2, padding: 1 }),
    averagePool(2),
    flatten,
    linear(10),
  );
  assert.deepEqual(classify(image).shape, ["batch", 10]);
  assert.deepEqual(sequence(upsample(2), globalAveragePool, linear(10))(image).shape, ["batch", 10]);
  assert.deepEqual(sequence(maxPool(2), upsample([2, 3]))(image).shape, ["batch", 4, 6, 9]);
});

const seen = layerNorm();
seen(image);
const grouped = groupNorm(2);
grouped(image);
refuses("a layer of images", [
  [
    "other features than before",
    () => seen(input("x", ["batch", 5])),
    "layerNorm: expected the sizes [6] that it saw first, got [5] in [batch, 5]. Fix: make another layerNorm for it",
  ],
  [
    "other channels than before",
    () => grouped(input("x", ["batch", 2, 3])),
    "groupNorm(2): expected the sizes [4] that it saw first, got [2] in [batch, 2, 3]. Fix: make another groupNorm for it",
  ],
  [
    "no groups",
    () => groupNorm(0),
    "groupNorm(0): expected groups to be a whole number from 1 on, got 0. Fix: for example 1",
  ],
  [
    "an epsilon of 0",
    () => rmsNorm({ epsilon: 0 }),
    "rmsNorm: expected an epsilon above 0, got 0. Fix: leave it out, or for example 1e-5",
  ],
  [
    "half an axis",
    () => layerNorm({ axes: 0.5 }),
    "layerNorm: expected axes to be a whole number from 1 on, got 0.5. Fix: for example 1",
  ],
  [
    "samples normalised with each other",
    () => layerNorm({ axes: 4 })(image),
    "layerNormalization: expected 4 last axes of fixed size, got [batch, 4, 6, 6]. Fix: normalise within samples: the axes behind batch",
  ],
  [
    "pixels as whole numbers",
    () => layerNorm()(input("x", ["batch", 3], "uint8")),
    'layerNormalization: expected a float32 or float64 tensor, got uint8. Fix: cast first: cast(x, "float32")',
  ],
  [
    "a window too large, under the layer's name",
    () => maxPool([2, 8])(image),
    "maxPool([2,8]): expected windows that fit into 6 × 6 with padding 0 and 0, got size 2 × 8. Fix: a size of at most 6 along that axis, or fewer layers of pooling before it",
  ],
  [
    "means of a table",
    () => averagePool(2)(input("x", ["batch", 8])),
    "averagePool(2): expected [samples, channels, length] or [samples, channels, height, width], got [batch, 8]. Fix: reshape or transpose it; only the number of samples may grow with the microbatch",
  ],
  [
    "half as large by upsampling",
    () => upsample(0.5)(image),
    "upsample(0.5): expected scale to be a whole number from 1 on, or 2 of them, one per spatial axis, got 0.5. Fix: for example scale 1",
  ],
]);
