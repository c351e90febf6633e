/** Training from a cache on disk, read ahead by a thread, is training from memory: the same bytes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { cached } from "../src/data/cache/cache.ts";
import { collect } from "../src/data/collect.ts";
import type { Dataset } from "../src/data/dataset.ts";
import { withReplacement } from "../src/data/sampler.ts";
import type { Source } from "../src/data/source.ts";
import { split } from "../src/data/split.ts";
import { adamw, afterEpochs, crossEntropy, dropout, linear, relu, sequence, train } from "../src/index.ts";
import type { FinishedEvent } from "../src/train/event.ts";
import type { ResolvedPlan } from "../src/train/resolve.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const folder = temporaryFolder();
const columns = {
  x: { dtype: "float32", shape: [6] },
  label: { dtype: "int32", shape: [] },
  weight: { dtype: "float32", shape: [] },
} as const;

/** 900 samples of three classes; every seventh has weight 0. */
const source: Source<typeof columns> = {
  name: "waves",
  columns,
  weight: "weight",
  fingerprint: async () => "waves",
  async *pieces() {
    for (let first = 0; first < 900; first += 90) {
      const at = <Value>(of: (sample: number) => Value) =>
        Array.from({ length: 90 }, (_, index) => of(first + index));
      yield {
        samples: 90,
        columns: {
          x: Float32Array.from(at((sample) => [1, 2, 3, 5, 7, 11].map((k) => Math.sin(k * sample))).flat()),
          label: Int32Array.from(at((sample) => sample % 3)),
          weight: Float32Array.from(at((sample) => (sample % 7 === 0 ? 0 : 1 + (sample % 2)))),
        },
      };
    }
  },
};

async function run(
  data: Dataset<typeof columns>,
  sampler?: typeof withReplacement,
  replay?: ResolvedPlan,
): Promise<FinishedEvent> {
  const { training, validation } = split(data, { validation: 0.2, seed: 3 });
  const body = sequence(linear(16), relu, dropout(0.1), linear(3));
  let finished: FinishedEvent | undefined;
  for await (const event of train({
    data: training,
    model: (row) => body(row.x),
    loss: (logits, row) => crossEntropy(logits, row.label),
    optimizer: adamw({ learningRate: 0.01 }),
    batchSize: 50,
    microbatchSize: 7,
    validation: { data: validation },
    ...(sampler !== undefined && { sampler: sampler() }),
    ...(replay !== undefined && { replay }),
    stop: afterEpochs(3),
  })) {
    if (event.type === "finished") finished = event;
  }
  return finished!;
}

test("a run from disk has the bytes of the run from memory, shuffled or drawn with replacement", async () => {
  for (const sampler of [undefined, withReplacement]) {
    const memory = await run(await collect(source), sampler);
    const disk = await run(await cached(source, { folder, bytesInMemory: 0 }), sampler);
    assert.equal(disk.steps, memory.steps);
    assert.equal(disk.parametersSha256, memory.parametersSha256);
    assert.equal(disk.stateSha256, memory.stateSha256);
    assert.deepEqual(
      await disk.model.evaluate(await cached(source, { folder })),
      await memory.model.evaluate(await collect(source)),
    );
  }
});

test("data that a page cache cannot hold is drawn block by block, which is recorded and replayed", async () => {
  const slow = await cached(source, { folder, bytesInMemory: 0, bytesInPageCache: 0 });
  const first = await run(slow);
  const { sampler } = first.model.plan;
  assert.deepEqual(sampler, {
    name: "blockShuffled",
    options: { samplesPerBlock: slow.samplesPerBlock, blocks: 64 },
  });
  const inMemory = await run(await collect(source));
  assert.equal(inMemory.model.plan.sampler.name, "shuffled");
  // On a machine with more memory, from the record: the same order, so the same bytes.
  const replayed = await run(await cached(source, { folder }), undefined, first.model.plan);
  assert.equal(replayed.stateSha256, first.stateSha256);
  assert.notEqual(inMemory.stateSha256, first.stateSha256);
});
