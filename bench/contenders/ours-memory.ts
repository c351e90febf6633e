/**
 * One training run in a process of its own, for tables/memory-model.ts: what was predicted, and what it really held. Takes
 * a MemoryCase as JSON and prints a MemoryOutcome.
 */
import fs from "node:fs";
import {
  afterSteps,
  arrays,
  crossEntropy,
  type Dataset,
  linear,
  type Plan,
  relu,
  sequence,
  sgd,
  train,
} from "../../src/index.ts";
import { threads } from "../../src/node.ts";
import { nodeRuntime } from "../../src/runtime/ort-node.ts";
import { type ModelCase, modelPlan } from "./ours-models.ts";

/** What is run. */
export interface MemoryCase {
  readonly model: ModelCase["model"] | "mlp" | "wide";
  readonly microbatch: number;
  /** Microbatches to a batch. */
  readonly microbatches: number;
  readonly threads: number;
  readonly isEvaluated: boolean;
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

if (import.meta.main) console.log(JSON.stringify(await measure(JSON.parse(process.argv[2]!) as MemoryCase)));

async function measure(what: MemoryCase): Promise<MemoryOutcome> {
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
    stop: afterSteps(1),
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
  if (model !== "mlp" && model !== "wide") return modelPlan({ model, batch: heldSamples / 8 });
  const width = model === "mlp" ? 1024 : 3072;
  const body = sequence(linear(width), relu, linear(width), relu, linear(10));
  const x = Float32Array.from({ length: heldSamples * 784 }, (_, at) => Math.sin(at));
  const y = Int32Array.from({ length: heldSamples }, (_, at) => at % 10);
  return {
    data: arrays({ x: { data: x, shape: [heldSamples, 784] }, y }) as Dataset,
    model: (row) => body(row.x!),
    loss: (predicted, row) => crossEntropy(predicted, row.y!),
    optimizer: sgd({ learningRate: 0.01, momentum: 0.9 }),
  };
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
