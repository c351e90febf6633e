/** A text file and flags → a job. */
import type { Dataset } from "../../data/dataset.ts";
import { allSamples } from "../../data/samples.ts";
import { bytes } from "../../data/text/text.ts";
import { fail } from "../../errors.ts";
import type { Plan } from "../../train/plan.ts";
import { afterEpochs, whenStale } from "../../train/stop.ts";
import { type TrainFlags, tableDefaults, tableFlags } from "./flags.ts";
import type { Job } from "./job.ts";
import { optimizerOf, overridesOf, samplingOf, stopRulesOf } from "./plan-flags.ts";
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
  refuseTableFlags(path, flags);
  const { context, clip } = textDefaults;
  const { seed = tableDefaults.seed, dropout = textDefaults.dropout } = flags;
  const all = await bytes(path, { context });
  const { training, validation, test } = all.split(sharesOf(flags));
  const shaped = textModel(await countBytes(training), { dropout });
  const { model, loss, baseline, metrics, words } = shaped;
  const batchSize = Math.min(flags.batchSize ?? textDefaults.batchSize, training.size);
  const isByLength = flags.epochs !== undefined || flags.steps !== undefined;
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
    stop: [
      ...stopRulesOf(flags),
      ...(isByLength ? [] : [afterEpochs(textDefaults.epochs)]),
      ...(isByLength || flags.patience !== undefined
        ? []
        : [whenStale("validation.loss", { patience: textDefaults.patience })]),
    ],
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

function refuseTableFlags(path: string, flags: TrainFlags): void {
  for (const [name, flag] of Object.entries(tableFlags)) {
    if (!Object.hasOwn(flags, name) || shared.includes(name as keyof TrainFlags)) continue;
    fail(flag, {
      expected: "a table, whose columns it is about",
      got: `the text ${path}`,
      fix: `leave ${flag} out; or name the column to predict by --target, where the file is a table`,
    });
  }
}

function sharesOf({ validation, test }: TrainFlags): { readonly validation: number; readonly test?: number } {
  const share = (flag: string, held: TrainFlags["test"]) => {
    if (held === undefined || "share" in held) return held?.share;
    return fail(flag, { expected: "a share of the text", got: held.file, fix: `for example ${flag} 0.1` });
  };
  const tested = share("--test", test);
  return {
    validation: share("--validation", validation) ?? textDefaults.validation,
    ...(tested !== undefined && { test: tested }),
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
