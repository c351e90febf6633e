/** The memory model: predicted peaks against measured ones, and budgets that are kept, each run in a process of its own. */
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import type { MemoryCase, MemoryOutcome } from "../contenders/ours-memory.ts";
import { type Bench, markdown, type Table, target } from "../harness/table.ts";

interface Measured extends MemoryCase {
  readonly outcome: MemoryOutcome;
}

/** Models by the microbatch sizes they are tried with. */
const sizes: Readonly<Record<MemoryCase["model"], readonly number[]>> = {
  lenet: [256, 1024, 2048],
  resnet: [32, 128, 320],
  gpt: [4, 16, 48],
  lstm: [32, 128, 512],
  mlp: [128, 1024, 4096],
  wide: [16, 64, 256],
  vgg: [48, 192],
  gru: [64, 384],
};
/** What is done with them. Nine microbatches are more than the lanes, so that a second session adds to sums. */
const forms = [
  { microbatches: 2, steps: 2, threads: 1, isEvaluated: false, isSaved: false },
  { microbatches: 9, steps: 1, threads: 1, isEvaluated: true, isSaved: false },
  { microbatches: 2, steps: 2, threads: 2, isEvaluated: false, isSaved: true },
] as const;

export const memoryModel: Table = async (bench) => {
  const pairs: Measured[] = [];
  for (const what of casesOf(bench)) pairs.push({ ...what, outcome: await run(bench, what) });
  const budgeted: Measured[] = [];
  // Three quarters of what it took, with the size left out.
  const large = pairs.filter(({ outcome }) => outcome.measured > 300e6);
  // Most of "wide" is parameters: no microbatch size makes those fit.
  const shrinking = large.filter(({ isEvaluated, model }) => !isEvaluated && model !== "wide");
  for (const { outcome, ...what } of shrinking) {
    const tight = { ...what, budget: Math.round(0.75 * outcome.measured) };
    budgeted.push({ ...tight, outcome: await run(bench, tight) });
  }
  const errors = pairs.map(errorOf);
  const within = errors.filter((error) => Math.abs(error) <= 0.15).length;
  bench.say(
    `memory model: ${within} of ${pairs.length} within 15 %, ${errors.filter((error) => error < -0.1).length} more than 10 % under`,
  );
  const kept = budgeted.filter(({ outcome, budget }) => outcome.measured <= budget!).length;
  const targets = [
    target("pairs of model and microbatch", pairs.length, "at least", 50),
    target("of them above 300 MB", large.length, "at least", 25),
    target("predicted within 15 %, share of pairs", within / pairs.length, "at least", 1),
    target(
      "most that a prediction lies under, %",
      100 * Math.max(0, ...errors.map((one) => -one)),
      "at most",
      10,
    ),
    target("budgets kept, share", kept / Math.max(1, budgeted.length), "at least", 1),
  ];
  const data = { pairs, budgeted };
  return {
    name: "memory-model",
    title: "Memory model",
    text: describe(pairs, budgeted),
    data,
    targets,
    versions: {},
  };
};

function casesOf({ isQuick }: Bench): MemoryCase[] {
  const cases = Object.entries(sizes).flatMap(([model, microbatches]) =>
    microbatches.flatMap((microbatch) =>
      forms.map((form): MemoryCase => ({ model: model as MemoryCase["model"], microbatch, ...form })),
    ),
  ); // the keys are models
  return isQuick
    ? cases.filter(({ microbatch, microbatches }) => microbatch <= 32 && microbatches === 2)
    : cases;
}

async function run(bench: Bench, what: MemoryCase): Promise<MemoryOutcome> {
  const file = path.join(import.meta.dirname, "../contenders/ours-memory.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [file, JSON.stringify(what)]);
  const outcome = JSON.parse(stdout) as MemoryOutcome; // what the file prints
  const { model, microbatches, threads, budget } = what;
  const asked = budget === undefined ? "" : `, budget ${mebibytes(budget)} MiB`;
  bench.say(
    `memory model, ${model} ${outcome.microbatch} × ${microbatches}, ${threads} threads${asked}: predicted ${mebibytes(outcome.predicted)} MiB, measured ${mebibytes(outcome.measured)}`,
  );
  return outcome;
}

const errorOf = ({ outcome }: Measured) => outcome.predicted / outcome.measured - 1;
const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0);

function describe(pairs: readonly Measured[], budgeted: readonly Measured[]): string {
  const done = ({ isEvaluated, isSaved }: MemoryCase) =>
    isEvaluated ? "training, evaluation" : isSaved ? "training, checkpoints" : "training";
  const named = (what: MemoryCase) => [
    what.model,
    String(what.microbatches),
    String(what.threads),
    done(what),
  ];
  return [
    "Most bytes that a run held above the idle process, which has its data and the runtime loaded; each in a fresh process. The models vgg and gru had no part in making the memory model.",
    "",
    markdown(
      [
        "model",
        "microbatches",
        "threads",
        "what is done",
        "microbatch",
        "predicted MiB",
        "measured MiB",
        "error",
      ],
      pairs.map((pair) => [
        ...named(pair),
        String(pair.microbatch),
        mebibytes(pair.outcome.predicted),
        mebibytes(pair.outcome.measured),
        `${(100 * errorOf(pair)).toFixed(1)} %`,
      ]),
    ),
    "",
    "The same with three quarters of that as the budget, and the microbatch size left out.",
    "",
    markdown(
      ["model", "batch", "threads", "budget MiB", "microbatch", "predicted MiB", "measured MiB"],
      budgeted.map((one) => [
        one.model,
        String(one.microbatch * one.microbatches),
        String(one.threads),
        mebibytes(one.budget!),
        String(one.outcome.microbatch),
        mebibytes(one.outcome.predicted),
        mebibytes(one.outcome.measured),
      ]),
    ),
  ].join("\n");
}
