/** Memory: peak against the batch size at one microbatch size, and resident memory over a million microbatches. */
import path from "node:path";
import type { Case, Contender } from "../harness/contender.ts";
import { ours } from "../harness/peers.ts";
import { median } from "../harness/statistics.ts";
import { type Bench, markdown, type Table, target, withContenders } from "../harness/table.ts";
import { writeTask } from "../harness/task.ts";

const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1);

/** Both parts. */
export const memory: Table = async (bench) => {
  const peaks = await peakByBatch(bench);
  const flat = await overManyMicrobatches(bench);
  const [, base, ...larger] = peaks; // the first is one microbatch, which needs neither lanes nor the adding program
  const growth = (Math.max(...larger.map(({ peakBytes }) => peakBytes)) - base!.peakBytes) / 2 ** 20;
  const [, warm, ...later] = flat;
  const drift =
    (Math.max(...later.map(({ residentBytes }) => residentBytes)) - warm!.residentBytes) / 2 ** 20;
  const text = [
    `MLP 784-512-512-10, microbatches of ${microbatch}, ${samples} samples in memory. Median of ${processes(bench)} processes. ` +
      "A batch of one microbatch needs neither the lanes' sums nor the program that adds to them.",
    "",
    markdown(
      ["batch", "microbatches", "peak MiB"],
      peaks.map(({ batch, peakBytes }) => [String(batch), String(batch / microbatch), mebibytes(peakBytes)]),
    ),
    "",
    "Linear regression, batches of 16 microbatches of 8, one process.",
    "",
    markdown(
      ["microbatches", "resident MiB"],
      flat.map(({ microbatches, residentBytes }) => [String(microbatches), mebibytes(residentBytes)]),
    ),
  ].join("\n");
  const targets = [
    // A peak varies by some 10 MiB from run to run: when the collector runs is up to the heap. Holding every sample of a
    // batch would be 49 MiB more at the largest; a sum for each microbatch 1310 MiB.
    target("memory, MiB that the peak grows with the batch, from 16 microbatches on", growth, "at most", 16),
    target("memory, MiB that it grows after the first tenth of the microbatches", drift, "at most", 8),
  ];
  return { name: "memory", title: "Memory", text, data: { peaks, flat }, targets, versions: {} };
};

const microbatch = 32;
const samples = 16384;

const processes = ({ isQuick }: Bench) => (isQuick ? 1 : 3);

/** Two epochs of every batch size, the largest being all samples, each in processes of its own. */
async function peakByBatch(bench: Bench): Promise<{ batch: number; peakBytes: number }[]> {
  const task = writeTask(path.join(bench.folder, "peak"), {
    name: "peak",
    sizes: [784, 512, 512, 10],
    samples,
    loss: "crossEntropy",
    learningRate: 0.01,
    momentum: 0.9,
  });
  const results: { batch: number; peakBytes: number }[] = [];
  for (const batch of bench.isQuick ? [32, 512, 4096] : [32, 512, 4096, samples]) {
    bench.say(`memory, batch ${batch}`);
    const peaks: number[] = [];
    for (let count = 0; count < processes(bench); count++) {
      const steps = bench.isQuick ? 1 : (2 * samples) / batch;
      const what = { kind: "training", task, microbatch, batch };
      peaks.push(await withContenders([ours()], ([contender]) => peakOf(contender!, what, steps)));
    }
    results.push({ batch, peakBytes: median(peaks) });
  }
  return results;
}

async function peakOf(contender: Contender, what: Case, steps: number): Promise<number> {
  await contender.prepare(what);
  await contender.run(steps);
  return (await contender.memory()).peakBytes;
}

/** Resident bytes at the start and after each tenth. */
async function overManyMicrobatches(
  bench: Bench,
): Promise<{ microbatches: number; residentBytes: number }[]> {
  const task = writeTask(path.join(bench.folder, "many"), {
    name: "many",
    sizes: [32, 1],
    samples: 4096,
    loss: "squaredError",
    learningRate: 0.01,
    momentum: 0.9,
  });
  const total = bench.isQuick ? 10_000 : 1_000_000;
  const perStep = 16;
  return withContenders([ours()], async ([contender]) => {
    await contender!.prepare({ kind: "training", task, microbatch: 8, batch: 8 * perStep });
    const points: { microbatches: number; residentBytes: number }[] = [];
    for (let tenth = 0; tenth <= 10; tenth++) {
      const microbatches = (tenth * total) / 10;
      bench.say(`memory, ${microbatches} of ${total} microbatches`);
      if (tenth > 0) await contender!.run(Math.ceil(total / 10 / perStep));
      const { residentBytes } = await contender!.memory();
      points.push({ microbatches, residentBytes });
    }
    return points;
  });
}
