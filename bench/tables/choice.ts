/**
 * The microbatch size that a run chooses by itself, beside all there are: each model in a process of its own, whose steps are
 * then timed with every size, in turns.
 */
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import type { ChoiceCase, ChoiceOutcome } from "../contenders/ours-choice.ts";
import { median, threeDigits } from "../harness/statistics.ts";
import { type Bench, markdown, type Table, type Target, target } from "../harness/table.ts";

/** Model and batch. */
const rows = [
  ["mlp", 32],
  ["mlp", 256],
  ["narrow mlp", 256],
  ["wide mlp", 128],
  ["embedding table", 512],
  ["lenet", 128],
  ["deep cnn", 32],
  ["gpt", 16],
  ["wide transformer", 16],
  ["lstm", 64],
  ["gru", 128],
] as const satisfies readonly (readonly [ChoiceCase["model"], number])[];

/** What a run has for each of at most three sizes is 0.1 s: this is a good three times as much for every size there is. */
const fullEffort = { rounds: 5, roundMs: 80 };
const quickEffort = { rounds: 1, roundMs: 1 };

interface Row extends ChoiceCase {
  readonly outcome: ChoiceOutcome;
  readonly best: number;
  /** Throughput with the chosen size as a share of that with the best: the median over the rounds, since a machine's speed drifts. */
  readonly share: number;
}

/** One row per model, batch and number of threads. */
export const choice: Table = async (bench) => {
  const measured: Row[] = [];
  for (const [model, batch] of bench.isQuick ? rows.slice(0, 3) : rows)
    for (const threads of [1, 2])
      measured.push(
        await measure(bench, { model, batch, threads, ...(bench.isQuick ? quickEffort : fullEffort) }),
      );
  const text = [
    "Milliseconds of a step by microbatch size, medians; the chosen size and the best one.",
    "",
    markdown(
      ["", "threads", "chosen", "best", "ms", "ms of the best", "share", "seconds to begin", "all sizes"],
      measured.map(lineOf),
    ),
  ].join("\n");
  return {
    name: "choice",
    title: "The chosen microbatch size",
    text,
    data: measured,
    targets: measured.map(targetOf),
    versions: {},
  };
};

async function measure(bench: Bench, what: ChoiceCase): Promise<Row> {
  const file = path.join(import.meta.dirname, "../contenders/ours-choice.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [file, JSON.stringify(what)]);
  const outcome = JSON.parse(stdout) as ChoiceOutcome; // what the file prints
  const best = outcome.sizes.reduce((one, other) => (timeOf(other) < timeOf(one) ? other : one));
  const chosen = outcome.sizes.find(({ size }) => size === outcome.chosen)!; // it is among those that were swept
  const share = median(best.medians.map((ms, round) => ms / chosen.medians[round]!));
  bench.say(`choice, ${nameOf(what)}: ${outcome.chosen}, best ${best.size}, ${(100 * share).toFixed(1)} %`);
  return { ...what, outcome, best: best.size, share };
}

const timeOf = ({ medians }: ChoiceOutcome["sizes"][number]) => median(medians);
const nameOf = ({ model, batch, threads }: ChoiceCase) =>
  `${model}, batch ${batch}, ${threads} thread${threads > 1 ? "s" : ""}`;

function lineOf({ model, batch, threads, best, share, outcome }: Row): string[] {
  const told = (size: number) => threeDigits(timeOf(outcome.sizes.find((one) => one.size === size)!));
  return [
    `${model}, batch ${batch}`,
    ...[threads, outcome.chosen, best].map(String),
    ...[told(outcome.chosen), told(best), `${(100 * share).toFixed(1)} %`, threeDigits(outcome.openSeconds)],
    outcome.sizes.map((one) => `${one.size}: ${threeDigits(timeOf(one))}`).join(", "),
  ];
}

const targetOf = (row: Row): Target =>
  target(`choice, ${nameOf(row)}: share of the best throughput`, row.share, "at least", 0.95);
