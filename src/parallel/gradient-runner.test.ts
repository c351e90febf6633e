import assert from "node:assert/strict";
import { test } from "node:test";
import { arrays } from "../data/arrays.ts";
import { sequential } from "../data/sampler.ts";
import { linear, sequence, squaredError } from "../nn/index.ts";
import { sgd } from "../optim/index.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { definePlan } from "../train/plan.ts";
import { afterEpochs } from "../train/stop.ts";
import { train } from "../train/train.ts";
import { alone } from "./alone.ts";
import type { CrewFactory, GradientPrograms } from "./crew.ts";
import { mostOthers } from "./gradient-runner.ts";

/** The runtime, with a count of the bindings that are not released. */
function counting(runtime: Runtime) {
  const counts = { open: 0, most: 0, made: 0 };
  const loadInPlace: Runtime["loadInPlace"] = async (name, bytes) => {
    const session = await runtime.loadInPlace(name, bytes);
    return {
      inputs: session.inputs,
      outputs: session.outputs,
      close: () => session.close(),
      bind: (feeds, fetches) => {
        const { run, release } = session.bind(feeds, fetches);
        counts.made++;
        counts.most = Math.max(counts.most, ++counts.open);
        const released = () => {
          counts.open--;
          release?.();
        };
        return { run, release: released };
      },
    };
  };
  return { counts, runtime: { ...runtime, loadInPlace } };
}

const [batch, steps] = [256, 130];

/** Batches of which each but the last has another number of samples with weight. */
function plan(parallel: CrewFactory) {
  const samples = Array.from({ length: batch * steps }, (_, sample) => sample);
  const counted = (step: number) => (step === steps - 1 ? batch : batch - 1 - step);
  const data = arrays(
    {
      x: samples.map((sample) => [Math.sin(sample)]),
      y: samples.map((sample) => [Math.cos(sample)]),
      weight: Float32Array.from(samples, (sample) =>
        sample % batch < counted(Math.floor(sample / batch)) ? 1 : 0,
      ),
    },
    { weight: "weight" },
  );
  const body = sequence(...Array.from({ length: 40 }, () => linear(2)), linear(1));
  return definePlan({
    data,
    model: (row) => body(row.x),
    loss: (predicted, row) => squaredError(predicted, row.y),
    optimizer: sgd({ learningRate: 0.001 }),
    sampler: sequential(),
    batchSize: batch,
    microbatchSize: batch,
    parallel,
    stop: afterEpochs(2),
  });
}

test("where every batch ends in another size, the bindings that are kept come to a few megabytes", async () => {
  let counts = { open: 0, most: 0, made: 0 };
  let gradient: GradientPrograms | undefined;
  const open: CrewFactory["open"] = (job) => {
    const counted = counting(job.runtime);
    [counts, gradient] = [counted.counts, job.gradient];
    return alone({ ...job, runtime: counted.runtime });
  };
  for await (const event of train(plan({ name: "alone", workers: 1, open })))
    if (event.type === "finished") assert.equal(event.steps, 2 * steps);
  const most = mostOthers(gradient!);
  assert.ok(most >= 8 && most < steps / 1.5, `${most}`);
  // And one of full microbatches, and the one that is made before the oldest is given back.
  assert.equal(counts.most, most + 2);
  assert.equal(counts.made, 2 * (steps - 1) + 1);
});
