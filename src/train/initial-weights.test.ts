import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { plan } from "../../test/plan.ts";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { float32, ndarray } from "../array/array.ts";
import { linear, sequence, tanh } from "../nn/index.ts";
import { square, sum } from "../ops/index.ts";
import { fit } from "./fit.ts";
import type { PartOfWeights } from "./initial-weights.ts";
import { loadSafetensors } from "./load-safetensors.ts";
import { afterSteps } from "./stop.ts";

const folder = temporaryFolder();
const still = { learningRate: () => 0 };

test("a model saved as safetensors is what another run begins with, bit for bit, and the record tells so", async () => {
  const model = await fit(plan({ stop: afterSteps(3) }));
  const path = join(folder, "model.safetensors");
  await model.saveSafetensors(path, { note: "mine" });
  const { arrays, metadata } = await loadSafetensors(path);
  assert.deepEqual(new Map([...arrays].sort()), new Map([...model.parameters].sort()));
  assert.equal(metadata.note, "mine");
  assert.equal(JSON.parse(metadata.microbatch!).plan.optimizer.name, "adamw");

  const { optimizer } = plan({});
  const again = await fit(
    plan({ seed: 9, initialWeights: arrays, optimizer: { ...optimizer, ...still }, stop: afterSteps(1) }),
  );
  assert.deepEqual(again.parameters, model.parameters);
  assert.match(again.plan.initialWeights!, /^[0-9a-f]{64}$/);
  assert.equal(model.plan.initialWeights, undefined);
});

test("a replay from other weights is refused", async () => {
  const { parameters } = await fit(plan({ stop: afterSteps(1) }));
  const model = await fit(plan({ initialWeights: parameters, stop: afterSteps(1) }));
  const same = await fit(plan({ initialWeights: parameters, replay: model.plan, stop: afterSteps(1) }));
  assert.deepEqual(same.parameters, model.parameters);
  const others = { initialWeights: model.parameters, replay: model.plan, stop: afterSteps(1) };
  await assert.rejects(fit(plan(others)), /^MicrobatchError: plan\.replay: expected .*initialWeights/);
});

test("weights that are not the model's are refused with all that lacks, is too much or has another shape", async () => {
  const initialWeights = new Map([
    ["linear1.weight", float32(new Float32Array(32), [16, 2])],
    ["linear1.bias", ndarray("float64", [16], new Float64Array(16))],
    ["linear2.weight", float32(new Float32Array(16), [1, 16])],
    ["head.bias", float32([0])],
  ]);
  await assert.rejects(fit(plan({ initialWeights })), {
    name: "MicrobatchError",
    message:
      "plan.initialWeights: expected float32 arrays with the names and shapes of the model's parameters, got " +
      'float32 [16, 2] for "linear1.weight" [16, 3], float64 [16] for "linear1.bias" [16], no "linear2.bias" [1], ' +
      '"head.bias" too many. Fix: give the model the layers of the one that was saved, rename the arrays, or leave some out: ' +
      '{ from: arrays, except: "head.*" }',
  });
});

/** Two outputs where the other plan's model has one: the names are the same. */
const twoHeaded = (change: object) => {
  const body = sequence(linear(16), tanh, linear(2));
  const loss = (predicted: never) => sum(square(predicted), { axes: [1] });
  return plan({ model: ({ x }: { x: never }) => body(x), loss, stop: afterSteps(1), ...change });
};

test("a model with another head begins with the rest of the weights, and draws the head", async () => {
  const { optimizer } = plan({});
  const { parameters } = await fit(plan({ stop: afterSteps(3) }));
  const [drawn, begun] = [
    await fit(twoHeaded({ optimizer: { ...optimizer, ...still } })),
    await fit(
      twoHeaded({
        optimizer: { ...optimizer, ...still },
        initialWeights: { from: parameters, except: ["linear2.weight", /2\.bias$/] },
      }),
    ),
  ];
  for (const [name, value] of begun.parameters) {
    assert.deepEqual(value, (name.startsWith("linear1") ? parameters : drawn.parameters).get(name), name);
  }
  assert.deepEqual(begun.plan.drawnWeights, ["linear2.weight", "linear2.bias"]);
  assert.match(begun.plan.initialWeights!, /^[0-9a-f]{64}$/);
});

test("what a run leaves out of the weights is in its record: a replay must leave out the same", async () => {
  const { parameters } = await fit(plan({ stop: afterSteps(1) }));
  const initialWeights = { from: parameters, only: [/^linear1/] };
  const model = await fit(twoHeaded({ initialWeights }));
  const same = await fit(twoHeaded({ initialWeights, replay: model.plan }));
  assert.deepEqual(same.parameters, model.parameters);
  const other = { initialWeights: { from: parameters, only: "linear1.weight" }, replay: model.plan };
  await assert.rejects(fit(twoHeaded(other)), /^MicrobatchError: plan\.replay: expected .*drawnWeights/);
});

test("a part of the weights that cannot be is refused with what to write", async () => {
  const { parameters: from } = await fit(plan({ stop: afterSteps(1) }));
  const names = "linear1.weight, linear1.bias, linear2.weight, linear2.bias";
  const cases: readonly (readonly [object, string])[] = [
    [
      { from, except: ["linear2.*", "haed.*"] },
      `plan.initialWeights.except: expected patterns that match parameters or arrays, got haed.*, which matches none. Fix: there are ${names}`,
    ],
    [
      { from, only: 1 },
      "plan.initialWeights.only: expected parameters as a text with *, a regular expression, or a list of them, got 1. " +
        'Fix: for example "linear1.*"',
    ],
    [
      { from, except: "*" },
      "plan.initialWeights: expected parameters that are taken, got all 4 left out. " +
        "Fix: make the patterns narrower, or leave initialWeights out",
    ],
    [
      { from, excpet: "linear2.*" },
      "plan.initialWeights: expected only from, except, only, got excpet. Fix: correct the name",
    ],
    [
      { from, except: "linear2.weight" } satisfies PartOfWeights,
      "plan.initialWeights: expected float32 arrays with the names and shapes of the model's parameters that are not left out, " +
        'got float32 [1] for "linear2.bias" [2]. Fix: leave these out as well, or rename the arrays',
    ],
  ];
  for (const [initialWeights, message] of cases) {
    await assert.rejects(fit(twoHeaded({ initialWeights })), { name: "MicrobatchError", message });
  }
});
