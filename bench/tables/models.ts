/** Training steps of convolutional, recurrent and attending models beside PyTorch's: time, and memory at its peak. */
import { ours, pytorch } from "../harness/peers.ts";
import { interleave, type Measured, ratio } from "../harness/rounds.ts";
import { threeDigits } from "../harness/statistics.ts";
import { markdown, type Table, target, versionsOf, withContenders } from "../harness/table.ts";

const rows = [
  ["lenet", 32],
  ["lenet", 128],
  ["resnet", 32],
  ["resnet", 128],
  ["gpt", 4],
  ["gpt", 16],
  ["lstm", 32],
] as const;

const names = {
  lenet: "LeNet, 3×32×32",
  resnet: "ResNet 16-32-64 with batch normalisation, 3×32×32",
  gpt: "GPT, 4 layers, width 128, context 128, AdamW",
  lstm: "LSTM of 128, 64 steps of 32",
} as const;

/** What a microbatch is that stays in the cache. */
const microbatch = { lenet: 32, resnet: 32, gpt: 4, lstm: 32 } as const;

/** One row per model and batch. */
export const models: Table = async (bench) => {
  const lines: string[][] = [];
  const results: unknown[] = [];
  const targets = [];
  let versions: Record<string, string> = {};
  for (const [model, batch] of rows) {
    bench.say(`${model}, batch ${batch}`);
    const cut = Math.min(batch, microbatch[model]);
    const specs = [ours(), ours("microbatch, whole batch"), ...pytorch(bench.python)];
    const row = await withContenders(specs, async (contenders) => {
      versions = versionsOf(contenders);
      const result = await interleave(
        contenders,
        ({ id }) => ({ kind: "model", model, batch, microbatch: id === "microbatch" ? cut : batch }),
        { ...bench.effort, roundMs: 4 * bench.effort.roundMs },
      );
      const peaks = await Promise.all(
        contenders.map(async (contender) => (await contender.memory()).peakBytes),
      );
      return { result, peaks };
    });
    const { measured } = row.result;
    const single = measured.filter(({ id }) => id === "PyTorch, 1 thread");
    const best = fastest(measured.filter(({ id }) => id.startsWith("PyTorch")));
    const share = single[0] === undefined ? Number.NaN : 1 / ratio(single[0], measured[0]!);
    lines.push([
      `${names[model]}, batch ${batch}${cut < batch ? ` in microbatches of ${cut}` : ""}`,
      ...[measured[0], measured[1], single[0], best].map((one) =>
        one === undefined ? "" : threeDigits(one.median),
      ),
      threeDigits(share),
      ...[0, 2].map((index) =>
        row.peaks[index] === undefined ? "" : (row.peaks[index] / 2 ** 20).toFixed(0),
      ),
    ]);
    results.push({ model, batch, microbatch: cut, ...row });
    if (single[0] !== undefined) {
      const limit = model === "resnet" ? 1.1 : 1;
      targets.push(
        target(
          `models, ${model} ${batch}: step time as a share of PyTorch's on one core`,
          share,
          "at most",
          limit,
        ),
      );
    }
  }
  const header = [
    "",
    "ours, ms",
    "ours in one piece",
    "PyTorch, 1 thread",
    "PyTorch, best",
    "ours / PyTorch",
    "our peak MiB",
    "theirs",
  ];
  const text = ["Milliseconds of a step, medians; one core unless said.", "", markdown(header, lines)].join(
    "\n",
  );
  return { name: "models", title: "Training steps of models", text, data: results, targets, versions };
};

const fastest = (measured: readonly Measured[]) =>
  measured.reduce<Measured | undefined>(
    (best, one) => (best === undefined || one.median < best.median ? one : best),
    undefined,
  );
