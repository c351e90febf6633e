/** Data of 4 GB on a disk: steps per second beside the same data in memory, with a warm and a cold page cache; and memory. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import type { Case } from "../harness/contender.ts";
import { ours } from "../harness/peers.ts";
import { interleave, ratio } from "../harness/rounds.ts";
import { median, threeDigits } from "../harness/statistics.ts";
import { type Bench, markdown, type Table, target, versionsOf, withContenders } from "../harness/table.ts";

const variants = ["memory", "page cache", "blocks"] as const;

/** In turns from memory, from the page cache and in blocks; then, in a new process each, from a disk whose cache was emptied. */
export const large: Table = async (bench) => {
  const samples = bench.isQuick ? 40_000 : 4_000_000;
  const folder = path.join(bench.folder, "large");
  bench.say("large: writing the cache");
  const build = { kind: "makeLarge", folder, samples };
  const buildPeak = await withContenders([ours()], async ([contender]) => {
    await contender!.prepare(build);
    return (await contender!.memory()).peakBytes;
  });
  const caseOf = (from: string): Case => ({ kind: "large", folder, samples, from, batch: 256 });
  bench.say("large: warm");
  const specs = variants.map((from) => ours(from));
  const warm = await withContenders(specs, async (contenders) => {
    const effort = { ...bench.effort, roundMs: bench.isQuick ? 100 : 2000 };
    const result = await interleave(contenders, ({ id }) => caseOf(id), effort);
    const memory: { readonly above: number; readonly data: number; readonly waiting: number }[] = [];
    for (const contender of contenders) {
      const { extra } = await contender.run(bench.isQuick ? 3 : 200);
      const above = (await contender.memory()).peakBytes - extra!.idleBytes!;
      const { seconds, dataSeconds, waitSeconds } = extra!;
      memory.push({ above, data: dataSeconds! / seconds!, waiting: waitSeconds! / seconds! });
    }
    return { ...result, memory, versions: versionsOf(contenders) };
  });
  bench.say("large: cold");
  const cold: Record<string, number> = {};
  for (const from of ["page cache", "blocks"]) cold[from] = await coldSteps(bench, folder, caseOf(from));
  const [memory, page, blocks] = warm.measured;
  const steps = (ms: number) => threeDigits(1000 / ms);
  const mebibytes = (bytes: number) => threeDigits(bytes / 2 ** 20);
  const text = [
    `${samples} samples of 1 KB (${threeDigits((samples * 1028) / 2 ** 30)} GiB), MLP 256-512-512-10, batches of 256 in ` +
      "microbatches of 32. “Blocks” is how data is drawn that the page cache cannot hold. The process that made the cache took " +
      `${mebibytes(buildPeak)} MiB at most.`,
    "",
    markdown(
      [
        "samples drawn from",
        "steps/s, warm",
        "steps/s, cold",
        "MiB above idle, peak",
        "share of time on data",
        "waiting",
      ],
      warm.measured.map(({ id, median: ms }, index) => [
        id,
        steps(ms),
        cold[id] === undefined ? "" : steps(cold[id]),
        mebibytes(warm.memory[index]!.above),
        threeDigits(warm.memory[index]!.data),
        threeDigits(warm.memory[index]!.waiting),
      ]),
    ),
  ].join("\n");
  const worst = Math.max(warm.memory[1]!.above, warm.memory[2]!.above) / 2 ** 20;
  const targets = [
    target(
      "large, steps/s from 4 GB in the page cache beside memory",
      ratio(memory!, page!),
      "at least",
      0.95,
    ),
    target("large, steps/s from 4 GB in blocks beside memory", ratio(memory!, blocks!), "at least", 0.95),
    target(
      "large, share of the time waiting for data",
      Math.max(...warm.memory.map(({ waiting }) => waiting)),
      "at most",
      0.02,
    ),
    target("large, MiB that training from the disk takes above the idle process", worst, "at most", 200),
  ];
  return {
    name: "large",
    title: "Data larger than memory",
    text,
    data: { warm, cold },
    targets,
    versions: warm.versions,
  };
};

/** Milliseconds per step in a new process, the file's pages being dropped first. */
async function coldSteps(bench: Bench, folder: string, what: Case): Promise<number> {
  for (const key of fs.readdirSync(folder)) {
    const file = path.join(folder, key, "samples.npy");
    const { status } = spawnSync("dd", [`of=${file}`, "oflag=nocache", "conv=notrunc,fdatasync", "count=0"]);
    if (status !== 0) console.error("dd could not drop the page cache: the cold figures are warm ones");
  }
  return withContenders([ours()], async ([contender]) => {
    await contender!.prepare(what);
    await contender!.run(3);
    return median((await contender!.run(bench.isQuick ? 10 : 300)).ms);
  });
}
