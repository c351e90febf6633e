/** node test/endurance/memory.ts [microbatches]: what a long run on two threads holds. Memory and handles must stay as they are. */
import { pathToFileURL } from "node:url";
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
} from "../../src/index.ts";
import { threads } from "../../src/parallel/threads.ts";

/** What a process holds. */
interface Holding {
  readonly residentBytes: number;
  /** What keeps the process alive: threads, ports, timers. */
  readonly resources: number;
}

/** What the process holds after a tenth of the microbatches, and after all of them. */
export async function holdings(microbatches: number): Promise<readonly [Holding, Holding]> {
  const [samples, perBatch] = [512, 16];
  const data = arrays({
    x: { data: Float32Array.from({ length: samples * 8 }, (_, i) => Math.sin(i)), shape: [samples, 8] },
    y: Int32Array.from({ length: samples }, (_, i) => i % 3),
  });
  const body = sequence(linear(16), relu, linear(3));
  const steps = Math.ceil(microbatches / perBatch);
  const plan = {
    data,
    model: (row) => body(row.x!),
    loss: (predicted, row) => crossEntropy(predicted, row.y!),
    optimizer: adamw({ learningRate: 0.001 }),
    batchSize: 4 * perBatch,
    microbatchSize: 4,
    validation: { data, every: 64 },
    stop: afterSteps(steps),
    parallel: threads(2),
  } as Plan; // of the columns of its data
  let early: Holding | undefined;
  for await (const event of train(plan)) {
    if (event.type !== "step") continue;
    if (event.step === Math.ceil(steps / 10)) early = held();
    if (event.step === steps) return [early!, held()];
  }
  throw new Error(`a run of ${steps} steps ended before`);
}

function held(): Holding {
  return {
    residentBytes: process.memoryUsage().rss,
    resources: process.getActiveResourcesInfo().filter((kind) => kind !== "Immediate").length,
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const microbatches = Number(process.argv[2] ?? 100_000);
  const began = performance.now();
  const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
  const [early, late] = await holdings(microbatches);
  console.log(
    `${microbatches} microbatches in ${Math.round((performance.now() - began) / 1000)} s: ` +
      `${megabytes(early.residentBytes)} and ${early.resources} resources after a tenth, ` +
      `${megabytes(late.residentBytes)} and ${late.resources} at the end`,
  );
}
