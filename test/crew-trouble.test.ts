/** Crews of threads in trouble: late and failing data, threads that are lost or stuck while something is evaluated, runs that are left. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { randomSequence } from "../src/array/random.ts";
import type { Dataset } from "../src/data/dataset.ts";
import { moduleBeside } from "../src/data/module-beside.ts";
import type { Sampler } from "../src/data/sampler.ts";
import {
  adamw,
  afterSteps,
  arrays,
  cast,
  crossEntropy,
  div,
  flatten,
  flip,
  linear,
  type Plan,
  relu,
  type StopRule,
  sequence,
  train,
} from "../src/index.ts";
import { cached } from "../src/node.ts";
import type { Crew, CrewFactory, CrewJob, EvaluationJob } from "../src/parallel/crew.ts";
import type { Disturb } from "../src/parallel/disturbance.ts";
import { threads } from "../src/parallel/threads.ts";
import { automatic } from "../src/parallel/threads-automatic.ts";
import { openThreads } from "../src/parallel/threads-crew.ts";
import { holdings } from "./endurance/memory.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const samples = 200;
const folder = temporaryFolder();

function inMemory(weightOf: (sample: number) => number = () => 1) {
  const random = randomSequence(2, "crew trouble", 0);
  const x = Uint8Array.from({ length: samples * 16 }, (_, index) => Math.floor(256 * random(index)));
  const y = Int32Array.from({ length: samples }, (_, sample) => sample % 5);
  const weight = Float32Array.from({ length: samples }, (_, sample) => weightOf(sample));
  return arrays({ x: { data: x, shape: [samples, 1, 4, 4] }, y, weight }, { weight: "weight" });
}

function planOf(data: Dataset, change: object = {}): Plan {
  const body = sequence(flatten, linear(300), relu, linear(5));
  return {
    data,
    model: (row) => body(div(cast(row.x!, "float32"), 255)),
    loss: (predicted, row) => crossEntropy(predicted, row.y!),
    optimizer: adamw({ learningRate: 0.01 }),
    batchSize: 30,
    microbatchSize: 4,
    validation: { data, every: 2 },
    stop: afterSteps(4),
    seed: 4,
    ...change,
  } as Plan; // of the columns that the data has
}

/** What a run measures, and its hash. */
async function outcome(plan: Plan): Promise<unknown[]> {
  const told: unknown[] = [];
  for await (const event of train(plan)) {
    if (event.type === "step") told.push(event.loss, event.gradientNorm);
    if (event.type === "evaluated") told.push(event.metrics);
    if (event.type === "finished") told.push(event.stateSha256);
  }
  return told;
}

/** The same samples, each reading of them after a few milliseconds. */
function late(data: Dataset, milliseconds = 1): Dataset {
  const random = randomSequence(5, "late", 0);
  let reads = 0;
  const read: Dataset["read"] = async (...what) => {
    await new Promise((resolve) => setTimeout(resolve, milliseconds * random(reads++)));
    await data.read(...what);
  };
  return { ...data, read };
}

/** The same samples from a disk. */
function onDisk({ name, columns, ...data }: ReturnType<typeof inMemory>): Promise<Dataset> {
  const all = Uint32Array.from({ length: samples }, (_, sample) => sample);
  async function* pieces() {
    const values = {
      x: new Uint8Array(16 * samples),
      y: new Int32Array(samples),
      weight: new Float32Array(samples),
    };
    for (const column of ["x", "y", "weight"] as const) data.read(column, all, values[column]);
    yield { samples, columns: values };
  }
  const source = { name, columns, weight: "weight", fingerprint: () => data.fingerprint(), pieces };
  return cached(source, { folder, bytesInMemory: 0 });
}

const losses: Disturb = { seed: 7, thrown: 0.05, delayed: 0.2, milliseconds: 4 };

test("samples that come late, or from a disk, give the bytes of those in memory, with threads that are lost too", async () => {
  const told = await outcome(planOf(inMemory()));
  for (const data of [late(inMemory()), await onDisk(inMemory())]) {
    assert.deepEqual(
      await outcome(planOf(data, { parallel: threads(3, { disturb: losses, stopAfterLosses: 100 }) })),
      told,
    );
  }
});

test("augmented samples from a disk have the same bytes with threads that are lost", async () => {
  const augment = { x: [flip()] };
  const told = await outcome(planOf(inMemory(), { augment }));
  const parallel = threads(3, { disturb: { ...losses, seed: 9 }, stopAfterLosses: 100 });
  assert.deepEqual(await outcome(planOf(await onDisk(inMemory()), { augment, parallel })), told);
});

/** Every sample twice in an epoch, so that a batch may have more samples than there are. */
const twice: Sampler = {
  name: "twice",
  epoch: (size) => ({ length: 2 * size, at: (position) => position % size }),
};

test("more threads than lanes, and batches smaller than threads, have the bytes of one thread", async () => {
  for (const change of [
    { lanes: 2 },
    { batchSize: 3, microbatchSize: 2 },
    { batchSize: 400, microbatchSize: 30, sampler: twice },
  ]) {
    const told = await outcome(planOf(inMemory(), { ...change, parallel: threads(1) }));
    assert.deepEqual(await outcome(planOf(inMemory(), { ...change, parallel: threads(4) })), told);
  }
});

test("threads that are lost in the middle of an evaluation change nothing", async () => {
  const told = await outcome(planOf(inMemory()));
  for (const data of [inMemory(), late(inMemory())]) {
    const disturb: Disturb = { seed: 3, thrown: 0.5, phase: "evaluation" };
    assert.deepEqual(await outcome(planOf(data, { parallel: threads(2, { disturb }) })), told);
  }
});

test("threads that never start end the run", async () => {
  const disturb: Disturb = { seed: 3, thrown: 1, phase: "start" };
  const events: string[] = [];
  const begun = async () => {
    const parallel = threads(2, { disturb });
    for await (const { type } of train(planOf(inMemory(), { parallel, stop: afterSteps(1e6) })))
      events.push(type);
  };
  await assert.rejects(begun(), {
    message:
      "thread 1: expected threads that come back, got one that ended three times before it began (thrown out on purpose in its start). Fix: fewer threads, in case memory is short; if that is not it, please report it",
  });
  assert.deepEqual(events, []);
});

test("a plan that names no crew trains alone where threads never start", async () => {
  const disturb: Disturb = { seed: 3, thrown: 1, phase: "start" };
  let stepsToGo = Number.POSITIVE_INFINITY;
  const open = (job: CrewJob, workers: number) =>
    openThreads(job, workers, { disturb }).finally(() => (stepsToGo = 20));
  const stop: StopRule = {
    name: "after the threads",
    initial: null,
    next: (state, { type }) => (type === "step" && --stepsToGo <= 0 ? { state, reason: "done" } : { state }),
  };
  await outcome(planOf(inMemory(), { stop, validation: undefined, parallel: automatic(open, 2) }));
});

test("what a dataset throws is told as with one thread", async () => {
  const broken = (fails: () => void | Promise<void>): Dataset => {
    const data = inMemory();
    const read: Dataset["read"] = (column, asked, into) =>
      asked.includes(17) ? fails() : data.read(column as "x", asked, into);
    return { ...data, read };
  };
  const thrown = () => {
    throw new Error("sample 17 cannot be read");
  };
  const rejected = async () => {
    await new Promise((resolve) => setTimeout(resolve, 2));
    thrown();
  };
  for (const fails of [thrown, rejected]) {
    for (const parallel of [undefined, threads(3)]) {
      const plan = planOf(broken(fails), {
        stop: afterSteps(20),
        validation: undefined,
        ...(parallel && { parallel }),
      });
      await assert.rejects(outcome(plan), { message: "sample 17 cannot be read" });
    }
  }
});

test("a consumer that stops an evaluation early leaves nothing to the next one", async () => {
  let crew: Crew | undefined;
  const jobs: EvaluationJob[] = [];
  const parallel: CrewFactory = {
    ...threads(2),
    open: async (job) => {
      const opened = await threads(2).open(job);
      crew = opened;
      const evaluate: Crew["evaluate"] = (asked) => {
        jobs.push(asked);
        return opened.evaluate(asked);
      };
      return Object.assign(Object.create(opened) as Crew, { evaluate, ...bound(opened) }); // the same crew, overheard
    },
  };
  const gather = async (most: number) => {
    const told: unknown[] = [];
    for await (const { samples, outputs } of crew!.evaluate({ ...jobs[0]!, microbatchSize: 3 })) {
      told.push(
        [...samples],
        Object.values(outputs).map(({ data }) => [...data]),
      );
      if (--most === 0) break;
    }
    return told;
  };
  for await (const event of train(planOf(late(inMemory()), { parallel }))) {
    if (event.type !== "evaluated") continue;
    const whole = await gather(1000);
    for (const most of [1, 2, 7]) {
      const part = await gather(most);
      assert.deepEqual(part, whole.slice(0, 2 * most));
      assert.deepEqual(await gather(1000), whole);
    }
    break;
  }
});

const bound = (crew: Crew) => ({
  sumGradients: crew.sumGradients.bind(crew),
  update: crew.update.bind(crew),
  close: crew.close.bind(crew),
});

test("runs at once, runs that are left and runs after one that failed do not disturb each other", async () => {
  const told = await outcome(planOf(inMemory()));
  for await (const event of train(planOf(inMemory(), { parallel: threads(2) })))
    if (event.type === "step") break;
  const broken = { ...inMemory(), read: () => Promise.reject(new Error("gone")) };
  const failing = planOf(broken, { parallel: threads(2) });
  await assert.rejects(outcome(failing), { message: "gone" });
  const runs = [2, 3].map((workers) => outcome(planOf(inMemory(), { parallel: threads(workers) })));
  for (const one of await Promise.all(runs)) assert.deepEqual(one, told);
});

for (const phase of ["training", "evaluation"] as const) {
  test(`a thread that does not come back in ${phase} ends the run, which names its samples, and then the process`, async () => {
    const child = spawn(
      process.execPath,
      [fileURLToPath(moduleBeside(import.meta.url, "./stuck-child")), phase],
      {
        stdio: ["ignore", "pipe", "inherit"],
        timeout: 60_000, // a child that hangs fails the test
      },
    );
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
    const code = await new Promise((resolve) => child.on("close", resolve));
    const where = phase === "training" ? String.raw`microbatch \d+` : "evaluation";
    assert.match(
      text,
      new RegExp(
        `^${where}, samples [\\d, ]+( and \\d+ more)?: expected threads that come back, got a thread that has not come back from it for 0\\.5 s\\. Fix: look at these samples, end the process and go on from the last checkpoint; or allow more: threads\\(n, { stuckAfterSeconds }\\)\n$`,
      ),
    );
    assert.equal(code, 0);
  });
}

test("memory and handles stay as they are from one batch on threads to the next", async () => {
  const [early, late] = await holdings(8000);
  assert.ok(late.resources <= early.resources, `${early.resources} and then ${late.resources}`);
  // 7200 microbatches that kept 4 KiB each would hold 29 MB more; garbage that waits for its collection is a few.
  const grown = late.residentBytes - early.residentBytes;
  assert.ok(grown < 25e6, `grown by ${Math.round(grown / 1e6)} MB`);
});
