import assert from "node:assert/strict";
import { test } from "node:test";
import { plan } from "../../test/plan.ts";
import { alone } from "../parallel/alone.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { VerifyClock } from "./verify-check.ts";
import { openProbe, SharedSessions } from "./verify-probe.ts";

/** The runtime, with what it has loaded and not closed, and how often it has loaded anything. */
function counting(runtime: Runtime) {
  const counts = { loaded: 0, open: 0, bound: 0 };
  const loadInPlace: Runtime["loadInPlace"] = async (name, bytes) => {
    const session = await runtime.loadInPlace(name, bytes);
    counts.loaded++;
    counts.open++;
    return {
      inputs: session.inputs,
      outputs: session.outputs,
      bind: (feeds, fetches) => {
        const { run, release } = session.bind(feeds, fetches);
        counts.bound++;
        const released = () => {
          counts.bound--;
          release?.();
        };
        return { run, release: released };
      },
      close: async () => {
        counts.open--;
        await session.close();
      },
    };
  };
  return { counts, runtime: { ...runtime, loadInPlace } };
}

test("however many gradients are asked for, each program is loaded once, and nothing stays bound behind one", async () => {
  const probe = await openProbe(plan({}), new VerifyClock(120));
  const { counts, runtime } = counting(probe.job.runtime);
  const sessions = new SharedSessions(runtime);
  const samples = await probe.samples(11, 0);
  const squares: number[] = [];
  for (const microbatchSize of [1, 2, 4, 1]) {
    const crew = await alone({ ...probe.job, runtime: sessions.runtime, microbatchSize, lanes: 3 });
    const totals = await crew.sumGradients({ step: 1, samples, epochs: new Uint32Array(samples.length) });
    squares.push(totals.squaredNorms[0]!);
    assert.ok(counts.bound > 0);
    await crew.close();
    assert.equal(counts.bound, 0);
  }
  assert.equal(squares[0], squares[3]);
  assert.deepEqual([counts.loaded, counts.open], [2, 2]); // the first microbatch of a lane has a program of its own
  await sessions.close();
  assert.equal(counts.open, 0);
  await probe.close();
});
