/** Whole networks against PyTorch: losses and gradients in float64 and in ONNX Runtime, and ten steps through the real thing. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { float32, type NdArray } from "../src/array/array.ts";
import { arrays } from "../src/data/arrays.ts";
import type { Dataset } from "../src/data/dataset.ts";
import { sequential } from "../src/data/sampler.ts";
import { input, type Tensor } from "../src/graph/tensor.ts";
import { parametersOf, statisticsOf } from "../src/graph/walk.ts";
import {
  batchNorm,
  conv2d,
  crossEntropy,
  embedding,
  globalAveragePool,
  layerNorm,
  linear,
  lstm,
  maxPool,
  positional,
  residual,
  sequence,
  silu,
  tanh,
  tracing,
  transformerBlock,
} from "../src/nn/index.ts";
import { div, flatten, gradient, mul, reshape, slice, sum } from "../src/ops/index.ts";
import { adamw, type Optimizer, sgd } from "../src/optim/index.ts";
import { nameParameters } from "../src/train/parameters.ts";
import { afterSteps } from "../src/train/stop.ts";
import { train } from "../src/train/train.ts";
import { type Nested, numbersOf, shapeOf } from "./golden-models.ts";
import { evaluate, type Feed } from "./reference/evaluate.ts";
import { runTensors } from "./reference/onnxruntime.ts";

interface Run {
  readonly optimizer:
    | { readonly kind: "sgd"; readonly learningRate: number; readonly momentum: number }
    | { readonly kind: "adamw"; readonly learningRate: number; readonly weightDecay: number };
  readonly frozen: boolean;
  readonly loss: Nested;
  readonly gradients: Readonly<Record<string, Nested>>;
  readonly losses: readonly number[];
  readonly parametersAfter: Readonly<Record<string, Nested>>;
}

interface Network {
  readonly name: string;
  readonly x?: Nested;
  readonly tokens?: Nested;
  readonly mask?: Nested;
  readonly labels: Nested;
  readonly parameters: Readonly<Record<string, Nested>>;
  readonly runs: readonly Run[];
}

const golden: { readonly networks: readonly Network[] } = JSON.parse(
  readFileSync(new URL("golden/networks.json", import.meta.url), "utf8"),
);

type Columns = Readonly<Record<string, Tensor>>;
type Body = (columns: Columns) => Tensor;

/** The same networks a second time; names are those of the recorded parameters. */
const networks: Readonly<Record<string, (frozen: boolean) => Body>> = {
  "CNN with batch normalisation": (frozen) => {
    const body = sequence(
      conv2d(3, 3, { name: "first", padding: 1, bias: false }),
      batchNorm({ name: "norm", frozen }),
      tanh,
      maxPool(2),
      conv2d(4, 3, { name: "second" }),
      silu,
      (x) => flatten(x),
      linear(3, { name: "head" }),
    );
    return ({ x }) => body(x!);
  },
  "ResNet block": (frozen) => {
    const norm = (name: string) => batchNorm({ name: `${name}Norm`, frozen });
    const body = sequence(
      conv2d(3, 3, { name: "stem", padding: 1, bias: false }),
      norm("stem"),
      silu,
      residual(
        sequence(
          conv2d(4, 3, { name: "first", stride: 2, padding: 1, bias: false }),
          norm("first"),
          silu,
          conv2d(4, 3, { name: "second", padding: 1, bias: false }),
          norm("second"),
        ),
        sequence(conv2d(4, 1, { name: "shortcut", stride: 2, bias: false }), norm("shortcut")),
      ),
      silu,
      globalAveragePool,
      (x) => flatten(x),
      linear(3, { name: "head" }),
    );
    return ({ x }) => body(x!);
  },
  LSTM: () => {
    const [states, head] = [lstm(4, { layers: 2 }), linear(3, { name: "head" })];
    return ({ x }) => head(flatten(slice(states(x!), { start: -1 }, 1)));
  },
  "encoder with padding masks": () => {
    const [embed, place, norm] = [embedding(7, 8), positional("learned"), layerNorm({ name: "norm" })];
    const [first, second] = ["block1", "block2"].map((name) =>
      transformerBlock({ name, heads: 2, causal: false, hidden: 2 }),
    );
    const head = linear(3, { name: "head" });
    return ({ tokens, mask }) => {
      const x = norm(second!(first!(place(embed(tokens!)), mask), mask)); // [batch, time, features]
      const real = mul(x, reshape(mask!, ["batch", 5, 1]));
      return head(div(sum(real, { axes: [1] }), sum(mask!, { axes: [1], keepDims: true })));
    };
  },
};

const inputsOf = ({ x, tokens, mask }: Network): Record<string, Nested> => ({
  ...(x && { x }),
  ...(tokens && { tokens }),
  ...(mask && { mask }),
});
const feedOf = (value: Nested): Feed => ({ shape: shapeOf(value), data: numbersOf(value) });

/** The loss of every sample and the gradients of their sum, by name, and the numbers for their leaves. */
function traced(network: Network, frozen: boolean) {
  const given: Readonly<Record<string, Nested>> = { ...inputsOf(network), labels: network.labels };
  const leaves = Object.fromEntries(
    Object.entries(given).map(([name, value]) => {
      const dtype = name === "tokens" || name === "labels" ? "int32" : "float32";
      return [name, input(name, ["batch", ...shapeOf(value).slice(1)], dtype)];
    }),
  );
  const feeds = new Map(Object.entries(leaves).map(([name, leaf]) => [leaf, feedOf(given[name]!)] as const));
  const { result: loss } = tracing({ training: true }, () =>
    crossEntropy(networks[network.name]!(frozen)(leaves), leaves.labels!),
  );
  const held = nameParameters([...parametersOf([loss]), ...statisticsOf([loss])], Object.keys(given));
  for (const [leaf, name] of held) feeds.set(leaf, feedOf(network.parameters[name]!));
  const statistics = statisticsOf([loss]);
  const targets = new Map([...held].filter(([leaf]) => !statistics.includes(leaf)));
  const gradients = gradient(loss, [...targets.keys()]);
  const names = [...targets.values()];
  const outputs = { loss, ...Object.fromEntries(names.map((name, at) => [name, gradients[at]!])) };
  return { outputs: outputs as Readonly<Record<string, Tensor>>, feeds };
}

/** Largest difference relative to the largest number, or to 1e-3 of it where a gradient is 0 but for rounding. */
function assertClose(what: string, got: ArrayLike<number>, value: Nested, most: number, least: number): void {
  const expected = numbersOf(value);
  assert.equal(got.length, expected.length, what);
  const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), least);
  const gap = expected.reduce((a, b, at) => Math.max(a, Math.abs(got[at]! - b)), 0);
  assert.ok(gap <= most * largest, `${what} is ${gap} off, the largest number is ${largest}`);
}

function optimizerOf({ optimizer }: Run): Optimizer {
  if (optimizer.kind === "adamw") {
    const { learningRate, weightDecay } = optimizer;
    return adamw({ learningRate, weightDecay });
  }
  const { learningRate, momentum } = optimizer;
  return sgd({ learningRate, momentum });
}

/** Ten steps on all samples. */
async function trained(network: Network, run: Run, microbatchSize: number) {
  const columns = Object.entries({ ...inputsOf(network), labels: network.labels }).map(([name, value]) => {
    const Numbers = name === "tokens" || name === "labels" ? Int32Array : Float32Array;
    return [name, { data: Numbers.from(numbersOf(value)), shape: shapeOf(value) }] as const;
  });
  const data = arrays(Object.fromEntries(columns)) as unknown as Dataset; // its columns are known here
  const body = networks[network.name]!(run.frozen);
  const initial = Object.entries(network.parameters).map(([name, value]): [string, NdArray] => [
    name,
    float32(numbersOf(value), shapeOf(value)),
  ]);
  const losses: number[] = [];
  for await (const event of train({
    data,
    model: body,
    loss: (logits, { labels }) => crossEntropy(logits, labels!),
    optimizer: optimizerOf(run),
    batchSize: data.size,
    microbatchSize,
    lanes: 2,
    sampler: sequential(),
    initialWeights: new Map(initial),
    stop: afterSteps(10),
  })) {
    if (event.type === "step") losses.push(event.loss);
    if (event.type === "finished") return { losses, parameters: event.model.parameters };
  }
  throw new Error("the training did not finish");
}

for (const network of golden.networks) {
  const samples = shapeOf(network.labels)[0]!;
  for (const run of network.runs) {
    const isCoupled =
      Object.keys(network.parameters).some((name) => name.endsWith("runningMean")) && !run.frozen;
    describe(`${network.name}, ${run.optimizer.kind}${run.frozen ? ", frozen statistics" : ""}`, () => {
      it("has PyTorch's losses and gradients, in float64 and in ONNX Runtime", async () => {
        const { outputs, feeds } = traced(network, run.frozen);
        const expected: Readonly<Record<string, Nested>> = { loss: run.loss, ...run.gradients };
        assert.deepEqual(Object.keys(outputs).sort(), Object.keys(expected).sort());
        const exact = evaluate(Object.values(outputs), feeds);
        const rough = await runTensors(outputs, feeds);
        Object.keys(outputs).forEach((name, index) => {
          // Epsilons and 1 / count are float32 constants in the rules: 2⁻²⁴ each, twice per norm.
          assertClose(`${name} in float64`, exact[index]!.data, expected[name]!, 4 * 2 ** -24, 1e-3);
          // Float32 rounds at 6e-8, some hundred times on the way through a network and back.
          assertClose(`${name} in float32`, rough[name]!.data, expected[name]!, 2e-5, 1e-2);
        });
      });

      for (const microbatchSize of isCoupled ? [samples] : [1, 3, samples]) {
        it(`ends ten steps where PyTorch does, microbatches of ${microbatchSize}`, async () => {
          const { losses, parameters } = await trained(network, run, microbatchSize);
          assert.deepEqual([...parameters.keys()].sort(), Object.keys(run.parametersAfter).sort());
          for (const [name, value] of Object.entries(run.parametersAfter)) {
            const got = Array.from(parameters.get(name)!.data, Number);
            numbersOf(value).forEach((number, index) => {
              // PyTorch's own float32 run ends up to 5e-7 from its float64 run; sums in another order may move it further.
              assert.ok(
                Math.abs(got[index]! - number) < 2e-6,
                `${name}[${index}]: ${got[index]}, PyTorch ${number}`,
              );
            });
          }
          run.losses.forEach((loss, step) => {
            assert.ok(
              Math.abs(losses[step]! - loss) < 2e-6,
              `step ${step}: ${losses[step]}, PyTorch ${loss}`,
            );
          });
        });
      }
    });
  }
}
