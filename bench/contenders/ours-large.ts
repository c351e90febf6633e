/** Data larger than memory is meant to be: a cache on disk that is made by one process and trained from by another. */
import {
  afterEpochs,
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
import { cached, type Source, threads } from "../../src/node.ts";
import { trainingSteps } from "./ours-steps.ts";
import type { Prepared } from "./protocol.ts";

const features = 256; // 1 KB
const classes = 10;

/** Samples that are made as they are read: numbers in ±1.7, whose largest among the first ten is the class. */
function madeUp(samples: number): Source {
  const columns = {
    x: { dtype: "float32", shape: [features] },
    y: { dtype: "int32", shape: [] },
  } as const;
  return {
    name: `${samples} samples`,
    columns,
    size: samples,
    fingerprint: async () => `made up, ${samples}`,
    async *pieces() {
      let state = 1;
      for (let first = 0; first < samples; first += 4096) {
        const count = Math.min(4096, samples - first);
        const x = new Float32Array(count * features);
        for (let at = 0; at < x.length; at++) {
          state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
          x[at] = (state / 2 ** 32 - 0.5) * 3.4;
        }
        const y = new Int32Array(count);
        for (let row = 0; row < count; row++) {
          const some = x.subarray(row * features, row * features + classes);
          y[row] = some.indexOf(Math.max(...some));
        }
        yield { samples: count, columns: { x, y } };
      }
    },
  };
}

interface LargeCase {
  readonly folder: string;
  readonly samples: number;
  /** memory: all of it held there. page cache: drawn at random from the file. blocks: as where the page cache is too small. */
  readonly from: "memory" | "page cache" | "blocks";
  readonly batch: number;
}

const limits = {
  memory: { bytesInMemory: Number.POSITIVE_INFINITY },
  "page cache": { bytesInMemory: 0, bytesInPageCache: Number.POSITIVE_INFINITY },
  blocks: { bytesInMemory: 0, bytesInPageCache: 0 },
} as const;

/** Steps of an MLP; extra has the bytes that the process had with the runtime loaded and a model of this size in it. */
export async function large({ folder, samples, from, batch }: LargeCase): Promise<Prepared> {
  const idleBytes = await idle();
  const data = await cached(madeUp(samples), { folder, ...limits[from] });
  const events = train({
    ...model,
    parallel: threads(1),
    data,
    batchSize: batch,
    microbatchSize: 32,
    stop: afterEpochs(1e9),
  });
  return trainingSteps(events, { idleBytes });
}

const body = sequence(linear(features, 512), relu, linear(512, 512), relu, linear(512, classes));
const model: Pick<Plan, "model" | "loss" | "optimizer"> = {
  model: (row) => body(row.x!),
  loss: (predicted, row) => crossEntropy(predicted, row.y!),
  optimizer: sgd({ learningRate: 0.01, momentum: 0.9 }),
};

/** What the process holds when it has trained the same model on nothing worth mentioning. */
async function idle(): Promise<number> {
  const x = Float32Array.from({ length: 64 * features }, (_, at) => Math.sin(at));
  const y = Int32Array.from({ length: 64 }, (_, at) => at % classes);
  const data: Dataset = arrays({ x: { data: x, shape: [64, features] }, y });
  for await (const _ of train({
    ...model,
    parallel: threads(1),
    data,
    batchSize: 64,
    microbatchSize: 32,
    stop: afterEpochs(2),
  }));
  return process.memoryUsage.rss();
}

/** Makes the cache. */
export async function makeLarge({
  folder,
  samples,
}: {
  readonly folder: string;
  readonly samples: number;
}): Promise<Prepared> {
  await cached(madeUp(samples), { folder, bytesInMemory: 0 });
  return { run: async () => ({ ms: [] }) };
}
