/** The plan: one object that says what to train, on what, and how. Four fields are required. */
import { formatShape } from "../array/shape.ts";
import { type Augment, checkAugment } from "../data/augment/changes.ts";
import type { ColumnSpec, ColumnSpecs, Dataset } from "../data/dataset.ts";
import { blockShuffled } from "../data/draw/block-shuffled.ts";
import { type Sampler, shuffled } from "../data/sampler.ts";
import { fail, kindOf } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Metric } from "../nn/metric.ts";
import type { Penalty } from "../nn/penalty.ts";
import type { Clip } from "../optim/clip.ts";
import type { Ema } from "../optim/ema.ts";
import type { Optimizer } from "../optim/optimizer.ts";
import type { CrewFactory } from "../parallel/crew.ts";
import type { Checkpointing } from "./checkpoint.ts";
import { checkDivergence, type Divergence } from "./divergence-policy.ts";
import type { LastBatch } from "./drawing.ts";
import type { ParameterGroup } from "./groups.ts";
import type { PartOfWeights, Weights } from "./initial-weights.ts";
import { checkFields } from "./plan-fields.ts";
import type { ResolvedPlan } from "./resolve.ts";
import { afterEpochs, type RunLength, type StopRule } from "./stop.ts";

/** The tensors a model and a loss see, by column name: [batch, …] each. */
export type Row<Columns extends ColumnSpecs = ColumnSpecs> = { readonly [Name in keyof Columns]: Tensor };

/** What a loss gives: one number per sample (or token), and how much each of them counts. */
export type LossResult = Tensor | { readonly loss: Tensor; readonly weight: Tensor };

/** Validation: what to evaluate on, how often, and by which metrics. */
export interface Validation<Columns extends ColumnSpecs, Prediction> {
  readonly data: Dataset<Columns>;
  readonly metrics?: Readonly<Record<string, (predicted: Prediction, row: Row<Columns>) => Metric>>;
  /** Steps between evaluations. Default: once per epoch. */
  readonly every?: number;
  /** The metric whose best weights are kept, "validation.loss" by default: it is always there and always smooth. */
  readonly monitor?: string;
}

/** What to train. Generic in the columns of the data and in what the model returns. */
export interface Plan<Columns extends ColumnSpecs = ColumnSpecs, Prediction = Tensor> {
  readonly data: Dataset<Columns>;
  readonly model: (row: Row<Columns>) => Prediction;
  /** One number per sample or token, never a mean: the division by Σ w happens once per step. */
  readonly loss: (predicted: Prediction, row: Row<Columns>) => LossResult;
  readonly optimizer: Optimizer;

  /** Samples per update. Default 32, or all of them where there are fewer. */
  readonly batchSize?: number;
  /**
   * Samples per forward and backward pass: speed and memory only, but for a model with `batchNorm`, which looks at them together.
   * Default: the batch in equal parts of at most 128 that fit into the memory; where an epoch takes more than two seconds, the
   * smallest with which a step on the plan's threads takes at most 2 % longer than with any, by three timings in at most a second or
   * so. Parts are 2, 4, 8 and so on, so that no thread is left without. The record says which, and a replay times nothing.
   */
  readonly microbatchSize?: number;
  /** Slots of the gradient sum. Default 8, on every machine: it is part of what makes the bytes. */
  readonly lanes?: number;
  /**
   * Who computes: `threads(4)` is this thread and three others. Changes how long a run takes and never its bytes.
   * Default: this thread alone at first; after a second of training as many threads as there are cores are tried, and kept if
   * they are faster. threads(1) is this thread alone for good.
   */
  readonly parallel?: CrewFactory;
  /**
   * The most bytes that the process may hold, data in memory included. A microbatch size that would need more is refused before
   * the run, with the largest that does not; one that was left out is made to fit. Default, on Linux: what the process holds already
   * and 80 % of what machine or container have free; elsewhere no limit.
   */
  readonly memoryBudget?: number;
  /** Seed of everything random. Default 0. */
  readonly seed?: number;
  /** Order of the samples. Default: shuffled anew each epoch, block by block where the data says that it lies on a disk. */
  readonly sampler?: Sampler;
  /**
   * What becomes of an epoch's last samples where they do not fill a batch; n samples and batches of b:
   * - "keep": they are a smaller batch, so that every sample is trained on once per epoch. ⌈n / b⌉ steps. The default.
   * - "drop": they are left out of this epoch. ⌊n / b⌋ steps, all of b samples.
   * - "carry": the first samples of the next epoch fill the batch up, so that no sample is left out and every batch has b:
   *   n / b steps on average. The batch is the last step of the epoch it began in and counts there as a whole, in the
   *   epoch's loss and number of samples; the next epoch goes on behind it.
   * Dropout is keyed by the step and the place in the batch, so it is the same whatever epoch a sample is of.
   */
  readonly lastBatch?: LastBatch;
  /**
   * Random changes of the training images, by column: { image: [flip(), crop({ padding: 4 })] }, first to last. Each sample
   * is changed anew in each epoch, by its own draws of (seed, epoch, sample), so neither microbatches nor threads matter; in
   * one epoch a sample that is drawn twice is changed alike. Columns with equal lists are changed alike too, as an image and
   * its mask must be. Columns are uint8 [height, width] or [channels, height, width], as `images`, `idx` and `npy` give them.
   * Evaluation, metrics, statistics and saved models see the samples as they are. A thread does it ahead, which a function
   * of the caller's own could not reach: there are flip, crop and colour.
   */
  readonly augment?: Augment<Columns>;
  /**
   * What the parameters begin with, by name: another model's `parameters`, or the `arrays` of a safetensors file. Float32,
   * with the names and shapes of this model's, none left out: anything else is refused. { from: weights, except: "head.*" } leaves
   * out what has another form here, which is drawn. Default: what initializers draw.
   */
  readonly initialWeights?: Weights | PartOfWeights;
  /**
   * Parameters, by patterns of their names, that are frozen, learn a change of low rank (LoRA), or whose learning rate or weight
   * decay is a multiple of the optimizer's: [{ parameters: "body.*", lora: { rank: 8, alpha: 16 } }, { parameters: /bias$/,
   * weightDecayFactor: 0 }]. No parameter is in two of them. Running statistics move all the same (`batchNorm({ frozen })` stops
   * them), and penalties do not see what is frozen, and of LoRA A and B. Default: none, all parameters are alike.
   */
  readonly groups?: readonly ParameterGroup[];
  /** Acts on the gradient of the whole batch, once per step. */
  readonly clip?: Clip;
  /** Added to the loss once per step. */
  readonly penalty?: Penalty | readonly Penalty[];
  /** Averages the weights; evaluation, best weights and the saved model then use the average. */
  readonly ema?: Ema;
  /**
   * What is done where a loss, a gradient or a statistic is NaN or infinite: { action: "skip" } leaves the update out,
   * { action: "back" } goes back and learns slower, both counted, told by a "diverged" event and limited; a factor counts losses
   * that explode, too. No update is ever made of such numbers. Default: { action: "stop" }, the run ends.
   */
  readonly divergence?: Divergence;
  /**
   * Measures every lane's part of the gradient, ‖Σ w·∇ℓ‖² per parameter: step events then carry `laneSquaredNorms`, from
   * which the gradient's noise can be estimated. Default false: it costs one more read of every lane's sum.
   */
  readonly measureLanes?: boolean;
  readonly validation?: Validation<Columns, Prediction>;
  /** Default: one epoch. The first rule that gives a reason ends the run. */
  readonly stop?: StopRule | readonly StopRule[];
  /**
   * Ends the run after the step in progress, or the evaluation, where there is one. A checkpoint is saved where the plan has a
   * place for it, and the weights as they are then are evaluated once more. Heard from the first step on.
   */
  readonly signal?: AbortSignal;
  /**
   * What the saved model puts out, by name, from what the model predicts. Default: `prediction` as it is, or the
   * tensors by their names where the model returns an object of tensors.
   */
  readonly serve?: (predicted: Prediction) => Readonly<Record<string, Tensor>>;
  /**
   * The trivial prediction a model must beat: the mean, the class frequencies. It trains nothing; `measureBaseline` says how
   * good it is, by the plan's own loss and metrics.
   */
  readonly baseline?: (row: Row<Columns>) => Prediction;
  /** Where the run is saved while it goes on, and whether it goes on from there: { store: runFolder("runs/first") }. Default: nowhere. */
  readonly checkpoint?: Checkpointing;
  /** The record of an earlier run: what was left out then is decided the same way, and the bytes are the same. */
  readonly replay?: ResolvedPlan;
}

/** The plan itself; gives it its type where it is written in a file of its own. */
export function definePlan<Columns extends ColumnSpecs, Prediction>(
  plan: Plan<Columns, Prediction>,
): Plan<Columns, Prediction> {
  return plan;
}

/** Every default in one table. */
export const defaults = {
  batchSize: 32,
  largestMicrobatch: 128,
  lanes: 8,
  seed: 0,
  monitor: "validation.loss",
  lastBatch: "keep",
  stop: () => afterEpochs(1),
} as const;

/**
 * The plan's sampler. Left out, it is what the record being replayed says, or what suits the data: where the samples lie
 * depends on the machine's memory, so it is recorded like everything that was decided.
 */
export function samplerOf({ sampler, replay, data }: Pick<Plan, "sampler" | "replay" | "data">): Sampler {
  if (sampler !== undefined) return sampler;
  const recorded = replay?.sampler;
  if (recorded?.name === "shuffled") return shuffled();
  const perBlock =
    recorded?.name === "blockShuffled" ? recorded.options.samplesPerBlock : data.samplesPerBlock;
  return perBlock === undefined ? shuffled() : blockShuffled({ samplesPerBlock: Number(perBlock) });
}

/** The plan's stop rules, never empty. */
export function stopRules(plan: { readonly stop?: StopRule | readonly StopRule[] }): readonly StopRule[] {
  const rules = plan.stop === undefined ? [defaults.stop()] : [plan.stop].flat();
  return rules as readonly StopRule[]; // flat() of one rule or a list of rules is a list of rules
}

/** How long a run of the plan may get, as far as numbers say it. */
export function lengthOf(plan: Pick<Plan, "stop">): RunLength {
  const length: Record<string, number> = {};
  for (const { most } of stopRules(plan))
    for (const [kind, value] of Object.entries(most ?? {}))
      length[kind] = Math.min(value, length[kind] ?? Number.POSITIVE_INFINITY);
  return length;
}

/** Refuses a plan that cannot run, before the first sample is read. */
export function checkPlan<Columns extends ColumnSpecs, Prediction>(plan: Plan<Columns, Prediction>): void {
  checkFields(plan);
  if (plan.data.size < 1) {
    fail("plan.data", {
      expected: "at least one sample",
      got: `${plan.data.name} with none`,
      fix: "add samples",
    });
  }
  wholeNumber("plan.batchSize", plan.batchSize, 1);
  wholeNumber("plan.microbatchSize", plan.microbatchSize, 1);
  wholeNumber("plan.lanes", plan.lanes, 1);
  wholeNumber("plan.seed", plan.seed, 0);
  wholeNumber("plan.memoryBudget", plan.memoryBudget, 1);
  wholeNumber("plan.validation.every", plan.validation?.every, 1);
  if (plan.lanes !== undefined && plan.lanes > 1024) {
    fail("plan.lanes", {
      expected: "at most 1024",
      got: String(plan.lanes),
      fix: "8 suit machines of up to 8 cores",
    });
  }
  checkMicrobatch(plan);
  if (plan.augment !== undefined) checkAugment(plan.data, plan.augment);
  if (plan.divergence !== undefined) checkDivergence(plan.divergence);
  if (plan.validation !== undefined) checkValidation(plan.data, plan.validation);
  for (const { name, metric } of stopRules(plan)) {
    if (metric !== undefined) requireEvaluated(`plan.stop, ${name}`, metric, plan.validation);
  }
}

function wholeNumber(where: string, value: number | undefined, smallest: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= smallest)) return;
  fail(where, {
    expected: `a whole number from ${smallest} on`,
    got: kindOf(value),
    fix: "leave it out to have it decided",
  });
}

function checkMicrobatch(plan: Pick<Plan, "batchSize" | "microbatchSize">): void {
  const { batchSize, microbatchSize } = plan;
  if (batchSize === undefined || microbatchSize === undefined || microbatchSize <= batchSize) return;
  fail("plan.microbatchSize", {
    expected: `at most batchSize (${batchSize})`,
    got: String(microbatchSize),
    fix: "a batch is one or more microbatches: lower microbatchSize or raise batchSize",
  });
}

function checkValidation(
  training: Dataset,
  validation: Pick<AnyValidation, "data" | "metrics" | "monitor">,
): void {
  const { data, metrics = {}, monitor } = validation;
  if (data.size < 1) {
    fail("plan.validation.data", {
      expected: "at least one sample",
      got: `${data.name} with none`,
      fix: "add samples, or leave validation out",
    });
  }
  checkColumns(training, data);
  if (Object.hasOwn(metrics, "loss")) {
    fail("plan.validation.metrics", {
      expected: "metrics under other names than loss",
      got: '"loss"',
      fix: "rename it: validation.loss is the mean of the plan's loss, and always there",
    });
  }
  if (monitor !== undefined) requireEvaluated("plan.validation.monitor", monitor, validation);
}

function checkColumns(training: Dataset, validation: Dataset): void {
  for (const [name, spec] of Object.entries(training.columns)) {
    const other = validation.columns[name];
    if (other !== undefined && describeColumn(other) === describeColumn(spec)) continue;
    fail("plan.validation.data", {
      expected: `the training columns, with "${name}" as ${describeColumn(spec)}`,
      got: other === undefined ? `no "${name}"` : `"${name}" as ${describeColumn(other)}`,
      fix: "split one dataset into training and validation",
    });
  }
}

/** "float32 [3]". */
export const describeColumn = ({ dtype, shape }: ColumnSpec) => `${dtype} ${formatShape(shape)}`;

function requireEvaluated(
  where: string,
  metric: string,
  validation: Pick<AnyValidation, "metrics"> | undefined,
): void {
  if (validation === undefined) {
    fail(where, {
      expected: `validation, which gives "${metric}"`,
      got: "none",
      fix: "add validation: { data }, or stop by afterSteps or afterEpochs",
    });
  }
  const known = ["loss", ...Object.keys(validation.metrics ?? {})].map((name) => `validation.${name}`);
  if (known.includes(metric)) return;
  fail(where, {
    expected: `one of ${known.join(", ")}`,
    got: `"${metric}"`,
    fix: "name one of them, or add the metric to validation.metrics",
  });
}

/** What is looked at here is the same for all columns and predictions. */
interface AnyValidation {
  readonly data: Dataset;
  readonly metrics?: Readonly<Record<string, unknown>>;
  readonly monitor?: string;
}
