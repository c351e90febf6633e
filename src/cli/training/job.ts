/** What `microbatch train` runs, whether a table or a plan file asked for it. */
import type { Dataset } from "../../data/dataset.ts";
import type { EncoderOptions } from "../../nn/index.ts";
import type { Plan } from "../../train/plan.ts";

/** A run to be made and told about. */
export interface Job {
  /** Typed as a plan whose model returns one tensor; predictions are only handed back to functions of the same plan. */
  readonly plan: Plan;
  /** What people read before it starts, line by line. */
  readonly description: readonly string[];
  /** "regression", "binary", "multi-class", "several" of them, or "plan" where a plan file does not say. */
  readonly task: string;
  /** What is compared in the last words, one per target; none where the plan names no metric. */
  readonly verdicts: readonly Verdict[];
  /** Samples that neither train nor choose: the last judgement. */
  readonly test?: Dataset;
  /** How a table's columns become features, where that was chosen, and how many training samples the limits change. */
  readonly encoding?: Encoding;
  /** Where it begins with another model: which, and what of it is trained. Plain JSON. */
  readonly finetuned?: Readonly<Record<string, unknown>>;
  /** What the saved model takes and gives. Default: raw rows in, predictions out. */
  readonly saved?: string;
  /** More lines of metadata for the saved file. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** What was chosen of an encoder. */
export interface Encoding extends EncoderOptions {
  /** Numbers beyond the limits in the training samples, by column. */
  readonly limited: Readonly<Record<string, number>>;
}

/** A metric by which a model is compared with the trivial one. */
export interface Verdict {
  /** The metric as evaluations name it, without "validation.". */
  readonly metric: string;
  readonly better: "higher" | "lower";
  /** What the trivial model answers: "always the mean, 4,202". */
  readonly baselineWords: string;
  /** What to try where the model is no better. Default: what helps with a table. */
  readonly advice?: string;
}
