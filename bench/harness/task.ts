/**
 * Tasks: the model, first weights and data that all contenders share, made from a seed and written to files. Each number
 * is drawn once, here, so that nobody's random generator matters.
 */
import fs from "node:fs";
import path from "node:path";
import { randomSequence } from "../../src/array/random.ts";

/** A tensor in a file: little-endian, row by row. */
export interface TensorFile {
  readonly file: string;
  readonly dtype: "float32" | "int32";
  readonly shape: readonly number[];
}

/** What task.json says. The model is linear layers with ReLU between them. */
export interface Task<Tensor = TensorFile> {
  readonly name: string;
  readonly samples: number;
  readonly features: number;
  /** Sizes of the layers: 784, 512, 512, 10. */
  readonly sizes: readonly number[];
  /** Both are means over the batch; crossEntropy takes int32 labels [samples], squaredError float32 [samples, 1]. */
  readonly loss: "crossEntropy" | "squaredError";
  readonly learningRate: number;
  /** 0: plain gradient descent. */
  readonly momentum: number;
  readonly x: Tensor;
  readonly y: Tensor;
  /** weight [out, in], bias [out]. */
  readonly layers: readonly { readonly weight: Tensor; readonly bias: Tensor }[];
}

/** A tensor with its numbers. */
export interface LoadedTensor {
  readonly dtype: "float32" | "int32";
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

/** What to make. */
export interface TaskOptions {
  readonly name: string;
  readonly sizes: readonly number[];
  readonly samples: number;
  readonly loss: Task["loss"];
  readonly learningRate: number;
  readonly momentum: number;
  readonly seed?: number;
}

/**
 * Writes a task into `folder`. Features are uniform in ±1.7, of variance 1. Labels of crossEntropy are the largest of ten
 * random linear functions of the features, one in ten drawn at random instead; targets of squaredError are one random linear
 * function plus noise. So the loss falls but never reaches 0, where gradients would become denormal numbers.
 */
export function writeTask(folder: string, options: TaskOptions): string {
  const { sizes, samples, seed = 1, ...rest } = options;
  fs.mkdirSync(folder, { recursive: true });
  const features = sizes[0]!;
  const outputs = sizes.at(-1)!;
  const x = uniform(samples * features, Math.sqrt(3), seed, "x");
  const scores = teacherScores(x, features, outputs, seed);
  const y = options.loss === "crossEntropy" ? noisyLabels(scores, outputs, seed) : noisyTargets(scores, seed);
  const save = (file: string, data: Float32Array | Int32Array, shape: readonly number[]): TensorFile => {
    fs.writeFileSync(path.join(folder, file), data);
    return { file, dtype: data instanceof Float32Array ? "float32" : "int32", shape };
  };
  const layers = sizes.slice(1).map((outs, index) => {
    const ins = sizes[index]!;
    const limit = 1 / Math.sqrt(ins); // PyTorch's Linear
    const [weight, bias] = [`weight${index}`, `bias${index}`];
    return {
      weight: save(`${weight}.f32`, uniform(outs * ins, limit, seed, weight), [outs, ins]),
      bias: save(`${bias}.f32`, uniform(outs, limit, seed, bias), [outs]),
    };
  });
  const task: Task = {
    ...rest,
    samples,
    features,
    sizes,
    x: save("x.f32", x, [samples, features]),
    y: save("y.bin", y, options.loss === "crossEntropy" ? [samples] : [samples, outputs]),
    layers,
  };
  fs.writeFileSync(path.join(folder, "task.json"), JSON.stringify(task, null, 2));
  return folder;
}

/** A task with its numbers, read straight into their arrays: a copy in between would count as peak memory. */
export function readTask(folder: string): Task<LoadedTensor> {
  const task: Task = JSON.parse(fs.readFileSync(path.join(folder, "task.json"), "utf8"));
  const load = ({ file, dtype, shape }: TensorFile): LoadedTensor => {
    const length = shape.reduce((product, dim) => product * dim, 1);
    const data = dtype === "float32" ? new Float32Array(length) : new Int32Array(length);
    const handle = fs.openSync(path.join(folder, file), "r");
    fs.readSync(handle, data, 0, data.byteLength, 0);
    fs.closeSync(handle);
    return { dtype, shape, data };
  };
  const layers = task.layers.map(({ weight, bias }) => ({ weight: load(weight), bias: load(bias) }));
  return { ...task, x: load(task.x), y: load(task.y), layers };
}

function uniform(count: number, limit: number, seed: number, what: string): Float32Array {
  const draw = randomSequence(seed, "bench", what);
  return Float32Array.from({ length: count }, (_, index) => (2 * draw(index) - 1) * limit);
}

function teacherScores(x: Float32Array, features: number, outputs: number, seed: number): Float64Array {
  const weights = uniform(outputs * features, Math.sqrt(3 / features), seed, "teacher");
  const samples = x.length / features;
  return Float64Array.from({ length: samples * outputs }, (_, at) => {
    const row = Math.floor(at / outputs) * features;
    const column = (at % outputs) * features;
    let sum = 0;
    for (let feature = 0; feature < features; feature++)
      sum += x[row + feature]! * weights[column + feature]!;
    return sum;
  });
}

function noisyLabels(scores: Float64Array, classes: number, seed: number): Int32Array {
  const draw = randomSequence(seed, "bench", "label noise");
  return Int32Array.from({ length: scores.length / classes }, (_, sample) => {
    if (draw(2 * sample) < 0.1) return Math.floor(draw(2 * sample + 1) * classes);
    const own = scores.subarray(sample * classes, (sample + 1) * classes);
    return own.indexOf(Math.max(...own));
  });
}

function noisyTargets(scores: Float64Array, seed: number): Float32Array {
  const noise = uniform(scores.length, 0.3, seed, "target noise");
  return Float32Array.from(scores, (score, index) => score + noise[index]!);
}
