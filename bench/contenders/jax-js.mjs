/**
 * jax-js on its WebAssembly backend as a contender: the whole step (loss, gradient, update) is one jit program.
 * With BENCH_THREADS above 1 it gets a global Worker, without which it stays on one thread in Node.js.
 */
import fs from "node:fs";
import { readTask } from "../harness/task.ts";
import { rows, serve, targetRows, timed } from "./protocol.ts";

const threads = Number(process.env.BENCH_THREADS ?? 1);
if (threads > 1) await import("./web-worker.mjs"); // before jax-js looks for Worker
const {
  blockUntilReady,
  defaultDevice,
  init,
  jit,
  nn,
  numpy: np,
  tree,
  valueAndGrad,
} = await import("@jax-js/jax");
await init("wasm");
defaultDevice("wasm");

function training({ task: folder, microbatch }) {
  const task = readTask(folder);
  let parameters = task.layers.map(({ weight, bias }) => ({
    weight: np.array(weight.data).reshape(weight.shape),
    bias: np.array(bias.data),
  }));
  const hasMomentum = task.momentum > 0;
  let velocity = hasMomentum ? tree.map((value) => np.zeros(value.shape), tree.ref(parameters)) : [];
  const batches = splitIntoBatches(task, microbatch);
  const step = jit(makeStep(task, microbatch, hasMomentum));
  let taken = 0;
  const run = async () => {
    const { x, y } = batches[taken++ % batches.length];
    let loss;
    [loss, parameters, velocity] = step(parameters, velocity, x.ref, y.ref);
    await blockUntilReady(parameters);
    return await loss.jsAsync();
  };
  const close = () => {
    tree.dispose([parameters, velocity, batches]);
    step.dispose?.();
  };
  return { run: (steps) => timed(steps, run), close };
}

function makeStep(task, size, hasMomentum) {
  const model = (layers, x) =>
    layers.reduce((value, { weight, bias }, index) => {
      const sum = np.dot(value, np.transpose(weight)).add(bias);
      return index < layers.length - 1 ? nn.relu(sum) : sum;
    }, x);
  const lossOf = (layers, x, y) => {
    const predicted = model(layers, x);
    if (task.loss === "crossEntropy")
      return nn
        .logSoftmax(predicted)
        .mul(y)
        .sum()
        .mul(-1 / size);
    return np
      .square(predicted.sub(y))
      .sum()
      .mul(1 / size);
  };
  return (parameters, velocity, x, y) => {
    const [loss, gradients] = valueAndGrad(lossOf)(tree.ref(parameters), x, y);
    const moved = hasMomentum
      ? tree.map((v, g) => v.mul(task.momentum).add(g), velocity, gradients)
      : gradients;
    const direction = hasMomentum ? tree.ref(moved) : moved;
    const updated = tree.map((p, v) => p.sub(v.mul(task.learningRate)), parameters, direction);
    return [loss, updated, hasMomentum ? moved : []];
  };
}

function splitIntoBatches(task, size) {
  return Array.from({ length: task.samples / size }, (_, batch) => {
    const { values, width } = targetRows(task, batch * size, size);
    const x = rows(task.x, batch * size, size);
    return { x: np.array(x).reshape([size, task.features]), y: np.array(values).reshape([size, width]) };
  });
}

const manifest = new URL("../node_modules/@jax-js/jax/package.json", import.meta.url);
const { version } = JSON.parse(fs.readFileSync(manifest, "utf8"));
await serve({ name: "jax-js wasm", version, threads }, { training });
