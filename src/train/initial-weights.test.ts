import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { plan } from "../../test/plan.ts";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { float32, ndarray } from "../array/array.ts";
import { fit } from "./fit.ts";
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
      '"head.bias" too many. Fix: give the model the layers of the one that was saved, or rename the arrays',
  });
});
