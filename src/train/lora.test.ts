import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type ForeignModel, foreignModel, stored } from "../../test/foreign-model.ts";
import { plan } from "../../test/plan.ts";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { float32 } from "../array/array.ts";
import { arrays } from "../data/arrays.ts";
import { onnxFunction } from "../models/onnx-function.ts";
import {
  batchNorm,
  conv2d,
  embedding,
  flatten,
  type Layer,
  linear,
  lstm,
  relu,
  sequence,
  squaredError,
  tanh,
} from "../nn/index.ts";
import { summarizeOnnx } from "../onnx/decode.ts";
import { decodeOnnx } from "../onnx/graph.ts";
import { sum } from "../ops/index.ts";
import { adamw, ema, sgd } from "../optim/index.ts";
import { threads } from "../parallel/threads.ts";
import { decodeSafetensors } from "../safetensors/decode.ts";
import type { StartedEvent } from "./event.ts";
import { fit } from "./fit.ts";
import type { ParameterGroup } from "./groups.ts";
import type { Model } from "./model.ts";
import type { Plan } from "./plan.ts";
import { loadModel } from "./saved-model.ts";
import { afterSteps } from "./stop.ts";
import { trace } from "./trace.ts";
import { train } from "./train.ts";

const adapted: readonly ParameterGroup[] = [{ parameters: "linear1.*", lora: { rank: 2, alpha: 6 } }];
const steps = { stop: afterSteps(5) };
const still = { optimizer: adamw({ learningRate: () => 0 }), stop: afterSteps(1) };

interface Golden {
  readonly x: readonly number[][];
  readonly y: readonly number[][];
  readonly initial: Readonly<Record<string, readonly number[] | readonly number[][]>>;
  readonly losses: readonly number[];
  readonly trained: Golden["initial"];
}

const arraysOf = (values: Golden["initial"]) =>
  new Map(
    Object.entries(values).map(([name, value]) => {
      const [first] = value;
      const shape = Array.isArray(first) ? [value.length, first.length] : [value.length];
      return [name, float32(value.flat(), shape)];
    }),
  );

test("ten steps of AdamW end where those of LoRA written by hand in PyTorch, in float64, do", async () => {
  const url = new URL("../../test/golden/lora.json", import.meta.url);
  const golden: Golden = JSON.parse(await readFile(url, "utf8")); // written by make_lora.py
  const body = sequence(linear(5), tanh, linear(4), tanh, linear(1));
  const losses: number[] = [];
  const { parameters } = await fit(
    {
      data: arrays({ x: golden.x, y: golden.y }),
      model: (row) => body(row.x),
      loss: (predicted, row) => squaredError(predicted, row.y),
      optimizer: adamw({ learningRate: 0.02, weightDecay: 0.1 }),
      microbatchSize: 3,
      seed: 5,
      stop: afterSteps(10),
      initialWeights: arraysOf(golden.initial),
      groups: [{ parameters: /^linear[12]/, lora: { rank: 2, alpha: 3 }, learningRateFactor: 2 }],
    },
    [(event) => event.type === "step" && losses.push(event.loss)],
  );
  // Ten float32 steps on numbers below 4 (spacing 2.4e-7); Adam's quotients of moments keep the relative error.
  for (const [step, loss] of golden.losses.entries()) {
    assert.ok(Math.abs(loss - losses[step]!) < 2e-6 * loss, `step ${step}`);
  }
  for (const [name, { data }] of arraysOf(golden.trained)) {
    const got = parameters.get(name)!.data;
    data.forEach((value, index) => {
      const gap = Math.abs(Number(value) - Number(got[index]));
      assert.ok(gap < 2e-6, `${name}[${index}]: ${got[index]}, not ${value}`);
    });
  }
});

test("a model begins as it was, and a weight changes by no more than the rank", async () => {
  const first = await fit(plan({ ...still, groups: adapted }));
  assert.deepEqual(first.parameters, (await fit(plan(still))).parameters);
  const one = [{ parameters: "linear1.*", lora: { rank: 1 } }];
  const { parameters } = await fit(plan({ ...steps, groups: one }));
  const [before, after] = [first, { parameters }].map(
    (model) => model.parameters.get("linear1.weight")!.data as Float32Array, // as all parameters
  ) as [Float32Array, Float32Array];
  const change = Float64Array.from(after, (value, index) => value - before[index]!); // [16, 3]
  assert.ok(change.some((value) => Math.abs(value) > 1e-3));
  for (let row = 0; row < 15; row++) {
    const [a, b, c, d] = [0, 1, 3, 4].map((at) => change[3 * row + at]!) as [number, number, number, number];
    // Of rank one all 2 × 2 determinants are 0, up to the rounding of weights below 1 to multiples of 6e-8.
    assert.ok(Math.abs(a * d - b * c) < 1.2e-7 * (Math.abs(a) + Math.abs(b) + Math.abs(c) + Math.abs(d)));
  }
  assert.deepEqual(parameters.get("linear1.bias"), first.parameters.get("linear1.bias"));
  assert.notDeepEqual(parameters.get("linear2.bias"), first.parameters.get("linear2.bias"));
});

/** A plan for 20 small pictures, all in one microbatch. */
function pictures(body: Layer): Plan {
  const pixels = Float32Array.from({ length: 20 * 32 }, (_, index) => Math.sin(index * index));
  const image = { data: pixels, shape: [20, 2, 4, 4] };
  const data = arrays({ image, y: Array.from({ length: 20 }, (_, i) => [Math.cos(i)]) });
  const groups = [{ parameters: "conv2d.weight", lora: { rank: 3, alpha: 4 } }];
  const model = (row: { image: never }) => body(row.image);
  return plan({ data, model, groups, microbatchSize: 20, batchSize: 20 });
}

/** A plan of another model and its data; the weights of the first layers are adapted. */
const otherPlans: Readonly<Record<string, () => Plan>> = {
  "a weight that is multiplied as it stands, in a file": () => {
    const network: ForeignModel = {
      inputs: { x: [1, 3] },
      outputs: { y: [1, 1] },
      stored: {
        one: stored([0.3, -0.2, 0.5, 0.1, 0.4, -0.6, 0.2, 0.7, -0.1, 0.3, 0.5, -0.4], [3, 4]),
        head: stored([0.5, -0.3, 0.2, 0.8], [1, 4]),
      },
      nodes: [
        ["MatMul", ["x", "one"], ["hidden"]],
        ["Tanh", ["hidden"], ["active"]],
        ["Gemm", ["active", "head"], ["y"], { transB: 1 }],
      ],
    };
    const foreign = onnxFunction(foreignModel(network), { trainable: true });
    return plan({
      model: ({ x }: { x: never }) => foreign({ x }).y,
      groups: [{ parameters: "one", lora: { rank: 2 } }],
    });
  },
  "convolutions, counted as [out, in · kernel]": () =>
    pictures(sequence(conv2d(4, 3), relu, flatten, linear(1))),
  "embeddings and a recurrent layer": () => {
    const tokens = Int32Array.from({ length: 24 * 4 }, (_, index) => (index * 7) % 5);
    const y = Array.from({ length: 24 }, (_, i) => [Math.cos(i)]);
    const data = arrays({ tokens: { data: tokens, shape: [24, 4] }, y });
    const body = sequence(embedding(5, 3), lstm(4), (x) => sum(x, { axes: [1] }), linear(1));
    const groups = [{ parameters: /^(embedding|lstm)/, lora: { rank: 2 } }];
    const model = (row: { tokens: never }) => body(row.tokens);
    return plan({ data, model, groups });
  },
};

for (const [what, make] of Object.entries(otherPlans)) {
  test(`LoRA adapts ${what}: its loss is that of the merged weights`, async () => {
    const whole = make();
    const mean = { optimizer: sgd({ learningRate: 0.1 }), batchSize: whole.data.size, stop: afterSteps(4) };
    const losses: number[] = [];
    const validation = { data: whole.data, every: 1 };
    await fit({ ...whole, ...mean, validation }, [
      (event) => {
        if (event.type === "step") losses.push(event.loss);
        if (event.type === "evaluated") losses.push(event.metrics["validation.loss"]!);
      },
    ]);
    // A step's loss is that of the weights before it, computed with B · A apart: the same up to rounding of sums of few terms.
    for (const step of [1, 2, 3]) {
      const [merged, apart] = [losses[2 * step - 1]!, losses[2 * step]!];
      assert.ok(Math.abs(merged - apart) < 1e-6 * apart, `step ${step}: ${merged}, ${apart}`);
    }
    assert.ok(losses[6]! < losses[0]!);
  });
}

test("running statistics are those of the changed weights", async () => {
  const body = sequence(conv2d(4, 3), batchNorm({ momentum: 1 }), relu, flatten, linear(1));
  const whole = { ...pictures(body), optimizer: sgd({ learningRate: 0.1 }) };
  const [two, three] = [
    await fit({ ...whole, stop: afterSteps(2) }),
    await fit({ ...whole, stop: afterSteps(3) }),
  ];
  const { groups: _, ...plain } = whole;
  const seen = await fit({ ...plain, ...still, initialWeights: two.parameters });
  for (const name of ["batchNorm.runningMean", "batchNorm.runningVariance"]) {
    const [expected, got] = [seen, three].map((model) => model.parameters.get(name)!.data);
    expected!.forEach((value, channel) => {
      // The same products of numbers below 1, added up in another order.
      assert.ok(Math.abs(Number(value) - Number(got![channel])) < 1e-6, name);
    });
    assert.notDeepEqual(got, two.parameters.get(name)!.data);
  }
});

test("what is saved has plain weights under their names, is as large as ever and predicts what the model does", async () => {
  const folder = temporaryFolder();
  const [low, full] = [await fit(plan({ ...steps, groups: adapted })), await fit(plan(steps))];
  assert.deepEqual([...low.parameters.keys()].sort(), [...full.parameters.keys()].sort());
  const shapes = (model: Model) =>
    summarizeOnnx(model.toOnnx()).initializers.map(({ name, shape }) => [name, shape]);
  assert.deepEqual(shapes(low), shapes(full));
  const nodes = (model: Model) =>
    decodeOnnx(model.toOnnx()).nodes.map(({ operator, inputs }) => [operator, inputs]);
  assert.deepEqual(nodes(low), nodes(full));
  const { arrays: saved } = decodeSafetensors(low.toSafetensors());
  assert.deepEqual(new Map([...saved].sort()), new Map([...low.parameters].sort()));

  const { data } = plan({});
  const path = join(folder, "model.onnx");
  await low.save(path);
  const loaded = await loadModel(path);
  const x = Array.from({ length: 60 }, (_, i) => [Math.sin(i), Math.cos(3 * i), i / 60]);
  const { prediction } = await loaded.predict({ x });
  await loaded.close();
  assert.deepEqual(prediction!.data, (await low.predict(data)).prediction!.data);
});

test("slots and lane sums have room for what is trained alone", async () => {
  const started = async (change: object): Promise<StartedEvent> => {
    for await (const event of train(plan(change))) if (event.type === "started") return event;
    return assert.fail();
  };
  const body = sequence(linear(1024), linear(1024), linear(1));
  const model = ({ x }: { x: never }) => body(x);
  const groups = [{ parameters: "*.weight", lora: { rank: 1 } }];
  const [whole, low] = [await started({ model }), await started({ model, groups })];
  // Weights of 4 MB: the parameters and their merged copy, not two slots and a sum beside them. Memory is had in pages of 64 KiB.
  const megabytes = ({ arenaBytes }: StartedEvent) => arenaBytes / 2 ** 20;
  assert.ok(megabytes(whole) > 4 * 4 && megabytes(low) < 2 * 4 + 1, `${megabytes(whole)}, ${megabytes(low)}`);
  // A and B of each weight, and the three biases, which are in no group.
  assert.equal(low.parameterCount, 3 + 1024 + 1024 + 1024 + 1024 + 1 + (1024 + 1024 + 1));
});

test("no gradient of a weight's size is computed where it is multiplied", () => {
  const body = sequence(linear(40), tanh, linear(1));
  const groups = [{ parameters: "linear1.weight", lora: { rank: 2 } }];
  const { gradient } = trace(plan({ model: ({ x }: { x: never }) => body(x), groups }));
  assert.deepEqual(Object.values(gradient.sums), [
    "linear1.bias",
    "linear2.weight",
    "linear2.bias",
    "linear1.weight.lora.a",
    "linear1.weight.lora.b",
  ]);
  const { nodes } = decodeOnnx(gradient.first.bytes, "gradient");
  // Read once, by the product with x: nothing of its size is added to it, and so nothing of its size has a gradient.
  const readers = nodes.filter(({ inputs }) => inputs.includes("linear1.weight"));
  assert.deepEqual(
    readers.map(({ operator, inputs }) => [operator, ...inputs]),
    [["Gemm", "x", "linear1.weight", "linear1.bias"]],
  );
});

test("a run with LoRA is recorded, and a replay gives its bytes", async () => {
  const groups: ParameterGroup[] = [
    { parameters: "linear1.weight", lora: { rank: 2 } },
    { parameters: "linear1.bias", frozen: true },
  ];
  const change = {
    ...steps,
    groups,
    ema: ema({ decay: 0.9 }),
    validation: { data: plan({}).data, every: 2 },
  };
  const model = await fit(plan(change));
  assert.deepEqual(model.plan.groups?.[0], {
    parameters: ["linear1.weight"],
    frozen: false,
    lora: { rank: 2, alpha: 2, weights: ["linear1.weight"] },
    learningRateFactor: 1,
    weightDecayFactor: 1,
  });
  assert.deepEqual((await fit(plan({ ...change, replay: model.plan }))).parameters, model.parameters);
  const other = [{ parameters: "linear1.weight", lora: { rank: 1 } }];
  await assert.rejects(fit(plan({ ...change, groups: other, replay: model.plan })), /plan\.replay: .*groups/);
});

test("threads give the bytes of one, where few of the parameters are trained", async () => {
  const change = { ...steps, groups: adapted, microbatchSize: 4, validation: { data: plan({}).data } };
  const [one, two] = [await fit(plan(change)), await fit(plan({ ...change, parallel: threads(2) }))];
  assert.deepEqual(two.parameters, one.parameters);
});

test("a model that was adapted is adapted again, from its merged weights", async () => {
  const { parameters } = await fit(plan({ ...steps, groups: adapted }));
  const again = await fit(plan({ ...still, groups: adapted, initialWeights: parameters }));
  assert.deepEqual(again.parameters, parameters);
});

test("LoRA that cannot be is refused with what to write", async () => {
  const cases: readonly (readonly [object, string])[] = [
    [
      { parameters: "linear1.*", lora: { rank: 2.5 } },
      "plan.groups[0], lora: expected a rank that is a whole number from 1 on, got 2.5. Fix: for example rank: 8",
    ],
    [
      { parameters: "linear1.*", lora: {} },
      "plan.groups[0], lora: expected a rank that is a whole number from 1 on, got undefined. Fix: for example rank: 8",
    ],
    [
      { parameters: "linear1.*", lora: 8 },
      "plan.groups[0], lora: expected an object with a rank, got 8. Fix: for example lora: { rank: 8, alpha: 16 }",
    ],
    [
      { parameters: "linear1.*", lora: { rank: 1, alpha: 0 } },
      "plan.groups[0], lora: expected an alpha above 0, got 0. Fix: leave it out for the rank, or write twice the rank",
    ],
    [
      { parameters: "linear1.*", lora: { rank: 1, dropout: 0.1 } },
      "plan.groups[0], lora: expected only rank, alpha, got dropout. Fix: correct the name",
    ],
    [
      { parameters: "linear1.*", lora: { rank: 4 } },
      'plan.groups[0]: expected a rank of at most 3 for "linear1.weight" [16, 3], got 4. ' +
        "Fix: lower the rank, or leave that weight out of the patterns: trained as it is it has fewer numbers",
    ],
    [
      { parameters: "*.bias", lora: { rank: 1 } },
      'plan.groups[0]: expected a weight of two axes or more for lora, got none in "linear1.bias" [16], "linear2.bias" [1]. ' +
        "Fix: name the weights of layers, or train these without lora",
    ],
    [
      { parameters: "linear1.*", frozen: true, lora: { rank: 1 } },
      "plan.groups[0]: expected frozen, or lora, got both. " +
        "Fix: leave frozen out: under lora the weights keep their first values anyway",
    ],
  ];
  for (const [group, message] of cases) {
    await assert.rejects(fit(plan({ groups: [group] })), { name: "MicrobatchError", message });
  }
});
