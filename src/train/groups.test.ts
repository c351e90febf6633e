import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { plan } from "../../test/plan.ts";
import { float32 } from "../array/array.ts";
import { arrays } from "../data/arrays.ts";
import { linear, sequence, squaredError, tanh } from "../nn/index.ts";
import { decodeOnnx } from "../onnx/graph.ts";
import { adamw, sgd } from "../optim/index.ts";
import { fit } from "./fit.ts";
import type { ParameterGroup } from "./groups.ts";
import { afterSteps } from "./stop.ts";
import { trace } from "./trace.ts";
import { train } from "./train.ts";

const steps = { stop: afterSteps(3) };
const valuesOf = async (change: object) => (await fit(plan({ ...steps, ...change }))).parameters;
const first = ["linear1.weight", "linear1.bias"];

test("what is frozen keeps its first values, the rest is trained, and the record names it", async () => {
  const begun = await valuesOf({ optimizer: adamw({ learningRate: () => 0 }) });
  const model = await fit(plan({ ...steps, groups: [{ parameters: "linear1.*", frozen: true }] }));
  for (const [name, value] of model.parameters) {
    const isKept = first.includes(name);
    assert.equal(JSON.stringify(value) === JSON.stringify(begun.get(name)), isKept, name);
  }
  assert.deepEqual(model.plan.groups, [
    { parameters: first, frozen: true, learningRateFactor: 1, weightDecayFactor: 1 },
  ]);
});

test("a frozen layer's gradient is not computed, nor is it counted as trained", async () => {
  const whole = trace(plan({}));
  const frozen = trace(plan({ groups: [{ parameters: "linear1.*", frozen: true }] }));
  assert.deepEqual(Object.values(frozen.gradient.first.parameters).sort(), [
    "linear1.bias",
    "linear1.weight",
    "linear2.bias",
    "linear2.weight",
  ]);
  assert.deepEqual(Object.values(frozen.gradient.sums), ["linear2.weight", "linear2.bias"]);
  const nodes = (bytes: Uint8Array) => decodeOnnx(bytes, "gradient").nodes.length;
  assert.ok(nodes(frozen.gradient.first.bytes) < nodes(whole.gradient.first.bytes));
  for await (const event of train(plan({ ...steps, groups: [{ parameters: "linear1.*", frozen: true }] }))) {
    if (event.type === "started") assert.equal(event.parameterCount, 16 + 1);
  }
});

test("a group's factor multiplies the learning rate: all of the parameters in it learn as at that rate", async () => {
  const slow = await valuesOf({
    optimizer: adamw({ learningRate: 0.01 }),
    groups: [{ parameters: "*", learningRateFactor: 0.5 }],
  });
  assert.deepEqual(slow, await valuesOf({ optimizer: adamw({ learningRate: 0.005 }) }));
});

test("a group's factor multiplies the weight decay, for its own parameters only", async () => {
  // One step, after which only what decays differs: the gradient of the first step is the same in both runs.
  const once = { stop: afterSteps(1), optimizer: sgd({ learningRate: 0.1, weightDecay: 0.2 }) };
  const decayed = await valuesOf(once);
  const spared = await valuesOf({ ...once, groups: [{ parameters: /\.weight$/, weightDecayFactor: 0 }] });
  const begun = await valuesOf({ ...once, optimizer: sgd({ learningRate: () => 0 }) });
  for (const [name, { data }] of spared) {
    const factor = name.endsWith(".weight") ? 0.1 * 0.2 : 0;
    data.forEach((value, index) => {
      const difference = Number(value) - Number(decayed.get(name)!.data[index]);
      const expected = factor * Number(begun.get(name)!.data[index]);
      // Both values are float32 below 2, so each is off by at most 2⁻²⁴ per operation of the update.
      assert.ok(Math.abs(difference - expected) < 5e-7, `${name}[${index}]: ${difference}, not ${expected}`);
    });
  }
});

test("a replay of a run with groups gives its bytes", async () => {
  const groups: ParameterGroup[] = [
    { parameters: "linear1.weight", frozen: true },
    { parameters: ["linear1.bias", /^linear2\.w/], learningRateFactor: 3 },
  ];
  const model = await fit(plan({ ...steps, groups }));
  assert.deepEqual(await valuesOf({ groups, replay: model.plan }), model.parameters);
});

interface Golden {
  readonly x: readonly number[][];
  readonly y: readonly number[][];
  readonly initial: Readonly<Record<string, readonly number[] | readonly number[][]>>;
  readonly adamw: Golden["initial"];
  readonly sgd: Golden["initial"];
}

test("five steps with groups end where those of PyTorch's parameter groups do", async () => {
  const url = new URL("../../test/golden/groups.json", import.meta.url);
  const golden: Golden = JSON.parse(await readFile(url, "utf8")); // written by make_groups.py
  const arraysOf = (values: Golden["initial"]) =>
    new Map(
      Object.entries(values).map(([name, value]) => {
        const [first] = value;
        const shape = Array.isArray(first) ? [value.length, first.length] : [value.length];
        return [name, float32(value.flat(), shape)];
      }),
    );
  const rules = {
    adamw: adamw({ learningRate: 0.05, weightDecay: 0.1 }),
    sgd: sgd({ learningRate: 0.1, momentum: 0.9, weightDecay: 0.05 }),
  };
  const body = sequence(linear(4), tanh, linear(1));
  for (const name of ["adamw", "sgd"] as const) {
    const { parameters } = await fit({
      data: arrays({ x: golden.x, y: golden.y }),
      model: (row) => body(row.x),
      loss: (predicted, row) => squaredError(predicted, row.y),
      optimizer: rules[name],
      microbatchSize: 2,
      stop: afterSteps(5),
      initialWeights: arraysOf(golden.initial),
      groups: [
        { parameters: "linear1.weight", learningRateFactor: 0.25 },
        { parameters: "linear1.bias", frozen: true },
        { parameters: "linear2.bias", learningRateFactor: 3, weightDecayFactor: 0 },
      ],
    });
    for (const [key, { data }] of arraysOf(golden[name])) {
      const got = parameters.get(key)!.data;
      data.forEach((value, index) => {
        const gap = Math.abs(Number(value) - Number(got[index]));
        // Five float32 steps on numbers below 4 (spacing 2.4e-7); Adam's quotients of moments keep the relative error.
        assert.ok(gap < 2e-6, `${name} ${key}[${index}]: ${got[index]}, not ${value}`);
      });
    }
  }
});

test("groups that cannot be are refused with what to write", async () => {
  const names = "linear1.weight, linear1.bias, linear2.weight, linear2.bias";
  const cases: readonly (readonly [object[], string])[] = [
    [
      [{ parameters: "body.*", frozen: true }],
      `plan.groups[0]: expected patterns that match parameters, got body.*, which matches none. Fix: the model's are ${names}`,
    ],
    [
      [{ parameters: "*", frozen: true }],
      "plan.groups: expected at least one parameter that is trained, got all 4 frozen. " +
        "Fix: make the patterns of what is frozen narrower",
    ],
    [
      [
        { parameters: "linear1.*", frozen: true },
        { parameters: /bias/, learningRateFactor: 2 },
      ],
      'plan.groups[1]: expected parameters that no other group has, got "linear1.bias", which plan.groups[0] has too. ' +
        "Fix: make one of the patterns narrower",
    ],
    [
      [{ parameters: "*", learningRateFactor: 0 }],
      "plan.groups[0]: expected a learningRateFactor above 0, got 0. " +
        "Fix: 1 is the optimizer's rate; frozen: true is none",
    ],
    [
      [{ parameters: "*", weightDecayFactor: -1 }],
      "plan.groups[0]: expected a weightDecayFactor from 0 on, got -1. " +
        "Fix: 1 is the optimizer's weight decay, 0 is none",
    ],
    [
      [{ parameters: "*", frozen: true, learningRateFactor: 2 }],
      "plan.groups[0]: expected frozen, or factors, got both. " +
        "Fix: leave the factors out: what is frozen is not updated",
    ],
    [
      [{ parameters: "*", learningRate: 2 }],
      "plan.groups[0]: expected only parameters, frozen, lora, learningRateFactor, weightDecayFactor, got learningRate. " +
        "Fix: correct the name",
    ],
    [
      [{ parameters: "*", frozen: "yes" }],
      'plan.groups[0]: expected frozen true or false, got "yes". Fix: leave it out, or write frozen: true',
    ],
    [
      [{ parameters: 5, frozen: true }],
      "plan.groups[0]: expected parameters as a text with *, a regular expression, or a list of them, got 5. " +
        'Fix: for example "linear1.*"',
    ],
  ];
  for (const [groups, message] of cases) {
    await assert.rejects(fit(plan({ groups })), { name: "MicrobatchError", message });
  }
  await assert.rejects(
    fit(plan({ optimizer: sgd({ learningRate: 1 }), groups: [{ parameters: "*", weightDecayFactor: 2 }] })),
    {
      message:
        "plan.groups[0]: expected an optimizer with weight decay, got one without, and weightDecayFactor 2. " +
        "Fix: give the optimizer a weightDecay, and the groups that shall not decay the factor 0",
    },
  );
});
