/** Two threads of one run beside two runs of one thread each, which is as much as two cores can give, and beside PyTorch. */
import type { Contender, ContenderSpec, Steps } from "../harness/contender.ts";
import { ours, pytorch } from "../harness/peers.ts";
import type { Python } from "../harness/python.ts";
import { fastest, interleave, type Measured, ratio } from "../harness/rounds.ts";
import { threeDigits } from "../harness/statistics.ts";
import { markdown, type Table, type Target, target, versionsOf, withContenders } from "../harness/table.ts";

/**
 * Model, batch, and the microbatches of two threads: as many as lanes where that costs little, as a run chooses them. Those of the
 * models table, and an MLP in microbatches of 32, where the sums weigh most.
 */
const rows = [
  ["mlp", 256, 32],
  ["mlp", 32, 16],
  ["mlp", 128, 64],
  ["lenet", 32, 16],
  ["lenet", 128, 32],
  ["resnet", 32, 8],
  ["resnet", 128, 16],
  ["gpt", 4, 2],
  ["gpt", 16, 2],
  ["lstm", 32, 16],
] as const;
/** The rows of the models table. */
const isCompared = (model: string, batch: number) => model !== "mlp" || batch < 256;

const explanation =
  "Milliseconds of a step, medians. PyTorch's best of one and two threads, as it is installed, and with the OpenBLAS kernels that are " +
  "fastest on this machine forced on it as well.";

const asInstalled = ", as installed";

/** PyTorch with the fastest kernels, and on both cores as its users start it. */
function peers(python: Python | undefined): ContenderSpec[] {
  if (python?.blasCore === undefined) return pytorch(python).map(named);
  return [
    ...pytorch(python),
    ...pytorch({ ...python, blasCore: undefined })
      .slice(1)
      .map(named),
  ];
}

const named = (spec: ContenderSpec): ContenderSpec => ({ ...spec, id: spec.id + asInstalled });

const [together, single, pair] = ["2 threads", "1 thread", "2 runs of 1 thread"] as const;

/** One row per model and batch. */
export const threads: Table = async (bench) => {
  const lines: string[][] = [];
  const data: unknown[] = [];
  const targets: Target[] = [];
  let versions: Record<string, string> = {};
  const ratios: number[] = [];
  for (const [model, batch, microbatch] of rows) {
    bench.say(`${model}, batch ${batch}`);
    const specs = [ours(together), ours(single), ours(pair), ours("its other"), ...peers(bench.python)];
    const measured = await withContenders(specs, async (contenders) => {
      versions = versionsOf(contenders);
      const [first, second, third, fourth, ...others] = contenders as [
        Contender,
        Contender,
        Contender,
        Contender,
      ];
      const caseOf = ({ id }: Contender) => ({
        kind: "model",
        model,
        batch,
        microbatch,
        threads: id === together ? 2 : 1,
      });
      const both = sideBySide(third, fourth);
      const effort = { ...bench.effort, roundMs: 2 * bench.effort.roundMs };
      return (await interleave([first, second, both, ...others], caseOf, effort)).measured;
    });
    const [two, one, ceiling, ...others] = measured as [Measured, Measured, Measured, ...Measured[]];
    const best = fastest(others);
    const installed = fastest(others.filter(({ id }) => id.endsWith(asInstalled)));
    const name = `${model}, ${batch} in microbatches of ${microbatch}`;
    const ofCeiling = ratio(ceiling, two);
    const ofPyTorch = best === undefined ? Number.NaN : ratio(best, two);
    if (isCompared(model, batch)) ratios.push(ofPyTorch);
    const ofInstalled = installed === undefined ? Number.NaN : ratio(installed, two);
    lines.push([
      name,
      ...[two, one, ceiling, installed, best].map((each) =>
        each === undefined ? "" : threeDigits(each.median),
      ),
      ...[ratio(one, two), ofCeiling, ofInstalled, ofPyTorch].map(threeDigits),
    ]);
    data.push({ model, batch, microbatch, measured });
    targets.push(target(`threads, ${name}: throughput as a share of two runs'`, ofCeiling, "at least", 0.95));
    if (best !== undefined && isCompared(model, batch))
      targets.push(target(`threads, ${name}: times PyTorch's best on two cores`, ofPyTorch, "at least", 1.2));
  }
  const fast = ratios.filter((times) => times >= 1.5).length / ratios.length;
  targets.push(target("threads: share of the rows at 1.5 times PyTorch's best", fast, "at least", 0.5));
  const header = [
    "",
    ...["2 threads, ms", "1 thread", "2 runs at once, per step", "PyTorch as installed", "its best"],
    ...["1 thread / 2", "2 runs / 2 threads", "PyTorch as installed / 2 threads", "its best / 2 threads"],
  ];
  const text = [explanation, "", markdown(header, lines)].join("\n");
  return { name: "threads", title: "Two threads", text, data, targets, versions };
};

/** Two contenders that run at the same time, as one: a step of it takes half as long as one of theirs. */
function sideBySide(one: Contender, other: Contender): Contender {
  return {
    ...one,
    prepare: async (what) => void (await Promise.all([one.prepare(what), other.prepare(what)])),
    run: async (steps): Promise<Steps> => {
      const [a, b] = await Promise.all([one.run(steps), other.run(steps)]);
      return { ms: a.ms.map((ms, index) => 1 / (1 / ms + 1 / b.ms[index]!)) };
    },
  };
}
