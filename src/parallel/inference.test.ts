import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { ndarray } from "../array/array.ts";
import { buildProgram } from "../graph/program.ts";
import { input } from "../graph/tensor.ts";
import { encodeOnnx } from "../onnx/encode.ts";
import { add } from "../ops/index.ts";
import { nodeRuntime } from "../runtime/ort-node.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type Arrays, inOrder } from "./inference.ts";
import { inferOnThreads } from "./threads-inference.ts";

/** Results that take their time, the later the less; `log` is told what begins. */
async function* begin(count: number, log: number[] = [], wrong = -1) {
  for (let index = 0; index < count; index++) {
    log.push(index);
    const value = async () => {
      await setTimeout(count - index);
      if (index === wrong) throw new Error(`${index} is wrong`);
      return index;
    };
    yield { result: value() };
  }
}

test("results come in the order in which they are begun, and no more than so many are begun ahead", async () => {
  const log: number[] = [];
  const results: number[] = [];
  for await (const result of inOrder(begin(10, log), 3)) {
    results.push(result);
    assert.ok(log.length <= result + 3, `${log.length} begun at ${result}`);
  }
  assert.deepEqual(results, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("what fails is thrown behind what was begun before it, whether it fails to begin or to end", async () => {
  const failing = async function* () {
    yield* begin(4);
    throw new Error("4 cannot begin");
  };
  for (const [begun, message] of [
    [failing(), "4 cannot begin"],
    [begin(9, [], 4), "4 is wrong"],
  ] as const) {
    const results: number[] = [];
    const take = async () => {
      for await (const result of inOrder(begun, 6)) results.push(result);
    };
    await assert.rejects(take(), { message });
    assert.deepEqual(results, [0, 1, 2, 3]);
  }
});

const x = input("x", ["batch", 2]);
const program = buildProgram({ name: "sum", outputs: { sum: add(x, input("held", [2])) } });
const bytes = encodeOnnx(program);
const held = { held: ndarray("float32", [2], Float32Array.of(10, 20)) };
const feedsOf = (run: number) => ({ x: ndarray("float32", [1, 2], Float32Array.of(run, -run)) });
const sumOf = ({ sum }: Arrays) => Array.from(sum?.data ?? [], Number);

/** A runtime for the first thread alone, whose runs answer what `run` does. */
const withRun = (runtime: Runtime, run: () => Promise<Arrays>): Runtime => ({
  ...runtime,
  load: async (name) => ({ ...(await runtime.load(name, bytes)), bind: () => ({ run }) }),
});
const here = { sum: ndarray("float32", [1, 2], Float32Array.of(-1, -1)) };

test("while this thread computes, the others do the rest", async () => {
  const others = Promise.withResolvers<void>();
  const runtime = withRun(await nodeRuntime(), async () => {
    await others.promise;
    return here;
  });
  const inference = await inferOnThreads({ runtime, name: "sum", bytes, held }, 3);
  const results = Array.from({ length: 12 }, (_, run) => inference.run(feedsOf(run)).then(sumOf));
  const isHere = 0; // the others are still being started
  await Promise.all(results.filter((_, run) => run !== isHere));
  others.resolve();
  const expected = (run: number) => (run === isHere ? [-1, -1] : [10 + run, 20 - run]);
  assert.deepEqual(
    await Promise.all(results),
    Array.from({ length: 12 }, (_, run) => expected(run)),
  );
  await inference.close();
});

test("what another thread cannot run is run here, and so is everything where none can begin", async () => {
  const others = Promise.withResolvers<void>();
  let runsHere = 0;
  const runtime = withRun(await nodeRuntime(), async () => {
    if (++runsHere === 1) await others.promise;
    return here;
  });
  const unfit = { y: ndarray("float32", [1], Float32Array.of(1)) };
  const inference = await inferOnThreads({ runtime, name: "sum", bytes, held }, 2);
  const first = inference.run(feedsOf(0));
  assert.deepEqual(sumOf(await inference.run(feedsOf(1))), [11, 19]);
  const failing = inference.run(unfit);
  assert.deepEqual(sumOf(await inference.run(feedsOf(2))), [12, 18]);
  others.resolve();
  assert.deepEqual([await first, await failing].map(sumOf), [
    [-1, -1],
    [-1, -1],
  ]);
  assert.equal(runsHere, 2);
  await inference.close();
  const alone = await inferOnThreads({ runtime, name: "sum", bytes: Uint8Array.of(1), held }, 2);
  const all = await Promise.all([alone.run(feedsOf(1)), alone.run(feedsOf(2)), alone.run(feedsOf(3))]);
  assert.deepEqual(all.map(sumOf), [
    [-1, -1],
    [-1, -1],
    [-1, -1],
  ]);
  await alone.close();
});

test("feeds that no thread takes are an error of their run, and of no other", async () => {
  const inference = await inferOnThreads({ runtime: await nodeRuntime(), name: "sum", bytes, held }, 2);
  await Promise.all([1, 2, 3, 4].map((run) => inference.run(feedsOf(run))));
  await assert.rejects(inference.run({ y: feedsOf(1).x }), {
    message: /^program "sum", feeds: expected /,
  });
  assert.deepEqual(sumOf(await inference.run(feedsOf(5))), [15, 15]);
  await inference.close();
});

test("no more threads are started than there are runs at once, and closing waits for those that have just begun", async () => {
  let started = 0;
  const count = () => started++;
  process.on("worker", count);
  try {
    const runtime = await nodeRuntime();
    const inference = await inferOnThreads({ runtime, name: "sum", bytes, held }, 16);
    for (const run of [1, 2, 3])
      assert.deepEqual(sumOf(await inference.run(feedsOf(run))), [10 + run, 20 - run]);
    assert.equal(started, 0);
    await Promise.all([1, 2, 3].map((run) => inference.run(feedsOf(run))));
    assert.equal(started, 2);
    await Promise.all([1, 2, 3].map((run) => inference.run(feedsOf(run))));
    assert.equal(started, 2);
    await inference.close();
    const few = await inferOnThreads({ runtime, name: "sum", bytes, held }, 2);
    await Promise.all([1, 2, 3, 4, 5, 6].map((run) => few.run(feedsOf(run))));
    assert.equal(started, 3);
    await few.close();
  } finally {
    process.off("worker", count);
  }
});
