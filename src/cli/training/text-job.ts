/** A text file and flags → a job. */
import type { Dataset } from "../../data/dataset.ts";
import { readFile } from "../../data/files.ts";
import { allSamples } from "../../data/samples.ts";
import { bytes, characters, type TextData, tokens as tokensOf } from "../../data/text/text.ts";
import { fail } from "../../errors.ts";
import type { Plan } from "../../train/plan.ts";
import { type SavedTokens, tokensToMetadata } from "../text-tokens.ts";
import { type TrainFlags, tableDefaults, tableFlags, textDefaults } from "./flags.ts";
import type { Job } from "./job.ts";
import { heldShares, refuseFlags, stopRulesWithin } from "./job-flags.ts";
import { optimizerOf, overridesOf, samplingOf } from "./plan-flags.ts";
import { type TextModel, textModel } from "./text-plan.ts";

/**
 * How a text is trained on where flags do not say. The epochs are enough for one chapter, and patience ends the reading of a book.
 */
const trainingDefaults = {
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
  requireHeads(flags);
  const held = heldShares(flags, { what: "the text", share: trainingDefaults.validation });
  const { context = textDefaults.context, tokens = textDefaults.tokens } = flags;
  const all = await readText(path, tokens, context);
  const { training, validation, test } = all.split(held);
  const shaped = textModel(await countTokens(training), sizesOf(flags));
  const unit = tokens === "bytes" || tokens === "characters" ? tokens : "tokens";
  const one = unit.slice(0, -1);
  const size = (part: TextData) => (part.size * context).toLocaleString("en-US");
  return {
    plan: await planOf({ training, validation }, shaped, flags),
    description: [
      `${path}: ${all.report.codes.toLocaleString("en-US")} ${unit} of text${unit === "bytes" ? "" : `, ${all.vocabulary.size.toLocaleString("en-US")} different ones`}`,
      `  samples   ${context} ${unit} in a row; which ${one} comes next is to be said behind each`,
      `  training  ${shaped.words} on ${size(training)} ${unit} from the beginning; ` +
        `${size(validation)} behind them to validate${test === undefined ? "" : `, the last ${size(test)} to test`}`,
    ],
    task: "next-token",
    verdicts: [
      {
        metric: "loss",
        better: "lower",
        baselineWords: `always by how often each ${one} comes; nats per ${one}`,
        advice: "This text may be too short to learn from, or was not read often enough: try more --epochs",
      },
    ],
    ...(test !== undefined && { test: test as Dataset }),
    saved: `tokens [batch, ${context}] in, one per ${one}, logits of the ${unit} behind them out; microbatch generate writes with it`,
    metadata: tokensToMetadata(await savedTokens(tokens, all)),
  };
}

/** The width is shared among the heads. */
function requireHeads(flags: TrainFlags): void {
  const { width, heads } = sizesOf(flags);
  if (width % heads === 0) return;
  fail(flags.heads === undefined ? "--width" : "--heads", {
    expected: `heads that divide the width of ${width} features`,
    got: `${heads} heads`,
    fix: `for example --width ${Math.ceil(width / heads) * heads} --heads ${heads}`,
  });
}

const sizesOf = (flags: TrainFlags) => ({
  width: flags.width ?? textDefaults.width,
  layers: flags.layers ?? textDefaults.layers,
  heads: flags.heads ?? textDefaults.heads,
  dropout: flags.dropout ?? trainingDefaults.dropout,
});

async function readText(path: string, tokens: string, context: number): Promise<TextData> {
  if (tokens === "bytes") return bytes(path, { context });
  if (tokens === "characters") return characters(path, { context });
  return tokensOf(path, { tokenizer: tokens, context });
}

/** What a saved model needs to know of its tokens, so that one file can write. */
async function savedTokens(tokens: string, { vocabulary }: TextData): Promise<SavedTokens> {
  if (tokens === "bytes") return { kind: "bytes" };
  if (tokens === "characters") return { kind: "characters", characters: vocabulary.categories.join("") };
  return { kind: "tokenizer", definition: new TextDecoder().decode(await readFile(tokens)) };
}

async function planOf(
  { training, validation }: { readonly training: TextData; readonly validation: TextData },
  { model, loss, baseline, metrics }: TextModel,
  flags: TrainFlags,
): Promise<Plan> {
  const { batchSize: wanted, epochs, clip } = { ...trainingDefaults, ...flags };
  const batchSize = Math.min(wanted, training.size);
  const steps = flags.steps ?? epochs * Math.ceil(training.size / batchSize);
  const { seed = tableDefaults.seed } = flags;
  return {
    data: training as Dataset, // its columns by their names alone
    ...{ model, loss, baseline },
    optimizer: optimizerOf(
      flags.optimizer ?? tableDefaults.optimizer,
      flags.optimizer === undefined ? { learningRate: trainingDefaults.learningRate, ...flags } : flags,
      steps,
    ),
    validation: { data: validation as Dataset, metrics },
    stop: stopRulesWithin(flags, trainingDefaults),
    ...overridesOf({ ...flags, clip, batchSize, seed }),
    ...(await samplingOf(flags, training as Dataset)),
  };
}

/** How often each token comes. */
async function countTokens(training: TextData): Promise<Float64Array> {
  const [context] = training.columns.tokens.shape;
  const codes = new Int32Array(training.size * context);
  await training.read("tokens", allSamples(training), codes);
  const counts = new Float64Array(training.vocabulary.size);
  for (const code of codes) counts[code]!++;
  return counts;
}
