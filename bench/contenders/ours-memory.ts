/**
 * One training run in a process of its own, for tables/memory-model.ts: what was predicted, and what it really held. Takes
 * a MemoryCase as JSON and prints a MemoryOutcome.
 */
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  adamw,
  afterSteps,
  arrays,
  conv2d,
  crossEntropy,
  type Dataset,
  dropout,
  ema,
  flatten,
  gru,
  type Layer,
  linear,
  maxPool,
  type Plan,
  relu,
  sequence,
  sgd,
  slice,
  type Tensor,
  train,
} from "../../src/index.ts";
import { runFolder, threads } from "../../src/node.ts";
import { nodeRuntime } from "../../src/runtime/ort-node.ts";
import { type ModelCase, modelPlan } from "./ours-models.ts";

/** What is run. */
export interface MemoryCase {
  readonly model: ModelCase["model"] | keyof typeof others;
  readonly microbatch: number;
  /** Microbatches to a batch. */
  readonly microbatches: number;
  readonly steps: number;
  readonly threads: number;
  readonly isEvaluated: boolean;
  /** Whether a checkpoint is written after every step. */
  readonly isSaved: boolean;
  /** Bytes above the idle process. Then the microbatch size is left to be made to fit. */
  readonly budget?: number;
}

/** Bytes above the idle process, which has its data and the runtime loaded. */
export interface MemoryOutcome {
  readonly predicted: number;
  readonly measured: number;
  readonly microbatch: number;
}

/** Of the samples there are so many, which are read again and again: data is not what is measured. */
const heldSamples = 256;

/** Models that are not in ours-models.ts. The last two had no part in making the memory model: they tell whether it holds. */
const others = {
  mlp: { shape: [784], body: () => perceptron(1024) },
  wide: { shape: [784], body: () => perceptron(3072) },
  vgg: { shape: [3, 32, 32], body: vgg },
  gru: { shape: [48, 40], body: recurrent },
} as const;

if (import.meta.main) {
  const folder = fs.mkdtempSync(path.join(tmpdir(), "microbatch-memory-"));
  try {
    console.log(JSON.stringify(await measure(JSON.parse(process.argv[2]!) as MemoryCase, folder)));
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

async function measure(what: MemoryCase, folder: string): Promise<MemoryOutcome> {
  const base = planOf(what.model);
  const batchSize = what.microbatch * what.microbatches;
  const data = repeated(base.data, batchSize);
  const { memory } = await nodeRuntime();
  await new Promise((resolve) => setTimeout(resolve, 100));
  fs.writeFileSync("/proc/self/clear_refs", "5"); // forgets the peak of loading
  const idle = memory!.resident()!;
  const plan: Plan = {
    ...base,
    data,
    batchSize,
    ...(what.isEvaluated && { validation: { data } }),
    parallel: threads(what.threads),
    ...(what.isSaved && { checkpoint: { store: runFolder(folder), everySteps: 1 } }),
    stop: afterSteps(what.steps),
    ...(what.budget === undefined
      ? { microbatchSize: what.microbatch }
      : { microbatchSize: undefined!, memoryBudget: Math.round(idle + what.budget) }),
  };
  for await (const event of train(plan)) {
    if (event.type !== "finished") continue;
    const { predictedPeakBytes, peakBytes } = event.memory!;
    const { microbatchSize } = event.model.plan;
    return { predicted: predictedPeakBytes - idle, measured: peakBytes - idle, microbatch: microbatchSize };
  }
  throw new Error("a run without an end");
}

function planOf(model: MemoryCase["model"]): Plan {
  if (!(model in others)) return modelPlan({ model: model as ModelCase["model"], batch: heldSamples / 8 });
  const { shape, body } = others[model as keyof typeof others];
  const layer = body();
  const size = shape.reduce((product, dim) => product * dim, heldSamples);
  const x = Float32Array.from({ length: size }, (_, at) => Math.sin(at));
  const y = Int32Array.from({ length: heldSamples }, (_, at) => at % 10);
  return {
    data: arrays({ x: { data: x, shape: [heldSamples, ...shape] }, y }) as Dataset,
    model: (row) => layer(row.x!),
    loss: (predicted, row) => crossEntropy(predicted, row.y!),
    ...(model === "vgg"
      ? { optimizer: adamw({ learningRate: 1e-3 }), ema: ema() }
      : { optimizer: sgd({ learningRate: 0.01, momentum: 0.9 }) }),
  };
}

function perceptron(width: number): Layer {
  return sequence(linear(width), relu, linear(width), relu, linear(10));
}

function vgg(): Layer {
  const stage = (channels: number) =>
    sequence(
      conv2d(channels, 3, { padding: 1 }),
      relu,
      conv2d(channels, 3, { padding: 1 }),
      relu,
      maxPool(2),
    );
  return sequence(stage(32), stage(64), flatten, dropout(0.5), linear(256), relu, linear(10));
}

function recurrent(): Layer {
  return sequence(gru(96), (states: Tensor) => flatten(slice(states, { start: -1 }, 1)), linear(10));
}

function repeated(held: Dataset, size: number): Dataset {
  return {
    name: "repeated",
    size,
    columns: held.columns,
    read: (column, samples, into) =>
      held.read(
        column,
        samples.map((one) => one % heldSamples),
        into,
      ),
    fingerprint: () => held.fingerprint(),
  };
}
