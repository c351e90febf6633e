/** Convolutional layers against PyTorch in float64: values, gradients, and ten training steps of two models. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { arrays } from "../src/data/arrays.ts";
import type { Dataset } from "../src/data/dataset.ts";
import { sequential } from "../src/data/sampler.ts";
import { buildProgram } from "../src/graph/program.ts";
import { type Initializer, input, type Tensor } from "../src/graph/tensor.ts";
import { parametersOf } from "../src/graph/walk.ts";
import {
  conv1d,
  conv2d,
  convTranspose2d,
  crossEntropy,
  type Layer,
  linear,
  relu,
  sequence,
  squaredError,
  tanh,
} from "../src/nn/index.ts";
import { encodeOnnx } from "../src/onnx/encode.ts";
import { flatten, gradient, mean, reshape } from "../src/ops/index.ts";
import { sgd } from "../src/optim/index.ts";
import { nodeRuntime } from "../src/runtime/ort-node.ts";
import { fit } from "../src/train/fit.ts";
import { afterSteps } from "../src/train/stop.ts";
import { train } from "../src/train/train.ts";
import { type GoldenTraining, type Nested, numbersOf, optimizerOf, shapeOf } from "./golden-models.ts";
import { evaluate, type Feed } from "./reference/evaluate.ts";
import { runTensors } from "./reference/onnxruntime.ts";
import type { Value } from "./reference/value.ts";

type Kind = "conv1d" | "conv2d" | "convTranspose2d";

interface Case {
  readonly name: string;
  readonly op: Kind;
  readonly outputs: number;
  readonly kernel: number | readonly [number, number];
  readonly options: Readonly<Record<string, unknown>>;
  readonly x: Nested;
  readonly weight: Nested;
  readonly bias?: Nested;
  readonly seed: Nested;
  readonly output: Nested;
  readonly gradients: Readonly<Record<string, Nested>>;
}

interface LayerSpec {
  readonly kind: "conv2d" | "convTranspose2d" | "linear" | "relu" | "tanh" | "averagePool" | "flatten";
  readonly out: number;
  readonly kernel: number;
  readonly options?: Readonly<Record<string, number>>;
}

interface Model {
  readonly name: string;
  readonly layers: readonly LayerSpec[];
  readonly loss: "crossEntropy" | "squaredError";
  readonly inputs: Nested;
  readonly targets: Nested;
  readonly parameters: Readonly<Record<string, Nested>>;
  readonly training: readonly GoldenTraining[];
}

const golden: { readonly cases: readonly Case[]; readonly models: readonly Model[] } = JSON.parse(
  readFileSync(new URL("golden/convolution.json", import.meta.url), "utf8"),
);

const feedOf = (value: Nested): Feed => ({ shape: shapeOf(value), data: numbersOf(value) });
/** −0, which a sum may give where another gives 0, is 0. */
const numbersIn = ({ data }: Value) => Array.from(data, (value) => value + 0);
const recorded = (value: Nested | undefined): Initializer => ({
  name: "recorded",
  fill: (values) => values.set(numbersOf(value!)),
});

/** The layer of a case or a model; each takes a kernel and options, of which its own type knows more than JSON. */
const layers: Readonly<Record<Kind, (outputs: number, kernel: never, options: object) => Layer>> = {
  conv1d,
  conv2d,
  convTranspose2d,
};

/** A case as tensors: the output and its gradients, by name. */
function tensorsOf({ op, outputs, kernel, options, x: image, bias }: Case) {
  const x = input("image", ["batch", ...shapeOf(image).slice(1)]);
  const output = layers[op](outputs, kernel as never, options)(x);
  const [weight, added] = parametersOf([output]);
  const targets: Record<string, Tensor> = { x, weight: weight!, ...(bias !== undefined && { bias: added! }) };
  const seed = input("seed", output.shape);
  const gradients = gradient(output, Object.values(targets), seed);
  const outputsByName: Record<string, Tensor> = { output };
  Object.keys(targets).forEach((name, index) => {
    outputsByName[name] = gradients[index]!;
  });
  return { outputs: outputsByName, targets: { ...targets, seed } };
}

describe("convolutions and their gradients are PyTorch's", () => {
  for (const one of golden.cases) {
    it(`${one.op}, ${one.name}`, async () => {
      const { outputs, targets } = tensorsOf(one);
      const numbers: Readonly<Record<string, Nested | undefined>> = {
        x: one.x,
        weight: one.weight,
        bias: one.bias,
        seed: one.seed,
      };
      const feeds = new Map(
        Object.entries(targets).map(([name, tensor]) => [tensor, feedOf(numbers[name]!)] as const),
      );
      const exact = evaluate(Object.values(outputs), feeds);
      const run = await runTensors(outputs, feeds);
      Object.keys(outputs).forEach((name, index) => {
        const expected = feedOf(name === "output" ? one.output : one.gradients[name]!);
        assert.deepEqual(exact[index]!.shape, expected.shape, name);
        assert.deepEqual(run[name]!.shape, expected.shape, name);
        // Sums of products of eighths are exact in both precisions, in any order.
        assert.deepEqual(numbersIn(exact[index]!), expected.data, `${name} of the float64 reference`);
        assert.deepEqual(numbersIn(run[name]!), expected.data, `${name} of ONNX Runtime`);
      });
    });
  }
});

/** Each 2 × 2 pixels as their mean. */
function averagePool(x: Tensor): Tensor {
  const [samples, channels, height, width] = x.shape as readonly [
    Tensor["shape"][number],
    number,
    number,
    number,
  ];
  return mean(reshape(x, [samples, channels, height / 2, 2, width / 2, 2]), { axes: [3, 5] });
}

function layerOf(model: Model, { kind, out, kernel, options = {} }: LayerSpec, index: number): Layer {
  if (kind === "relu" || kind === "tanh") return { relu, tanh }[kind];
  if (kind === "averagePool") return averagePool;
  if (kind === "flatten") return (x) => flatten(x);
  const own = {
    name: String(index),
    initializer: recorded(model.parameters[`${index}.weight`]),
    biasInitializer: recorded(model.parameters[`${index}.bias`]),
  };
  if (kind === "linear") return linear(out, own);
  const { output_padding: outputPadding = 0, ...rest } = options;
  return kind === "conv2d"
    ? conv2d(out, kernel, { ...rest, ...own })
    : convTranspose2d(out, kernel, { ...rest, ...own, outputPadding });
}

/** The loss of every sample. */
function lossOf({ loss }: Model, predicted: Tensor, target: Tensor): Tensor {
  if (loss === "crossEntropy") return crossEntropy(predicted, target);
  return mean(squaredError(flatten(predicted), flatten(target)), { axes: [1] });
}

function datasetOf({ inputs, targets, loss }: Model): Dataset {
  const numbers = (value: Nested) => ({ data: Float32Array.from(numbersOf(value)), shape: shapeOf(value) });
  const y =
    loss === "crossEntropy"
      ? { data: Int32Array.from(numbersOf(targets)), shape: shapeOf(targets) }
      : numbers(targets);
  return arrays({ x: numbers(inputs), y }) as unknown as Dataset; // its columns are known here
}

async function train10(model: Model, run: GoldenTraining, microbatchSize: number) {
  const body = sequence(...model.layers.map((layer, index) => layerOf(model, layer, index)));
  const data = datasetOf(model);
  const losses: number[] = [];
  for await (const event of train({
    data,
    model: ({ x }) => body(x!),
    loss: (predicted, { y }) => lossOf(model, predicted, y!),
    optimizer: optimizerOf(run),
    batchSize: data.size,
    microbatchSize: Math.min(microbatchSize, data.size),
    lanes: 2,
    sampler: sequential(),
    stop: afterSteps(10),
  })) {
    if (event.type === "step") losses.push(event.loss);
    if (event.type === "finished") return { losses, parameters: event.model.parameters };
  }
  throw new Error("the training did not finish");
}

describe("ten training steps of convolutional models agree with PyTorch", () => {
  for (const model of golden.models) {
    for (const run of model.training) {
      for (const microbatchSize of [1, 3, 100]) {
        it(`${model.name}, ${run.optimizer}, microbatches of ${microbatchSize}`, async () => {
          const { losses, parameters } = await train10(model, run, microbatchSize);
          for (const [name, expected] of Object.entries(run.parametersAfter)) {
            const got = parameters.get(name)!.data;
            numbersOf(expected).forEach((value, index) => {
              // PyTorch's own float32 run ends up to 3e-7 from its float64 run; sums in another order may do worse.
              const gap = Math.abs(Number(got[index]) - value);
              assert.ok(gap < 2e-6, `${name}[${index}]: ${got[index]}, PyTorch ${value}`);
            });
          }
          run.losses.forEach((loss, index) => {
            assert.ok(Math.abs(losses[index]! - loss) < 2e-6 * Math.max(1, loss), `loss of step ${index}`);
          });
        });
      }
    }
  }
});

it("blocked convolutions are trained with where the runtime has them, recorded, and in no saved file", async () => {
  const { channelBlock } = await nodeRuntime();
  const body = sequence(conv2d(channelBlock ?? 8, 3), relu, (x) => flatten(x), linear(1));
  const x = { data: Float32Array.from({ length: 100 }, (_, index) => index / 100), shape: [4, 1, 5, 5] };
  const y = { data: Float32Array.of(0, 1, 0, 1), shape: [4, 1] };
  const model = await fit({
    data: arrays({ x, y }),
    model: (row) => body(row.x),
    loss: (predicted, row) => squaredError(predicted, row.y),
    optimizer: sgd({ learningRate: 0.01 }),
    batchSize: 4,
    stop: afterSteps(1),
  });
  const blocked = { convolution: `in blocks of ${channelBlock} channels, where they fit` };
  assert.deepEqual(model.plan.lowerings, { all: "plain", ...(channelBlock !== undefined && blocked) });
  assert.ok(!Buffer.from(model.toOnnx()).includes("nchwc"));
});

it("the gradient of a kernel of a thousand elements is a few nodes", () => {
  const x = input("x", ["batch", 2, 4000]);
  const output = conv1d(8, 1000)(x);
  const [weight] = parametersOf([output]);
  const outputs = { weight: gradient(output, [weight!])[0]! };
  const program = buildProgram({
    name: "gradient",
    outputs,
    parameterNames: new Map([[weight!, "weight of conv1d"]]),
  });
  assert.ok(encodeOnnx(program).length < 4000); // a node takes some 100 bytes
});
