/**
 * TensorFlow.js on its WebAssembly backend (SIMD) as a contender: variables, fused dense layers, tf.train.momentum.
 * One thread: the backend switches its threads off in Node.js (issue 3830 of tensorflow/tfjs, open since 2020).
 */
import * as tf from "@tensorflow/tfjs";
import { version_wasm } from "@tensorflow/tfjs-backend-wasm";
import { readTask } from "../harness/task.ts";
import { rows, serve, targetRows, timed, transposed } from "./protocol.ts";

await tf.setBackend("wasm");
await tf.ready();
if (tf.getBackend() !== "wasm" || !(await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT"))) {
  throw new Error("TensorFlow.js did not start its wasm backend with SIMD");
}

function training({ task: folder, microbatch }) {
  tf.disposeVariables();
  const task = readTask(folder);
  const layers = task.layers.map(({ weight, bias }) => ({
    weight: tf.variable(tf.tensor2d(transposed(weight), [weight.shape[1], weight.shape[0]])),
    bias: tf.variable(tf.tensor1d(bias.data)),
  }));
  const variables = layers.flatMap(({ weight, bias }) => [weight, bias]);
  const batches = splitIntoBatches(task, microbatch);
  const optimizer =
    task.momentum > 0 ? tf.train.momentum(task.learningRate, task.momentum) : tf.train.sgd(task.learningRate);
  const model = (x) =>
    layers.reduce((a, { weight: b, bias }, index) => {
      const activation = index < layers.length - 1 ? "relu" : "linear";
      return tf.fused.matMul({ a, b, bias, activation });
    }, x);
  const lossOf = task.loss === "crossEntropy" ? tf.losses.softmaxCrossEntropy : tf.losses.meanSquaredError;
  let taken = 0;
  const step = async () => {
    const { x, y } = batches[taken++ % batches.length];
    const loss = optimizer.minimize(() => lossOf(y, model(x)), true, variables);
    const value = (await loss.data())[0];
    loss.dispose();
    return value;
  };
  const close = () => {
    for (const { x, y } of batches) tf.dispose([x, y]);
    optimizer.dispose();
  };
  return { run: (steps) => timed(steps, step), close };
}

function splitIntoBatches(task, size) {
  return Array.from({ length: task.samples / size }, (_, batch) => {
    const { values, width } = targetRows(task, batch * size, size);
    return {
      x: tf.tensor2d(rows(task.x, batch * size, size), [size, task.features]),
      y: tf.tensor2d(values, [size, width]),
    };
  });
}

await serve({ name: "TensorFlow.js wasm", version: version_wasm, threads: 1 }, { training });
