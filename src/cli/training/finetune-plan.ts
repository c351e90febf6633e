/** A network with its head and the samples → a job. */
import { basename } from "node:path";
import { float32 } from "../../array/array.ts";
import type { Dataset } from "../../data/dataset.ts";
import { constant } from "../../graph/tensor.ts";
import { expand } from "../../ops/index.ts";
import type { Plan, Row } from "../../train/plan.ts";
import { type FinetuneFlags, finetuneDefaults } from "./finetune-flags.ts";
import type { Fed, Network } from "./finetune-network.ts";
import type { OpenedModel } from "./finetune-open.ts";
import { defaultBatchSize, tableDefaults } from "./flags.ts";
import type { Head } from "./heads.ts";
import type { Job, Verdict } from "./job.ts";
import { stopRulesWithin } from "./job-flags.ts";
import { optimizerOf, overridesOf, samplingOf } from "./plan-flags.ts";

/** What a fine-tuning is made of. */
export interface FinetuneParts {
  readonly training: Dataset;
  readonly validation: Dataset;
  readonly network: Network;
  readonly head: Head;
  /** A sample's columns → what goes into the file. */
  feed(row: Row): Fed;
}

/** The plan. Its baseline is the file as it came, where its own head fits, so that the metric before stands beside the one after. */
export async function finetunePlan(parts: FinetuneParts, flags: FinetuneFlags): Promise<Plan> {
  const { training, validation, network, head, feed } = parts;
  const { asItCame, predict, groups, isDeep } = network;
  const { epochs, learningRate } = finetuneDefaults;
  const batchSize = Math.min(flags.batchSize ?? defaultBatchSize(training.size), training.size);
  const steps = flags.steps ?? (flags.epochs ?? epochs) * Math.ceil(training.size / batchSize);
  const rate = flags.learningRate ?? learningRate[isDeep && flags.lora === undefined ? "more" : "head"];
  return {
    data: training,
    model: (row) => predict(feed(row)),
    loss(predicted, row) {
      const loss = head.loss(predicted, row);
      const weight = head.weight?.(row);
      return weight === undefined ? loss : { loss, weight };
    },
    serve: (predicted) => ({ ...head.serve(predicted) }),
    baseline: (row) =>
      asItCame?.(feed(row)) ??
      expand(constant(float32(head.trivial, [1, head.outputs])), ["batch", head.outputs]),
    ...(groups.length > 0 && { groups }),
    optimizer: optimizerOf(
      flags.optimizer ?? tableDefaults.optimizer,
      flags.optimizer === undefined ? { ...flags, learningRate: rate } : flags,
      steps,
    ),
    validation: { data: validation, metrics: head.metrics },
    stop: stopRulesWithin(flags, finetuneDefaults),
    ...overridesOf({ ...flags, batchSize, seed: flags.seed ?? tableDefaults.seed }),
    ...(await samplingOf(flags, training)),
  };
}

/** What the saved file and --json tell of where it began. The file's folder is nobody's business. */
export function finetunedRecord(
  { file, sha256 }: OpenedModel,
  { isNew, tensor, trained }: Network,
  { lora }: FinetuneFlags,
): NonNullable<Job["finetuned"]> {
  const head = isNew ? "new" : "keep";
  const model = { name: basename(file), sha256 };
  return { model, head, tensor, trainedOfModel: trained, ...(lora !== undefined && { lora }) };
}

/** What is told at the end: after against before, or against the trivial model where there was no before. */
export function finetuneVerdicts(head: Head, { asItCame, isDeep }: Network): Job["verdicts"] {
  const verdict: Verdict = {
    metric: head.headline,
    better: head.task === "regression" ? "lower" : "higher",
    baselineWords: asItCame === undefined ? head.baselineWords : "the file as it came",
    advice: isDeep
      ? "Try another --learning-rate, more --epochs, or more samples"
      : 'The features may not tell these classes: train more of the model with --train "*"',
  };
  return [verdict];
}
