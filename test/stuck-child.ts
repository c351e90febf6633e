/** A run with a thread that does not come back, in a process of its own, which has to come to its end by itself. */
import {
  adamw,
  afterSteps,
  arrays,
  crossEntropy,
  linear,
  type Plan,
  relu,
  sequence,
  train,
} from "../src/index.ts";
import type { DisturbedPhase } from "../src/parallel/disturbance.ts";
import { threads } from "../src/parallel/threads.ts";

const phase = process.argv[2] as DisturbedPhase;
const samples = 300;
const data = arrays({
  x: { data: Float32Array.from({ length: samples * 8 }, (_, i) => Math.sin(i)), shape: [samples, 8] },
  y: Int32Array.from({ length: samples }, (_, i) => i % 3),
});
const body = sequence(linear(500), relu, linear(3));
const plan: Plan = {
  data,
  model: (row) => body(row.x!),
  loss: (predicted, row) => crossEntropy(predicted, row.y!),
  optimizer: adamw({ learningRate: 0.01 }),
  batchSize: 64,
  microbatchSize: 4,
  validation: { data, every: 1 },
  stop: afterSteps(1000),
  parallel: threads(3, { stuckAfterSeconds: 0.5, disturb: { seed: 1, stuck: 0.3, phase } }),
} as Plan; // of the columns of its data
try {
  for await (const _ of train(plan));
} catch (error) {
  console.log(error instanceof Error ? error.message : error);
}
