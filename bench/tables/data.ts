/** Data on a disk: what training and drawing cost beside the same samples in memory, with a warm page cache. */
import path from "node:path";
import type { Case } from "../harness/contender.ts";
import { ours } from "../harness/peers.ts";
import { interleave, type Measured } from "../harness/rounds.ts";
import { median, threeDigits } from "../harness/statistics.ts";
import { markdown, type Table, target, versionsOf, withContenders } from "../harness/table.ts";
import { writeTask } from "../harness/task.ts";

const sizes = [256, 512, 512, 10]; // samples of 1 KB
const samples = 120_000;

/** In turns: memory and disk, training and drawing. */
export const data: Table = async (bench) => {
  const task = writeTask(path.join(bench.folder, "data"), {
    name: "data",
    sizes,
    samples: bench.isQuick ? 4096 : samples,
    loss: "crossEntropy",
    learningRate: 0.01,
    momentum: 0.9,
  });
  const training = (store: string, batch: number): Case => ({
    kind: "stored",
    task,
    microbatch: 32,
    batch,
    store,
  });
  const cases: Readonly<Record<string, Case>> = {
    "training, memory, batch 32": training("memory", 32),
    "training, disk, batch 32": training("disk", 32),
    "training, memory, batch 256": training("memory", 256),
    "training, disk, batch 256": training("disk", 256),
    "drawing 256, memory": { kind: "drawing", task, store: "memory", isAhead: false },
    "drawing 256, disk": { kind: "drawing", task, store: "disk", isAhead: false },
    "drawing 256, disk, read ahead": { kind: "drawing", task, store: "disk", isAhead: true },
  };
  bench.say("data");
  return withContenders(Object.keys(cases).map(ours), async (contenders) => {
    const result = await interleave(contenders, ({ id }) => cases[id]!, bench.effort);
    const waiting: Record<string, number> = {};
    for (const contender of contenders.filter(({ id }) => id.startsWith("training, disk"))) {
      const { extra } = await contender.run(bench.isQuick ? 3 : 500);
      waiting[contender.id] = extra!.waitSeconds! / extra!.seconds!;
    }
    const by = (id: string) => result.measured.find((one) => one.id === id)!; // one per case
    const ratio = (own: Measured, other: Measured) =>
      median(own.medians.map((ms, round) => other.medians[round]! / ms));
    const speed = (batch: number) =>
      ratio(by(`training, disk, batch ${batch}`), by(`training, memory, batch ${batch}`));
    const rowsPerSecond = (id: string) => 256 / (by(id).median / 1000);
    const text = [
      `${samples} samples of 1 KB, MLP ${sizes.join("-")}, microbatches of 32, SGD with momentum; the file is in the page cache.`,
      "",
      markdown(
        ["", "ms, median (fastest)", "samples/s"],
        result.measured.map(({ id, median: ms, min }) => {
          const count = id.startsWith("drawing") ? 256 : Number(id.split(" ").at(-1));
          return [id, `${threeDigits(ms)} (${threeDigits(min)})`, threeDigits(count / (ms / 1000))];
        }),
      ),
    ].join("\n");
    const targets = [
      target("data, steps/s from disk beside memory, batch 32", speed(32), "at least", 0.95),
      target("data, steps/s from disk beside memory, batch 256", speed(256), "at least", 0.95),
      ...Object.entries(waiting).map(([id, share]) =>
        target(`data, share of the time waiting, ${id}`, share, "at most", 0.02),
      ),
      target(
        "data, 1 KB samples/s drawn from disk on one core",
        rowsPerSecond("drawing 256, disk"),
        "at least",
        500_000,
      ),
    ];
    const title = "Data on a disk";
    return {
      name: "data",
      title,
      text,
      data: { ...result, waiting },
      targets,
      versions: versionsOf(contenders),
    };
  });
};
