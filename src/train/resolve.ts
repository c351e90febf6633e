/** The resolved plan: everything that was left out, decided before step 1 and recorded. Plain data. */
import { sha256 } from "../array/sha256.ts";
import { type Augment, settleAugment } from "../data/augment/changes.ts";
import type { Dataset } from "../data/dataset.ts";
import { fail } from "../errors.ts";
import type { Schedule } from "../optim/schedule.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type SettledDivergence, settleDivergence } from "./divergence-policy.ts";
import type { LastBatch } from "./drawing.ts";
import type { SettledGroup } from "./groups.ts";
import { hashWeights, type InitialWeights } from "./initial-weights.ts";
import { evenPart } from "./microbatch-counts.ts";
import { defaults, type Plan, samplerOf, stopRules } from "./plan.ts";
import type { TracedStatistics } from "./statistics.ts";
import type { Trace } from "./trace.ts";

/** What makes the bytes of a run, as JSON can hold it. Give it back as `replay` to get the same bytes again. */
export interface ResolvedPlan {
  readonly version: 1;
  readonly batchSize: number;
  readonly microbatchSize: number;
  readonly evaluationMicrobatchSize: number;
  readonly lanes: number;
  readonly seed: number;
  readonly lastBatch: LastBatch;
  readonly sampler: { readonly name: string; readonly options: Readonly<Record<string, number | string>> };
  readonly optimizer: {
    readonly name: string;
    readonly options: Readonly<Record<string, number | boolean | string>>;
  };
  /** The learning rate of steps 0, 1, 2, 4 … 65536, null past a schedule's end: tells schedules apart without closures. */
  readonly learningRates: readonly (number | null)[];
  /** Every option of every augmentation, by column. */
  readonly augment?: Augment;
  /** SHA-256 of what the parameters began with, where the plan gave it. */
  readonly initialWeights?: string;
  /** The parameters that were drawn all the same, where the plan gave the others. */
  readonly drawnWeights?: readonly string[];
  /** Which parameters the plan treats unlike the others, and how. */
  readonly groups?: readonly SettledGroup[];
  readonly clip?: { readonly name: string; readonly options: Readonly<Record<string, unknown>> };
  readonly penalties: readonly {
    readonly name: string;
    readonly options: Readonly<Record<string, unknown>>;
  }[];
  readonly emaDecay?: number;
  /** What is done about divergence, with every option, where it is more than to stop at NaN and infinity. */
  readonly divergence?: SettledDivergence;
  readonly validationEvery?: number;
  readonly monitor?: string;
  readonly stop: readonly string[];
  readonly backend: { readonly name: string; readonly version: string; readonly processor: string };
  /** Which form of an op was chosen where a backend offers several: blocked convolutions, or plain ONNX. */
  readonly lowerings: Readonly<Record<string, string>>;
  /** SHA-256 of each program's bytes. */
  readonly programs: Readonly<Record<string, string>>;
  readonly parameters: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** Which of the parameters are running statistics, and how fast they move; there where a model has any that move. */
  readonly statistics?: readonly TracedStatistics[];
  readonly data: { readonly name: string; readonly samples: number; readonly sha256: string };
  /** The samples that the best weights are chosen by; missing in records of before, which are not compared by it. */
  readonly validationData?: { readonly samples: number; readonly sha256: string };
  /** What was decided rather than given: field → why. */
  readonly decided: Readonly<Record<string, string>>;
}

/** The sizes of a run, and what becomes of the samples that do not fill one. */
export interface Sizes {
  readonly batchSize: number;
  readonly microbatchSize: number;
  readonly evaluationMicrobatchSize: number;
  readonly lanes: number;
  readonly seed: number;
  readonly lastBatch: LastBatch;
  readonly decided: Readonly<Record<string, string>>;
}

/** Decides the sizes: from the plan, else from the record being replayed, else by the rules in `defaults`. */
export function resolveSizes(plan: Plan): Sizes {
  const decided: Record<string, string> = {};
  const decide = <Field extends keyof typeof reasons>(
    field: Field,
    given: Sizes[Field] | undefined,
    rule: () => Sizes[Field],
  ): Sizes[Field] => {
    if (given !== undefined) return given;
    decided[field] = plan.replay === undefined ? reasons[field] : "taken from the record being replayed";
    return plan.replay?.[field] ?? rule();
  };
  const samples = plan.data.size;
  const smallest = plan.microbatchSize ?? 1;
  const batchSize = decide("batchSize", plan.batchSize, () =>
    Math.max(smallest, Math.min(defaults.batchSize, samples)),
  );
  const microbatchSize = decide("microbatchSize", plan.microbatchSize, () =>
    evenPart(batchSize, defaults.largestMicrobatch, plan.lanes ?? plan.replay?.lanes ?? defaults.lanes),
  );
  return {
    batchSize,
    microbatchSize,
    evaluationMicrobatchSize: decide("evaluationMicrobatchSize", undefined, () =>
      evaluationSize(microbatchSize),
    ),
    lanes: decide("lanes", plan.lanes, () => defaults.lanes),
    seed: decide("seed", plan.seed, () => defaults.seed),
    lastBatch: decide("lastBatch", plan.lastBatch, () => defaults.lastBatch),
    decided,
  };
}

const evaluationSize = (microbatchSize: number) => Math.max(2 * microbatchSize, 64);

/** The same with microbatches of another size, and why, where that is to be told. */
export function withMicrobatch(sizes: Sizes, microbatchSize: number, reason?: string): Sizes {
  if (microbatchSize === sizes.microbatchSize && reason === undefined) return sizes;
  const evaluationMicrobatchSize = evaluationSize(microbatchSize);
  const decided = reason === undefined ? sizes.decided : { ...sizes.decided, microbatchSize: reason };
  return { ...sizes, microbatchSize, evaluationMicrobatchSize, decided };
}

const reasons = {
  batchSize: `${defaults.batchSize} samples, or all of them where there are fewer`,
  microbatchSize: `the batch in equal parts of at most ${defaults.largestMicrobatch}`,
  evaluationMicrobatchSize: "twice the microbatch, at least 64: a forward pass alone needs less memory",
  lanes: `${defaults.lanes} on every machine, since lanes are part of what makes the bytes`,
  seed: "always the same, so that a run can be repeated",
  lastBatch: "kept, so that every sample is trained on once per epoch",
} as const;

/** Puts the whole record together. */
export async function resolvePlan(
  plan: Plan,
  sizes: Sizes,
  trace: Trace,
  runtime: Runtime,
  given?: InitialWeights,
): Promise<ResolvedPlan> {
  const penalties = plan.penalty === undefined ? [] : [plan.penalty].flat();
  const sampler = samplerOf(plan);
  const augment = settleAugment(plan.augment);
  const divergence = settleDivergence(plan.divergence);
  return {
    version: 1,
    ...sizes,
    sampler: { name: sampler.name, options: sampler.options ?? {} },
    optimizer: { name: plan.optimizer.name, options: plan.optimizer.options },
    learningRates: sampleRates(plan.optimizer.learningRate),
    ...(augment && { augment }),
    ...(given && { initialWeights: await hashWeights(given.weights) }),
    ...(given && given.drawn.length > 0 && { drawnWeights: given.drawn }),
    ...(trace.groups.length > 0 && { groups: trace.groups }),
    ...(plan.clip && { clip: { name: plan.clip.name, options: plan.clip.options } }),
    penalties: penalties.map(({ name, options }) => ({ name, options })),
    ...(plan.ema && { emaDecay: plan.ema.decay }),
    ...(divergence && { divergence }),
    ...(plan.validation?.every && { validationEvery: plan.validation.every }),
    ...(plan.validation && { monitor: plan.validation.monitor ?? defaults.monitor }),
    stop: stopRules(plan).map(({ name }) => name),
    backend: { name: runtime.name, version: runtime.version, processor: runtime.processor },
    lowerings: trace.lowerings,
    programs: Object.fromEntries(
      await Promise.all(
        Object.entries(trace.bytes).map(async ([name, bytes]) => [name, await sha256(bytes)] as const),
      ),
    ),
    parameters: trace.parameters.map(({ name, shape }) => ({ name, shape })),
    ...(trace.running.length > 0 && { statistics: trace.running }),
    data: { name: plan.data.name, ...(await contentOf(plan.data)) },
    ...(plan.validation && { validationData: await contentOf(plan.validation.data) }),
  };
}

const contentOf = async (data: Dataset) => ({ samples: data.size, sha256: await data.fingerprint() });

/** A schedule may refuse steps behind its end; the run may well stop before. */
function sampleRates(schedule: Schedule): (number | null)[] {
  return [0, ...Array.from({ length: 17 }, (_, power) => 2 ** power)].map((step) => {
    try {
      return schedule(step);
    } catch {
      return null;
    }
  });
}

/** Data is what its hash says; its name tells where it lay. */
function compared(plan: ResolvedPlan, field: keyof ResolvedPlan): unknown {
  return field === "data" ? { ...plan.data, name: "" } : plan[field];
}

/** The fields in which two plans differ that make bytes. What a plan leaves out is a difference too. */
export function differencesOf(record: ResolvedPlan, resolved: ResolvedPlan): readonly (keyof ResolvedPlan)[] {
  const keys = new Set([...Object.keys(record), ...Object.keys(resolved)]) as Set<keyof ResolvedPlan>; // of two of them
  return [...keys].filter(
    (field) =>
      field !== "decided" &&
      !(field === "validationData" && (record[field] === undefined || resolved[field] === undefined)) &&
      JSON.stringify(compared(record, field)) !== JSON.stringify(compared(resolved, field)),
  );
}

/** Some fields of a plan, as errors tell them. */
export const shownFields = (plan: ResolvedPlan, fields: readonly (keyof ResolvedPlan)[]) =>
  fields.map((field) => `${field} ${JSON.stringify(plan[field])?.slice(0, 200)}`).join("; ");

/** Refuses a replay that could not give the same bytes, and names every difference. */
export function checkReplay(record: ResolvedPlan | undefined, resolved: ResolvedPlan): void {
  if (record === undefined) return;
  const differences = differencesOf(record, resolved);
  if (differences.length === 0) return;
  fail("plan.replay", {
    expected: `the recorded plan (${shownFields(record, differences)})`,
    got: shownFields(resolved, differences),
    fix: "make the plan what it was, or leave replay out",
  });
}
