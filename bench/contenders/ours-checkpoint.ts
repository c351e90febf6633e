/** A model of five million parameters under AdamW, saved now and then or never. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  adamw,
  afterEpochs,
  arrays,
  crossEntropy,
  linear,
  type Plan,
  relu,
  sequence,
  train,
} from "../../src/index.ts";
import { runFolder, threads } from "../../src/node.ts";
import { trainingSteps } from "./ours-steps.ts";
import type { Prepared } from "./protocol.ts";

interface CheckpointCase {
  /** Seconds between two checkpoints; null for none. */
  readonly everySeconds: number | null;
}

/** Steps of 64 samples of 1000 numbers. */
export function checkpointed({ everySeconds }: CheckpointCase): Prepared {
  const samples = 1024;
  const x = Float32Array.from({ length: samples * 1000 }, (_, at) => Math.sin(at));
  const y = Int32Array.from({ length: samples }, (_, at) => (7 * at) % 10);
  const body = sequence(linear(2000), relu, linear(1500), relu, linear(10));
  const folder = mkdtempSync(join(tmpdir(), "bench-checkpoint-"));
  const plan: Plan = {
    data: arrays({ x: { data: x, shape: [samples, 1000] }, y }) as unknown as Plan["data"],
    model: (row) => body(row.x!),
    loss: (predicted, row) => crossEntropy(predicted, row.y!),
    optimizer: adamw({ learningRate: 1e-4 }),
    batchSize: 64,
    microbatchSize: 32,
    parallel: threads(1),
    stop: afterEpochs(1e9),
    ...(everySeconds !== null && { checkpoint: { store: runFolder(folder), everySeconds } }),
  };
  const prepared = trainingSteps(train(plan));
  return {
    ...prepared,
    close: async () => {
      await prepared.close?.();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
