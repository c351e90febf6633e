import assert from "node:assert/strict";
import { test } from "node:test";
import { arrays } from "../src/data/arrays.ts";
import { adamw } from "../src/optim/index.ts";
import { threads } from "../src/parallel/threads.ts";
import type { FinishedEvent, StartedEvent, TrainEvent } from "../src/train/event.ts";
import { afterEpochs, afterSteps, whenStale } from "../src/train/stop.ts";
import { train } from "../src/train/train.ts";
import { memoryStore } from "./memory-store.ts";
import { plan } from "./plan.ts";

/** A run with everything that has a state: slots, an average, best weights, stop rules, a sampler, dropout, carried samples. */
const full = (change: object) => {
  const one = plan({});
  return {
    ...one,
    batchSize: 14,
    microbatchSize: 4,
    lastBatch: "carry" as const,
    validation: { data: one.data, every: 3 },
    stop: [afterSteps(23), whenStale("validation.loss", { patience: 50 })],
    ...change,
  };
};

async function run(
  change: object,
): Promise<{ events: TrainEvent[]; finished: FinishedEvent; started: StartedEvent }> {
  const events: TrainEvent[] = [];
  for await (const event of train(full(change))) events.push(event);
  return { events, started: events[0] as StartedEvent, finished: events.at(-1) as FinishedEvent };
}

test("a run that goes on from any of its checkpoints ends with the bytes of an undisturbed one", async () => {
  const undisturbed = await run({});
  const { store, saved } = memoryStore();
  await run({ checkpoint: { store, everySteps: 1 } });
  assert.equal(saved.length, 23); // the last of them with the reason of the stop
  for (const [index, found] of saved.entries()) {
    const resumed = memoryStore();
    resumed.saved.push(found);
    const { finished, started, events } = await run({
      checkpoint: { store: resumed.store, everySteps: 1000, resume: true },
      ...(index % 5 === 0 && { parallel: threads(2) }),
    });
    assert.equal(started.resumedAt, index + 1);
    assert.equal(finished.stateSha256, undisturbed.finished.stateSha256, `from step ${index + 1}`);
    assert.deepEqual(finished.stop, undisturbed.finished.stop);
    assert.equal(events.filter(({ type }) => type === "step").length, 23 - (index + 1));
  }
});

test("a run that has ended goes on as a longer one, with the bytes of one that was as long from the beginning", async () => {
  const stale = (patience: number) => whenStale("validation.loss", { patience, minimumChange: 1e9 });
  // Evaluated after every epoch: the end of the short run is one evaluation more, and the best there would be.
  const { data } = plan({});
  const optimizer = adamw({ learningRate: (step) => (step < 10 ? 0.01 : 1) });
  const validation = { validation: { data }, optimizer };
  for (const [short, long, endsAt] of [
    [{ stop: afterSteps(10) }, { stop: afterSteps(23) }, 10],
    [{ stop: afterSteps(10), ...validation }, { stop: afterSteps(23), ...validation }, 10],
    [{ stop: afterEpochs(2) }, { stop: afterEpochs(5) }, 9],
    [{ stop: [stale(2), afterSteps(23)] }, { stop: [stale(50), afterSteps(23)] }, 9],
  ] as const) {
    const { store, saved } = memoryStore();
    const first = await run({ ...short, checkpoint: { store } });
    assert.equal(saved.at(-1)!.state.step, endsAt);
    const again = await run({ ...short, checkpoint: { store, resume: true } });
    assert.equal(again.events.filter(({ type }) => type === "step").length, 0);
    assert.deepEqual(
      [again.finished.stop, again.finished.stateSha256],
      [first.finished.stop, first.finished.stateSha256],
    );
    const longer = await run({ ...long, checkpoint: { store, resume: true } });
    const undisturbed = await run(long);
    assert.equal(longer.finished.stateSha256, undisturbed.finished.stateSha256);
    assert.deepEqual(longer.finished.stop, undisturbed.finished.stop);
    assert.deepEqual(longer.finished.model.toOnnx(), undisturbed.finished.model.toOnnx());
    assert.ok(longer.finished.steps > endsAt);
  }
});

test("a run that is interrupted is saved as it was before its last evaluation, and goes on from there", async () => {
  const undisturbed = await run({});
  const { store, saved } = memoryStore();
  const controller = new AbortController();
  for await (const event of train(full({ checkpoint: { store }, signal: controller.signal })))
    if (event.type === "step" && event.step === 10) controller.abort(new Error("that is enough"));
  assert.deepEqual([saved.length, saved[0]!.state.step, saved[0]!.stop], [1, 10, null]);
  const { finished } = await run({ checkpoint: { store, resume: true } });
  assert.equal(finished.stateSha256, undisturbed.finished.stateSha256);
});

test("a place that holds a run already is refused to a new one, and an empty one begins anew and says so", async () => {
  const { store } = memoryStore();
  const { started } = await run({ checkpoint: { store, everySteps: 5, resume: true } });
  assert.deepEqual(started.notes, ["memory has no checkpoint yet: the run begins anew"]);
  await assert.rejects(run({ checkpoint: { store } }), {
    message:
      "plan.checkpoint, memory: expected a place without checkpoints for a new run, got a run at step 23. Fix: go on with it by resume: true, or name another place",
  });
});

test("a plan with other bytes is refused with its differences; those that do no harm can be allowed", async () => {
  const { store } = memoryStore();
  await run({ checkpoint: { store, everySteps: 5 } });
  await assert.rejects(run({ seed: 5, checkpoint: { store, resume: "anyway" } }), {
    message:
      "plan.checkpoint, memory: expected the plan that was saved at step 23 (seed 0), got seed 5. Fix: make the plan what it was, or begin anew in another place",
  });
  const longer = { stop: [afterSteps(30)] };
  await assert.rejects(run({ ...longer, checkpoint: { store, resume: true } }), {
    message:
      'plan.checkpoint, memory: expected the plan that was saved at step 23 (stop ["afterSteps","whenStale"]), got stop ["afterSteps"]. Fix: make the plan what it was, or go on in spite of it: resume: "anyway"',
  });
  const { optimizer } = plan({});
  const slower = {
    ...optimizer,
    learningRate: () => 1e-4,
    options: { ...optimizer.options, learningRate: 1e-4 },
  };
  const { started } = await run({ optimizer: slower, checkpoint: { store, resume: "anyway" } });
  assert.equal(started.resumedAt, 23);
  const other = { ...slower, options: { ...slower.options, learningRate: 1e-4, epsilon: 1 } };
  await assert.rejects(run({ optimizer: other, checkpoint: { store, resume: "anyway" } }), /begin anew/);
});

test("a run does not go on with other validation samples: the best so far was chosen by those it had", async () => {
  const { store } = memoryStore();
  await run({ checkpoint: { store, everySteps: 5 } });
  const { data } = full({}).validation;
  const hash = await data.fingerprint();
  const other = arrays({ x: [[1, 2, 3]], y: [[1]] });
  await assert.rejects(
    run({ validation: { data: other, every: 3 }, checkpoint: { store, resume: "anyway" } }),
    {
      message:
        `plan.checkpoint, memory: expected the plan that was saved at step 23 (validationData {"samples":60,"sha256":"${hash}"}), ` +
        `got validationData {"samples":1,"sha256":"${await other.fingerprint()}"}. Fix: make the plan what it was, or begin anew in another place`,
    },
  );
});
