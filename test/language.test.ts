/**
 * Layers of sequences and models of them against PyTorch: values and all gradients, in float64 and in ONNX
 * Runtime.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { arrays } from "../src/data/arrays.ts";
import { sequential } from "../src/data/sampler.ts";
import { input, parameter, type Tensor } from "../src/graph/tensor.ts";
import { parametersOf, sorted } from "../src/graph/walk.ts";
import {
  attention,
  crossEntropy,
  embedding,
  gru,
  layerNorm,
  linear,
  lstm,
  positional,
  sequence,
  transformerBlock,
} from "../src/nn/index.ts";
import { cast, flatten, gradient, slice } from "../src/ops/index.ts";
import { adamw } from "../src/optim/index.ts";
import { nameParameters } from "../src/train/parameters.ts";
import { afterSteps } from "../src/train/stop.ts";
import { train } from "../src/train/train.ts";
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
  readonly training?: {
    readonly losses: readonly number[];
    readonly parametersAfter: Readonly<Record<string, Nested>>;
  };
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

/**
 * Tokens → what the model says of every position, before its last layer: embedding, positions, a block, norm.
 */
function stack(causal: boolean, dtype: Float) {
  const [embed, place] = [embedding(7, 8), positional("learned")];
  const [block, norm] = [transformerBlock({ heads: 2, causal, hidden: 2 }), layerNorm({ name: "norm" })];
  return (tokens: Tensor, mask?: Tensor) => norm(block(place(cast(embed(tokens), dtype)), mask));
}

/** The models' loss, one number per sample or token. */
function lossOf(name: string, { tokens, mask, labels }: Leaves, dtype: Float): Tensor {
  if (name === "gpt") {
    const logits = linear(7, { bias: false })(stack(true, dtype)(tokens));
    return crossEntropy(logits, labels);
  }
  const first = flatten(slice(stack(false, dtype)(tokens, mask), { end: 1 }, 1));
  return crossEntropy(linear(3)(first), labels);
}

/** What a layer's case computes; its name says which layer it is. */
function outputOf(one: GoldenCase, { x, tokens, mask }: Leaves): Tensor {
  const { name, causal = false, layers = 1, bias = true } = one;
  const options = { layers, bias };
  if (name === "embedding") return embedding(6, 3)(tokens);
  if (name === "embedding with padding") return embedding(6, 3, { padding: 1 })(tokens);
  if (name.endsWith("attention"))
    return attention({ heads: 2, causal })(x, one.mask === undefined ? undefined : mask);
  if (name.endsWith("block")) {
    return transformerBlock({ heads: 2, causal, hidden: 2 })(x, one.mask === undefined ? undefined : mask);
  }
  if (name.startsWith("lstm")) return lstm(4, options)(x);
  if (name.startsWith("gru")) return gru(4, options)(x);
  if (name === "rotary" || name === "sinusoidal") return positional(name)(x);
  throw new Error(`no layer for "${name}"`);
}

const feedOf = (value: Nested): Feed => ({ shape: shapeOf(value), data: numbersOf(value) });

/** The output and the gradients of a case by name, and the numbers for its leaves. */
function traced(one: GoldenCase, dtype: Float, build = outputOf) {
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
  const output = build(one, leaves);
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
  for (const one of golden.layers) {
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

describe("models of sequences have PyTorch's losses and gradients", () => {
  for (const one of golden.models) {
    it(`${one.name}, in float64`, () => {
      const { outputs, feeds } = traced(one, "float64", ({ name }, leaves) =>
        lossOf(name, leaves, "float64"),
      );
      const values = evaluate(Object.values(outputs), feeds);
      Object.keys(outputs).forEach((name, index) => {
        assertClose(name, values[index]!.data, expectedOf(one, name), 1e-11); // the roundings of several layers
      });
    });

    it(`${one.name}, in ONNX Runtime's float32`, async () => {
      const { outputs, feeds } = traced(one, "float32", ({ name }, leaves) =>
        lossOf(name, leaves, "float32"),
      );
      const results = await runTensors(outputs, feeds);
      for (const name of Object.keys(outputs)) {
        // As above, through a dozen layers.
        assertClose(name, results[name]!.data, expectedOf(one, name), 1e-5);
      }
    });
  }
});

/** Gives tensors whose parameters begin as recorded, whatever their layers would have begun with. */
function recorded(parameters: GoldenCase["parameters"]): (output: Tensor) => Tensor {
  const leaves = new Map<Tensor, Tensor>();
  return (output) => {
    for (const [tensor, name] of nameParameters(parametersOf([output]), [])) {
      const { shape, leaf } = tensor;
      if (leaves.has(tensor) || leaf?.kind !== "parameter") continue;
      const fill = (values: Float32Array) => values.set(numbersOf(parameters[name]!));
      const initializer = { name: "recorded", fill };
      leaves.set(tensor, parameter(shape as readonly number[], initializer, leaf.label, leaf.owner)); // fixed
    }
    const replaced = new Map<Tensor, Tensor>(leaves);
    for (const tensor of sorted([output])) {
      if (replaced.has(tensor)) continue;
      const inputs = tensor.inputs.map((each) => replaced.get(each)!);
      replaced.set(tensor, tensor.leaf === undefined ? Object.freeze({ ...tensor, inputs }) : tensor);
    }
    return replaced.get(output)!;
  };
}

/**
 * Without the biases of keys: they move all scores of a query alike, so their gradient is 0 but for rounding,
 * and AdamW makes steps of rounding.
 */
function comparable(name: string, values: readonly number[]): readonly number[] {
  if (!name.endsWith("qkv.bias")) return values;
  const size = values.length / 3;
  return [...values.slice(0, size), ...values.slice(2 * size)];
}

describe("ten training steps of a tiny GPT are PyTorch's", () => {
  const gpt = golden.models.find(({ name }) => name === "gpt")!;
  const { losses, parametersAfter } = gpt.training!;
  for (const [microbatchSize, lanes] of [
    [1, 8],
    [3, 2],
    [4, 1],
  ] as const) {
    it(`microbatches of ${microbatchSize}, ${lanes} lanes`, async () => {
      const column = (value: Nested) => ({ data: Int32Array.from(numbersOf(value)), shape: shapeOf(value) });
      const data = arrays({ tokens: column(gpt.tokens!), next: column(gpt.labels!) });
      const [body, start] = [
        sequence(stack(true, "float32"), linear(7, { bias: false })),
        recorded(gpt.parameters),
      ];
      const seen: number[] = [];
      for await (const event of train({
        data,
        model: ({ tokens }) => start(body(tokens)),
        loss: (logits, { next }) => crossEntropy(logits, next),
        optimizer: adamw({ learningRate: 0.01, weightDecay: 0.01 }),
        batchSize: data.size,
        microbatchSize,
        lanes,
        sampler: sequential(),
        stop: afterSteps(10),
      })) {
        if (event.type === "step") seen.push(event.loss);
        if (event.type !== "finished") continue;
        for (const [name, expected] of Object.entries(parametersAfter)) {
          const got = comparable(name, Array.from(event.model.parameters.get(name)!.data, Number));
          comparable(name, numbersOf(expected)).forEach((value, index) => {
            // PyTorch's own float32 run ends 4.6e-7 from its float64 run; sums in another order may move it a
            // few times that.
            assert.ok(
              Math.abs(got[index]! - value) < 2e-6,
              `${name}[${index}]: ${got[index]}, PyTorch ${value}`,
            );
          });
        }
      }
      assert.equal(seen.length, losses.length);
      seen.forEach((loss, step) => {
        assert.ok(
          Math.abs(loss - losses[step]!) < 2e-6 * losses[step]!,
          `step ${step}: ${loss}, PyTorch ${losses[step]}`,
        );
      });
    });
  }
});
