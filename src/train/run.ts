/** A run: the resolved plan with its arena, crew and update, opened once, stepped by the loop, closed at the end. */
import type { NdArray } from "../array/array.ts";
import { elementCount } from "../array/shape.ts";
import type { AugmentedReader } from "../data/augment/reader.ts";
import type { Dataset } from "../data/dataset.ts";
import { allSamples, withWeight } from "../data/samples.ts";
import { bug } from "../errors.ts";
import type { Batch, Crew, Totals } from "../parallel/crew.ts";
import type { Arena } from "../runtime/arena.ts";
import type { Reduction } from "../runtime/reduction.ts";
import type { Runtime, Session } from "../runtime/runtime.ts";
import { type Asked, type Beginning, beginningState, CheckpointClock, endOf } from "./checkpoint.ts";
import { divergedEvent, type Trouble } from "./divergence.ts";
import type { Explosion } from "./divergence-policy.ts";
import { Drawing } from "./drawing.ts";
import { foldMetrics } from "./evaluate.ts";
import type {
  DivergedEvent,
  FinishedEvent,
  RunMemory,
  StartedEvent,
  StepEvent,
  StopReason,
} from "./event.ts";
import type { Hint } from "./lookahead.ts";
import type { PredictedMemory } from "./memory-budget.ts";
import { mergeAdapters } from "./merge.ts";
import { createModel, type Model } from "./model.ts";
import { joinParts, type Part, samplesIn } from "./parts.ts";
import { addPenalty, type PenaltyProgram } from "./penalty.ts";
import { defaults, type Plan, samplerOf } from "./plan.ts";
import { Recovery } from "./recovery.ts";
import { copyRegion, regions, savedRegions } from "./regions.ts";
import type { ResolvedPlan, Sizes } from "./resolve.ts";
import { hashRegions, stepsComputed, type TrainingState } from "./state.ts";
import { moveStatistics, requireCompany, statisticsNotes } from "./statistics.ts";
import type { Trace } from "./trace.ts";

/** Everything that is opened before the first step. */
export interface Opened {
  readonly plan: Plan;
  readonly sizes: Sizes;
  readonly trace: Trace;
  readonly runtime: Runtime;
  readonly resolved: ResolvedPlan;
  readonly arena: Arena;
  readonly crew: Crew;
  /** Where the run goes on from another, if it does. */
  readonly beginning: Beginning;
  /** What the run was predicted to hold. */
  readonly memory?: PredictedMemory;
  /** Where the plan augments: told which samples come next, and closed with the run. */
  readonly augmented?: AugmentedReader;
  /** What a plan with penalties needs: their program, and what measures the sum they have joined. */
  readonly penalty?: {
    readonly program: PenaltyProgram;
    readonly session: Session;
    readonly reduction: Reduction;
  };
}

/** The totals of a batch in which no sample has weight. */
const nothing: Totals = {
  lossSum: 0,
  weightSum: 0,
  squaredNorms: new Float64Array(0),
  laneSquaredNorms: [],
  statistics: [],
  isFinite: true,
  lanes: [],
};

/** A step under way. */
interface Begun {
  readonly began: number;
  readonly drawn: readonly Part[];
  readonly batch: Batch;
}

/** An open run. */
export class Run {
  readonly state: TrainingState;
  readonly #opened: Opened;
  readonly #drawing: Drawing;
  readonly #clock: CheckpointClock | undefined;
  readonly #recovery: Recovery;

  constructor(opened: Opened) {
    this.#opened = opened;
    const { plan } = opened;
    const hint = hintOf(opened);
    this.#drawing = new Drawing({ data: plan.data, sampler: samplerOf(plan), hint, ...opened.sizes });
    this.state = beginningState(plan, opened.beginning);
    this.#clock = plan.checkpoint && new CheckpointClock(plan.checkpoint, stepsComputed(this.state));
    this.#recovery = new Recovery(plan, opened.arena, this.state);
  }

  /** What the first event says. Throws where the first epoch cannot be drawn. */
  started(): StartedEvent {
    const length = this.#drawing.length(this.state.epoch);
    const { plan, sizes, resolved, trace: traced, arena } = this.#opened;
    const { statistics } = traced.gradient;
    requireCompany(statistics, sizes, length);
    const trained = traced.parameters.filter(({ isTrained }) => isTrained);
    return {
      type: "started",
      plan: resolved,
      parameterCount: trained.reduce((sum, { shape }) => sum + elementCount(shape), 0),
      trainingSamples: plan.data.size,
      validationSamples: plan.validation?.data.size ?? 0,
      arenaBytes: arena.memory.buffer.byteLength,
      notes: [...this.#opened.beginning.notes, ...statisticsNotes(statistics, sizes)],
      ...(this.state.step > 0 && { resumedAt: this.state.step }),
    };
  }

  /** True after the last batch of a pass over the samples. */
  get isEpochOver(): boolean {
    return this.#drawing.isOver(this.state);
  }

  /**
   * Draws a batch, sums its gradients, updates the parameters. Nothing is updated where a number is not finite or the loss
   * explodes: then the plan's policy decides, and the state is where the run goes on.
   */
  async step(): Promise<StepEvent | DivergedEvent> {
    const { arena, crew, plan, trace: traced } = this.#opened;
    const began = performance.now();
    const drawn = this.#drawing.batch(this.state);
    const batch = { step: this.state.step, ...joinParts(await withoutWeightless(plan.data, drawn)) };
    const totals = batch.samples.length > 0 ? await crew.sumGradients(batch) : nothing;
    const begun = { began, drawn, batch };
    if (!totals.isFinite) return this.#diverged(begun);
    const beforeUpdate = performance.now();
    const { penalty, squaredNorms } = await this.#addPenalty(totals);
    const gradientNorm = totals.weightSum > 0 ? Math.sqrt(sumOf(squaredNorms)) / totals.weightSum : 0;
    if (!Number.isFinite(gradientNorm + penalty)) return this.#diverged(begun);
    const clipScale = plan.clip?.scale?.(gradientNorm) ?? 1;
    const learningRate = plan.optimizer.learningRate(this.state.step) * this.#recovery.learningRateFactor;
    const loss = totals.lossSum / totals.weightSum;
    if (totals.weightSum > 0) {
      const exploded = this.#recovery.explosion(loss);
      if (exploded !== undefined) return this.#diverged(begun, exploded);
      this.#recovery.beforeUpdate(loss);
      await crew.update({
        learningRate,
        step: this.state.step + 1,
        gradientScale: clipScale / totals.weightSum,
        averageDecay: plan.ema?.at(this.state.step) ?? 0,
      });
      moveStatistics(arena, traced.running, totals.statistics);
    }
    this.#advance(samplesIn(drawn), totals);
    const now = performance.now();
    return {
      type: "step",
      step: this.state.step,
      epoch: this.state.epoch,
      position: Math.min(this.state.position, this.#drawing.length(this.state.epoch)),
      samples: samplesIn(drawn),
      weight: totals.weightSum,
      loss,
      penalty,
      gradientNorm,
      clipScale,
      learningRate,
      seconds: (now - began) / 1000,
      dataSeconds: totals.lanes.reduce((sum, lane) => sum + lane.dataSeconds, 0),
      waitSeconds: totals.lanes.reduce((sum, lane) => sum + lane.waitSeconds, 0),
      updateSeconds: (now - beforeUpdate) / 1000,
      lanes: totals.lanes,
      laneSquaredNorms: totals.laneSquaredNorms,
    };
  }

  /** Ends a pass over the samples and gives the mean loss of its steps. */
  endEpoch(): { epoch: number; loss: number; samples: number } {
    const { state } = this;
    const ended = {
      epoch: state.epoch,
      loss: state.epochLoss / state.epochWeight,
      samples: state.epochSamples,
    };
    Object.assign(state, this.#drawing.next(state), { epochSamples: 0, epochLoss: 0, epochWeight: 0 });
    return ended;
  }

  /** Evaluates the validation samples and keeps the weights if they are the best so far. */
  async evaluate(): Promise<{ metrics: Record<string, number>; isBest: boolean }> {
    const { plan, crew, trace: traced, sizes, arena } = this.#opened;
    const validation = plan.validation ?? bug("an evaluation without validation samples");
    const parameterRegion = this.#serve();
    const chunks = crew.evaluate({
      dataset: validation.data,
      program: traced.evaluation,
      samples: await withWeight(validation.data, allSamples(validation.data)),
      microbatchSize: sizes.evaluationMicrobatchSize,
      parameterRegion,
    });
    const folded = await foldMetrics(chunks, traced.metrics);
    const metrics = Object.fromEntries(
      Object.entries(folded).map(([name, value]) => [`validation.${name}`, value]),
    );
    const isBest = this.#isBest(metrics, validation.monitor ?? defaults.monitor);
    if (isBest) copyRegion(arena, parameterRegion, regions.best);
    this.state.evaluatedAt = this.state.step;
    return { metrics, isBest };
  }

  /** The trained model: the best weights where there are any, else the last (averaged, if the plan averages). */
  model(): Model {
    const { arena, trace: traced, resolved, runtime, plan } = this.#opened;
    const region = arena.region(this.state.best === null ? this.#serve() : regions.best);
    const merged = new Set(traced.adapters.flatMap(({ a, b }) => [a, b]));
    const parameters = new Map<string, NdArray>();
    for (const [name, { dtype, shape, data }] of region.tensors)
      if (!merged.has(name)) parameters.set(name, { dtype, shape, data: data.slice() });
    return createModel({ trace: traced, parameters, resolved, runtime, data: plan.data });
  }

  /** SHA-256 of the parameters after the last step, and of the whole state. */
  async hashes(): Promise<{ parametersSha256: string; stateSha256: string }> {
    const { arena, plan } = this.#opened;
    return {
      parametersSha256: await hashRegions(arena, [regions.parameters]),
      stateSha256: await hashRegions(arena, savedRegions(plan, this.state), JSON.stringify(this.state)),
    };
  }

  /** What divergence has come to, where the plan has a policy for it. */
  get divergence(): FinishedEvent["divergence"] {
    if (this.state.divergence === undefined) return undefined;
    const { skipped, wentBack, learningRateFactor } = this.state.divergence;
    return { skipped, wentBack, learningRateFactor };
  }

  /** Why the run that this one goes on from has ended, if it has, for this plan too; and what its stop rules were asked last. */
  get end(): { readonly stop: StopReason | undefined; readonly asked: Asked | undefined } {
    const { plan, beginning } = this.#opened;
    return { stop: endOf(plan, beginning), asked: beginning.found?.asked };
  }

  /** Hands the run over to the plan's store: where it is time to, or now. */
  async save(when: "due" | "now", stop: StopReason | null = null, asked?: Asked): Promise<void> {
    const { plan, resolved, arena } = this.#opened;
    if (plan.checkpoint === undefined || (when === "due" && !this.#clock?.isDue(stepsComputed(this.state))))
      return;
    const regions = savedRegions(plan, this.state).map((region) => arena.region(region));
    const header = { version: 1, plan: resolved, state: this.state, stop, ...(asked && { asked }) } as const;
    await plan.checkpoint.store.save({ ...header, regions });
    this.#clock?.saved(stepsComputed(this.state));
  }

  /** What the process was predicted to hold, and the most that it has held so far. */
  get memory(): RunMemory | undefined {
    const { memory, runtime } = this.#opened;
    const peakBytes = runtime.memory?.peak();
    return memory && peakBytes !== undefined ? { ...memory, peakBytes } : undefined;
  }

  async close(): Promise<void> {
    try {
      await this.#opened.plan.checkpoint?.store.close();
    } finally {
      this.#opened.augmented?.close();
      await this.#opened.penalty?.session.close();
      await this.#opened.crew.close();
    }
  }

  /** The region of the weights to evaluate and keep: the last ones or their average, adapters merged. */
  #serve(): string {
    const { plan, arena, trace: traced } = this.#opened;
    const trained = plan.ema === undefined ? regions.parameters : regions.average;
    if (traced.adapters.length === 0) return trained;
    mergeAdapters(arena, trained, regions.merged, traced.adapters);
    return regions.merged;
  }

  #advance(samples: number, totals: Totals): void {
    this.state.step++;
    this.state.position += samples;
    this.state.samples += samples;
    this.state.epochSamples += samples;
    this.state.epochLoss += totals.lossSum;
    this.state.epochWeight += totals.weightSum;
  }

  /** Σ w · ∂penalty joins the sum once per step; the norms are then those of the whole gradient. */
  async #addPenalty(totals: Totals): Promise<{ penalty: number; squaredNorms: Float64Array }> {
    const { penalty: opened, arena } = this.#opened;
    if (opened === undefined) return { penalty: 0, squaredNorms: totals.squaredNorms };
    const total = arena.region(regions.lane(0));
    const penalty = await addPenalty(opened.program, opened.session, {
      parameters: arena.region(regions.parameters).tensors,
      sums: total.tensors,
      weightSum: totals.weightSum,
    });
    const { squaredNorms } = opened.reduction.squaredNorms({
      region: total.byteOffset,
      layout: total.layout,
    });
    return { penalty, squaredNorms };
  }

  async #diverged({ began, drawn, batch }: Begun, exploded?: Explosion): Promise<DivergedEvent> {
    const trouble =
      exploded === undefined ? await this.#culprit(batch) : { samples: batch.samples, exploded };
    const step = this.state.step + 1;
    const reaction = this.#recovery.react();
    if (reaction.action === "skip") this.#advance(samplesIn(drawn), nothing);
    const ms = reaction.action === "back" ? this.#recovery.sincePointMs : performance.now() - began;
    return divergedEvent({ step, trouble, reaction, seconds: ms / 1000, data: this.#opened.plan.data });
  }

  async #culprit(batch: Batch): Promise<Trouble> {
    const found = await this.#opened.crew.findCulprit(batch);
    // Every microbatch alone is finite: only their sum, or the penalty, overflowed.
    return found ?? { samples: batch.samples, what: "gradient" };
  }

  #isBest(metrics: Readonly<Record<string, number>>, monitor: string): boolean {
    const { trace: traced } = this.#opened;
    const value = metrics[monitor] ?? bug(`the monitored metric "${monitor}" was not evaluated`);
    const metric = traced.metrics.find(({ name }) => `validation.${name}` === monitor)?.metric;
    const sign = metric?.better === "higher" ? -1 : 1;
    // An infinite loss is what weights about to diverge give: they must not be kept as the best.
    const isBest =
      Number.isFinite(value) && (this.state.best === null || sign * value < sign * this.state.best.value);
    if (isBest) this.state.best = { value, step: this.state.step };
    return isBest;
  }
}

/** Who prepares the samples that come next. */
function hintOf({ augmented, plan: { data } }: Opened): Hint | undefined {
  if (augmented !== undefined) return (samples, epoch) => augmented.hint(samples, epoch);
  return data.prefetch === undefined ? undefined : (samples) => data.prefetch?.(samples);
}

async function withoutWeightless(data: Dataset, parts: readonly Part[]): Promise<Part[]> {
  const kept: Part[] = [];
  for (const { epoch, samples } of parts) kept.push({ epoch, samples: await withWeight(data, samples) });
  return kept;
}

function sumOf(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}
