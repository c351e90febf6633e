/** Layers of sequences and models of them against PyTorch: values and all gradients, in float64 and in ONNX Runtime. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { input, type Tensor } from "../src/graph/tensor.ts";
import { parametersOf } from "../src/graph/walk.ts";
import { attention, embedding, gru, lstm, positional } from "../src/nn/index.ts";
import { gradient } from "../src/ops/index.ts";
import { nameParameters } from "../src/train/parameters.ts";
import { type Nested, numbersOf, shapeOf } from "./golden-models.ts";
import { evaluate, type Feed } from "./reference/evaluate.ts";
import { runTensors } from "./reference/onnxruntime.ts";

interface GoldenCase {
  readonly name: string;
  readonly x?: Nested;
  readonly tokens?: Nested;
  readonly mask?: Nested;
  readonly labels?: Nested;
  readonly causal?: boolean;
  readonly layers?: number;
  readonly bias?: boolean;
  readonly parameters: Readonly<Record<string, Nested>>;
  readonly output: Nested;
  readonly seed: Nested;
  readonly gradients: Readonly<Record<string, Nested>>;
}

const golden: { readonly layers: readonly GoldenCase[]; readonly models: readonly GoldenCase[] } = JSON.parse(
  readFileSync(new URL("golden/language.json", import.meta.url), "utf8"),
);

type Float = "float32" | "float64";
/** The leaves of a case: those that it has. */
interface Leaves {
  readonly x: Tensor;
  readonly tokens: Tensor;
  readonly mask: Tensor;
  readonly labels: Tensor;
}

/** What a case computes. The first word of its name that is here says it. */
function outputOf(one: GoldenCase, { x, tokens, mask }: Leaves): Tensor {
  const { name, causal = false, layers = 1, bias = true } = one;
  const options = { layers, bias };
  if (name === "embedding") return embedding(6, 3)(tokens);
  if (name === "embedding with padding") return embedding(6, 3, { padding: 1 })(tokens);
  if (name.endsWith("attention"))
    return attention({ heads: 2, causal })(x, one.mask === undefined ? undefined : mask);
  if (name.startsWith("lstm")) return lstm(4, options)(x);
  if (name.startsWith("gru")) return gru(4, options)(x);
  if (name === "rotary" || name === "sinusoidal") return positional(name)(x);
  throw new Error(`no layer for "${name}"`);
}

const feedOf = (value: Nested): Feed => ({ shape: shapeOf(value), data: numbersOf(value) });

/** The output and the gradients of a case by name, and the numbers for its leaves. */
function traced(one: GoldenCase, dtype: Float) {
  const given = { x: one.x, tokens: one.tokens, mask: one.mask, labels: one.labels };
  const dtypes = { x: dtype, tokens: "int32", mask: "float32", labels: "int32" } as const;
  const feeds = new Map<Tensor, Feed>();
  const leaf = (name: keyof Leaves) => {
    const value = given[name];
    const tensor = input(
      name,
      ["batch", ...(value === undefined ? [] : shapeOf(value).slice(1))],
      dtypes[name],
    );
    if (value !== undefined) feeds.set(tensor, feedOf(value));
    return tensor;
  };
  const leaves: Leaves = { x: leaf("x"), tokens: leaf("tokens"), mask: leaf("mask"), labels: leaf("labels") };
  const output = outputOf(one, leaves);
  const named = new Map(
    [...nameParameters(parametersOf([output]), [])].map(([tensor, name]) => [name, tensor]),
  );
  assert.deepEqual([...named.keys()].sort(), Object.keys(one.parameters).sort());
  for (const [name, tensor] of named) {
    assert.deepEqual(tensor.shape, shapeOf(one.parameters[name]!), name);
    feeds.set(tensor, feedOf(one.parameters[name]!));
  }
  const seed = input("seed", output.shape, output.dtype);
  feeds.set(seed, feedOf(one.seed));
  const targets = new Map([...named, ...(one.x === undefined ? [] : [["x", leaves.x] as const])]);
  const gradients = gradient(output, [...targets.values()], seed);
  const names = [...targets.keys()];
  const outputs = Object.fromEntries([
    ["output", output],
    ...gradients.map((tensor, index) => [`d ${names[index]}`, tensor] as const),
  ]);
  return { outputs, feeds };
}

/** What a name of `traced` was recorded as. */
const expectedOf = (one: GoldenCase, name: string): number[] =>
  numbersOf(name === "output" ? one.output : one.gradients[name.slice(2)]!);

/** Largest difference relative to the largest number. */
function assertClose(
  what: string,
  actual: ArrayLike<number>,
  expected: readonly number[],
  tolerance: number,
) {
  assert.equal(actual.length, expected.length, what);
  const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  const apart = expected.reduce((a, b, index) => Math.max(a, Math.abs(actual[index]! - b)), 0);
  assert.ok(apart <= tolerance * largest, `${what}: off by ${apart}, the largest number is ${largest}`);
}

describe("layers of sequences have PyTorch's values and gradients", () => {
  for (const one of golden.layers.filter(({ name }) => !name.endsWith("block"))) {
    it(`${one.name}, in float64`, () => {
      const { outputs, feeds } = traced(one, "float64");
      const values = evaluate(Object.values(outputs), feeds);
      Object.keys(outputs).forEach((name, index) => {
        // Some hundred terms in another order: 1e-15 each.
        assertClose(name, values[index]!.data, expectedOf(one, name), 1e-12);
      });
    });

    it(`${one.name}, in ONNX Runtime's float32`, async () => {
      const { outputs, feeds } = traced(one, "float32");
      const results = await runTensors(outputs, feeds);
      for (const name of Object.keys(outputs)) {
        // Float32 rounds at 6e-8; products and sums of a layer take that a few dozen times.
        assertClose(name, results[name]!.data, expectedOf(one, name), 1e-5);
      }
    });
  }
});
