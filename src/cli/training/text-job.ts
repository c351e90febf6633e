/** A text file and flags → a job. */
import type { Dataset } from "../../data/dataset.ts";
import { allSamples } from "../../data/samples.ts";
import { bytes } from "../../data/text/text.ts";
import type { Plan } from "../../train/plan.ts";
import { type TrainFlags, tableDefaults, tableFlags } from "./flags.ts";
import type { Job } from "./job.ts";
import { heldShares, refuseFlags, stopRulesWithin } from "./job-flags.ts";
import { optimizerOf, overridesOf, samplingOf } from "./plan-flags.ts";
import { textModel } from "./text-plan.ts";

/**
 * What a text's flags are where they are left out. The sizes are those of examples/moby-dick; the epochs are enough for one chapter, and
 * patience ends the reading of a book.
 */
const textDefaults = {
  context: 64,
  batchSize: 32,
  epochs: 60,
  patience: 5,
  learningRate: 0.002,
  dropout: 0,
  validation: 0.1,
  clip: 1,
} as const;

/** Flags of tables that texts have too. */
const shared: readonly (keyof TrainFlags)[] = ["validation", "test", "dropout"];

/** Reads the text and makes the plan. Throws for what is wrong with it, and for flags that only a table takes. */
export async function textJob(path: string, flags: TrainFlags): Promise<Job> {
  const proof = {
    expected: "a table, whose columns it is about",
    got: `the text ${path}`,
    fix: (flag: string) =>
      `leave ${flag} out; or name the column to predict by --target, where the file is a table`,
  };
  refuseFlags(flags, tableFlags, proof, shared);
  const { context, clip } = textDefaults;
  const { seed = tableDefaults.seed, dropout = textDefaults.dropout } = flags;
  const all = await bytes(path, { context });
  const { training, validation, test } = all.split(
    heldShares(flags, { what: "the text", share: textDefaults.validation }),
  );
  const shaped = textModel(await countBytes(training), { dropout });
  const { model, loss, baseline, metrics, words } = shaped;
  const batchSize = Math.min(flags.batchSize ?? textDefaults.batchSize, training.size);
  const steps = flags.steps ?? (flags.epochs ?? textDefaults.epochs) * Math.ceil(training.size / batchSize);
  const rate = { learningRate: textDefaults.learningRate };
  const plan: Plan = {
    data: training as Dataset, // its columns by their names alone
    ...{ model, loss, baseline },
    optimizer: optimizerOf(
      flags.optimizer ?? tableDefaults.optimizer,
      flags.optimizer === undefined ? { ...rate, ...flags } : flags,
      steps,
    ),
    validation: { data: validation as Dataset, metrics },
    stop: stopRulesWithin(flags, textDefaults),
    ...overridesOf({ clip, ...flags, batchSize, seed }),
    ...(await samplingOf(flags, training as Dataset)),
  };
  const size = (part: Dataset) => (part.size * context).toLocaleString("en-US");
  return {
    plan,
    description: [
      `${path}: ${all.report.codes.toLocaleString("en-US")} bytes of text`,
      `  samples   ${context} bytes in a row; which byte comes next is to be said behind each`,
      `  training  ${words} on ${size(training as Dataset)} bytes from the beginning; ` +
        `${size(validation as Dataset)} behind them to validate${test === undefined ? "" : `, the last ${size(test as Dataset)} to test`}`,
    ],
    task: "next-token",
    verdicts: [
      {
        metric: "loss",
        better: "lower",
        baselineWords: "always by how often each byte comes; nats per byte",
        advice: "This text may be too short to learn from, or was not read often enough: try more --epochs",
      },
    ],
    ...(test !== undefined && { test: test as Dataset }),
    saved: `tokens [batch, ${context}] in, one per byte, logits of the bytes behind them out`,
    metadata: {},
  };
}

/** How often each byte comes. */
async function countBytes(training: Awaited<ReturnType<typeof bytes>>): Promise<Float64Array> {
  const codes = new Int32Array(training.size * textDefaults.context);
  await training.read("tokens", allSamples(training), codes);
  const counts = new Float64Array(training.vocabulary.size);
  for (const code of codes) counts[code]!++;
  return counts;
}
