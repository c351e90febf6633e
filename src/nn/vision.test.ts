import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gap } from "../../test/reference/check.ts";
import { evaluate, type Feed } from "../../test/reference/evaluate.ts";
import { runTensors } from "../../test/reference/onnxruntime.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { parametersOf } from "../graph/walk.ts";
import { gradient } from "../ops/index.ts";
import {
  averagePool,
  globalAveragePool,
  groupNorm,
  type Layer,
  layerNorm,
  maxPool,
  rmsNorm,
  upsample,
} from "./index.ts";

type Nested = number | readonly Nested[];

/** What PyTorch made of one layer: test/golden/make_vision.py says what is what. */
interface Case {
  readonly name: keyof typeof layers;
  readonly options: Readonly<Record<string, number>>;
  readonly x: Nested;
  readonly scale?: Nested;
  readonly bias?: Nested;
  readonly seed: Nested;
  readonly seed2?: Nested;
  readonly output: Nested;
  readonly gradients: Readonly<Record<string, Nested>>;
  readonly second?: Readonly<Record<"x" | "seed", Nested>>;
}

const layers = {
  maxPool: ({ size, ...options }) => maxPool(size!, options),
  averagePool: ({ size, ...options }) => averagePool(size!, options),
  globalAveragePool: () => globalAveragePool,
  resizeNearest: ({ scale }) => upsample(scale!),
  layerNorm: (options) => layerNorm(options),
  rmsNorm: (options) => rmsNorm(options),
  groupNorm: ({ groups, ...options }) => groupNorm(groups!, options),
} satisfies Record<string, (options: Case["options"]) => Layer>;

const { cases }: { readonly cases: readonly Case[] } = JSON.parse(
  readFileSync(new URL("../../test/golden/vision.json", import.meta.url), "utf8"),
);

const shapeOf = (value: Nested): number[] =>
  typeof value === "number" ? [] : [value.length, ...shapeOf(value[0]!)];
const numbersOf = (value: Nested): number[] =>
  typeof value === "number" ? [value] : value.flatMap(numbersOf);
const feedOf = (value: Nested): Feed => ({ shape: shapeOf(value), data: numbersOf(value) });

/** The layer applied to the case's numbers: what is compared, beside what PyTorch found. */
function compared(one: Case, dtype: "float32" | "float64") {
  const leaf = (name: string, value: Nested) => input(name, ["batch", ...shapeOf(value).slice(1)], dtype);
  const [x, seed] = [leaf("x", one.x), leaf("seed", one.seed)];
  const output = layers[one.name](one.options)(x);
  const parameters = parametersOf([output]);
  const targets = [x, ...parameters];
  const first = gradient(output, targets, seed);
  const feeds = new Map<Tensor, Feed>([
    [x, feedOf(one.x)],
    [seed, feedOf(one.seed)],
  ]);
  const tensors: Record<string, Tensor> = { output };
  const wanted: Record<string, Nested> = { output: one.output };
  for (const [index, name] of ["x", "scale", "bias"].entries()) {
    if (one.gradients[name] === undefined) continue;
    if (index > 0) feeds.set(targets[index]!, feedOf(one[name as "scale"]!)); // "x", "scale" or "bias", in this order
    tensors[`gradient of ${name}`] = first[index]!;
    wanted[`gradient of ${name}`] = one.gradients[name];
  }
  if (one.second !== undefined) {
    const seed2 = leaf("seed2", one.seed2!);
    feeds.set(seed2, feedOf(one.seed2!));
    const [bySeed, byX] = gradient(first[0]!, [seed, x], seed2);
    Object.assign(tensors, { "second by seed": bySeed, "second by x": byX });
    Object.assign(wanted, { "second by seed": one.second.seed, "second by x": one.second.x });
  }
  return { tensors, wanted, feeds };
}

for (const [index, one] of cases.entries()) {
  test(`${one.name} ${JSON.stringify(one.options)} of ${shapeOf(one.x)} is PyTorch's, case ${index}`, async () => {
    // In float64, evaluated by the reference: only the order of a sum may differ.
    const exact = compared(one, "float64");
    const values = evaluate(Object.values(exact.tensors), exact.feeds);
    // In ONNX Runtime, in both dtypes. Float64: the kernel holds epsilon as float32 (0.01 is 2e-10 off), and parameters, so
    // their gradients too, are float32. Float32: 64 roundings, and twice that behind a division by a deviation.
    const [double, single] = [exact, compared(one, "float32")];
    const got64 = await runTensors(double.tensors, double.feeds);
    const got32 = await runTensors(single.tensors, single.feeds);
    const problems = Object.keys(exact.wanted).flatMap((name, at) => {
      const want = Float64Array.from(numbersOf(exact.wanted[name]!));
      assert.deepEqual(got32[name]!.shape, shapeOf(exact.wanted[name]!), name);
      return [
        ...gap(`${name} by the reference`, values[at]!.data, want, 1e-12),
        ...gap(
          `${name} in float64`,
          got64[name]!.data,
          want,
          got64[name]!.dtype === "float64" ? 1e-9 : 2 ** -23,
        ),
        ...gap(`${name} in float32`, got32[name]!.data, want, 128 * 2 ** -24),
      ];
    });
    assert.deepEqual(problems, []);
  });
}
