/** The library called directly gives the bytes that the package's binding gives, refuses what it refuses, and copies nothing. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Worker } from "node:worker_threads";
import { ndarray } from "../array/array.ts";
import { buildProgram } from "../graph/program.ts";
import { input } from "../graph/tensor.ts";
import { encodeOnnx } from "../onnx/encode.ts";
import { add, exp, matmul, reshape, sum } from "../ops/index.ts";
import { nodeRuntime } from "./ort-node.ts";

const { load, loadInPlace } = await nodeRuntime();
const index = new URL("../index.ts", import.meta.url).href;

const x = input("x", ["batch", 64]);
const weight = input("weight", [64, 512]);
const product = exp(matmul(x, weight));
const outputs = { product, total: sum(product) };
const bytes = encodeOnnx(buildProgram({ name: "product", outputs }));
const values = (length: number, of: (index: number) => number) =>
  Float32Array.from({ length }, (_, at) => of(at));
const feeds = {
  x: ndarray(
    "float32",
    [100, 64],
    values(6400, (at) => Math.sin(at)),
  ),
  weight: ndarray(
    "float32",
    [64, 512],
    values(64 * 512, (at) => Math.cos(at) / 64),
  ),
};
const fetches = () => ({
  product: ndarray("float32", [100, 512], new Float32Array(51200)),
  total: ndarray("float32", [], new Float32Array(1)),
});

test("where the library cannot be called, programs run through the package's binding, with the same bytes", async () => {
  const script = `
    import { registerHooks } from "node:module";
    const refused = [];
    registerHooks({ resolve: (name, context, next) => {
      if (name !== "koffi" || process.argv[1] === "with it") return next(name, context);
      refused.push(name);
      throw new Error("no build for this machine");
    } });
    const { arrays, fit, linear, sgd, squaredError, afterSteps, train } = await import(${JSON.stringify(index)});
    const x = Float32Array.from({ length: 200 }, (_, at) => Math.sin(at));
    const body = linear(1);
    const plan = {
      data: arrays({ x: { data: x, shape: [50, 4] }, y: { data: x.slice(0, 50), shape: [50, 1] } }),
      model: (row) => body(row.x), loss: (predicted, row) => squaredError(predicted, row.y),
      optimizer: sgd({ learningRate: 0.1 }), batchSize: 10, stop: afterSteps(7),
    };
    for await (const event of train(plan)) if (event.type === "finished") console.log(refused.length > 0, event.stateSha256);`;
  const runs = ["with it", "without"].map((how) =>
    execFileSync(process.execPath, ["--input-type=module", "-e", script, how], { encoding: "utf8" })
      .trim()
      .split(" "),
  );
  assert.deepEqual(
    runs.map(([refused]) => refused),
    ["false", "true"],
  );
  assert.equal(runs[0]![1], runs[1]![1]);
});

/** Loads the program twice, runs it, and gives what each has written and the most bytes that each held beside it. */
async function both() {
  const ran: { written: ReturnType<typeof fetches>; beside: number }[] = [];
  for (const make of [load, loadInPlace]) {
    const session = await make("product", bytes);
    const written = fetches();
    const binding = session.bind(feeds, written);
    await binding.run();
    const before = process.memoryUsage().arrayBuffers;
    let beside = 0;
    await binding.run(() => {
      beside = process.memoryUsage().arrayBuffers - before;
    });
    ran.push({ written, beside });
    await session.close();
  }
  return ran as [(typeof ran)[0], (typeof ran)[0]]; // one each
}

test("the library gives the bytes of the package's binding, without its copies", async () => {
  const [binding, library] = await both();
  assert.deepEqual(library.written, binding.written);
  assert.ok(library.written.total.data[0]! > 0);
  assert.ok(binding.beside >= 4 * 51200, `the binding held ${binding.beside} bytes beside the outputs`);
  assert.ok(library.beside < 4096, `the library held ${library.beside} bytes beside the outputs`);
});

test("a number that is fetched is written where it lies, whatever the garbage collector does", async () => {
  const session = await loadInPlace("product", bytes);
  const written = fetches(); // its total is four bytes, which arrays hold inside themselves at first
  const binding = session.bind(feeds, written);
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let turn = 0; turn < 3; turn++) {
    written.total.data[0] = 0;
    collect();
    await binding.run();
    assert.ok(written.total.data[0]! > 0);
  }
  await session.close();
});

test("a binding that is released keeps no array from being collected, runs no more and leaves others as they are", async () => {
  const session = await loadInPlace("product", bytes);
  const [kept, given] = [fetches(), fetches()];
  const held = session.bind(feeds, kept);
  let isCollected = false;
  const registry = new FinalizationRegistry(() => {
    isCollected = true;
  });
  const bindOnce = async () => {
    const written = fetches();
    registry.register(written.product.data, undefined);
    const binding = session.bind(feeds, written);
    await binding.run();
    given.total.data[0] = written.total.data[0]!;
    return binding;
  };
  const released = await bindOnce();
  released.release?.();
  released.release?.();
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let turn = 0; turn < 50 && !isCollected; turn++) {
    collect();
    await setImmediate();
  }
  assert.ok(isCollected);
  await assert.rejects(released.run(), /bug: program "product" runs after its end/);
  await held.run();
  assert.equal(kept.total.data[0], given.total.data[0]);
  await session.close();
  released.release?.();
  await assert.rejects(held.run(), /runs after its end/);
});

test("names that are wrong or missing, arrays of another size and damaged programs are refused", async () => {
  const session = await loadInPlace("product", bytes);
  assert.throws(
    () => session.bind({ ...feeds, z: feeds.x }, fetches()),
    /^MicrobatchError: program "product", feeds: expected x, weight, got unknown z\. Fix: correct the name$/,
  );
  assert.throws(
    () => session.bind(feeds, { product: fetches().product }),
    /^MicrobatchError: program "product", fetches: expected product, total, got nothing for total\. Fix: fetch every output$/,
  );
  const short = { dtype: "float32", shape: [100, 64], data: new Float32Array(6399) } as const;
  assert.throws(
    () => session.bind({ ...feeds, x: short }, fetches()),
    /array "x": expected 6400 float32 elements for \[100, 64\], got 6399 elements/,
  );
  await session.close();
  await assert.rejects(
    loadInPlace("product", bytes.subarray(0, 100)),
    /^MicrobatchError: program "product": expected a program ONNX Runtime accepts, got .*protobuf/i,
  );
});

test("a run that fails says so, and the next one is right", async () => {
  const wide = input("wide", ["batch", 6]);
  const program = buildProgram({
    name: "reshaped",
    outputs: { out: add(reshape(wide, ["batch", 2, 3]), 1) },
  });
  const session = await loadInPlace("reshaped", encodeOnnx(program));
  const bind = (rows: number) => {
    const out = ndarray("float32", [2, 2, 3], new Float32Array(12));
    return {
      out,
      binding: session.bind({ wide: ndarray("float32", [rows, 6], new Float32Array(6 * rows)) }, { out }),
    };
  };
  await assert.rejects(
    bind(3).binding.run(),
    /^MicrobatchError: program "reshaped": expected a run without errors, got .*shape/i,
  );
  const { out, binding } = bind(2);
  await binding.run();
  assert.deepEqual(
    [...out.data],
    Array.from({ length: 12 }, () => 1),
  );
  await session.close();
  await assert.rejects(binding.run(), /bug: program "reshaped" runs after its end/);
});

test("a thread that is thrown out gives back what its sessions held", async () => {
  const code = `
    import { nodeRuntime } from ${JSON.stringify(new URL("./ort-node.ts", import.meta.url).href)};
    import { workerData } from "node:worker_threads";
    const { loadInPlace } = await nodeRuntime();
    for (let one = 0; one < 4; one++) {
      const session = await loadInPlace("big", workerData);
      const data = new Float32Array(2 ** 22);
      await session.bind({ big: { dtype: "float32", shape: [2 ** 22], data } }, { out: { dtype: "float32", shape: [2 ** 22], data: new Float32Array(2 ** 22) } }).run();
    }
    throw new Error("thrown out");`;
  // Two additions of 16 MiB: the session keeps the memory of what is between them.
  const big = input("big", ["batch"]);
  const program = encodeOnnx(buildProgram({ name: "big", outputs: { out: exp(exp(add(exp(big), 1))) } }));
  const throwOut = () =>
    new Promise((resolve) => {
      const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
        workerData: program,
      });
      worker.on("error", () => {});
      worker.on("exit", resolve);
    });
  await throwOut();
  const before = process.memoryUsage.rss();
  for (let turn = 0; turn < 4; turn++) await throwOut();
  const grown = (process.memoryUsage.rss() - before) / 2 ** 20;
  // Without it about 570 stayed; with it up to 120, which the allocator keeps for the next thread.
  assert.ok(grown < 300, `${Math.round(grown)} MiB stay`);
});
