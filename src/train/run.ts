/** A run: the resolved plan with its arena, crew and update, opened once, stepped by the loop, closed at the end. */
import type { NdArray } from "../array/array.ts";
import { elementCount } from "../array/shape.ts";
import type { AugmentedReader } from "../data/augment/reader.ts";
import type { Dataset } from "../data/dataset.ts";
import { allSamples, withWeight } from "../data/samples.ts";
import { bug } from "../errors.ts";
import type { Batch, Crew, Culprit, Totals } from "../parallel/crew.ts";
import type { Arena } from "../runtime/arena.ts";
import type { Reduction } from "../runtime/reduction.ts";
import type { Runtime, Session } from "../runtime/runtime.ts";
import { type Beginning, CheckpointClock, type SavedCheckpoint } from "./checkpoint.ts";
import { Drawing } from "./drawing.ts";
import { foldMetrics } from "./evaluate.ts";
import type { StartedEvent, StepEvent, StopReason } from "./event.ts";
import type { Hint } from "./lookahead.ts";
import { mergeAdapters } from "./merge.ts";
import { createModel, type Model } from "./model.ts";
import { joinParts, type Part, samplesIn } from "./parts.ts";
import { addPenalty, type PenaltyProgram } from "./penalty.ts";
import { defaults, type Plan, samplerOf, stopRules } from "./plan.ts";
import { copyRegion, regions, stateRegions } from "./regions.ts";
import type { ResolvedPlan, Sizes } from "./resolve.ts";
import { hashRegions, initialState, type TrainingState } from "./state.ts";
import { moveStatistics, requireCompany, statisticsNotes } from "./statistics.ts";
import type { PlainData } from "./stop.ts";
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

/** What an update came to. */
export type StepOutcome = { readonly event: StepEvent } | { readonly culprit: Culprit };

/** An open run. */
export class Run {
  readonly state: TrainingState;
  readonly #opened: Opened;
  readonly #drawing: Drawing;
  readonly #clock: CheckpointClock | undefined;

  constructor(opened: Opened) {
    this.#opened = opened;
    const { plan } = opened;
    const hint = hintOf(opened);
    this.#drawing = new Drawing({ data: plan.data, sampler: samplerOf(plan), hint, ...opened.sizes });
    const fresh = initialState(stopRules(plan).map(({ initial }) => initial));
    const { found } = opened.beginning;
    this.state =
      found === undefined ? fresh : { ...structuredClone(found.state), stops: stopsOf(plan, found, fresh) };
    this.#clock = plan.checkpoint && new CheckpointClock(plan.checkpoint, this.state.step);
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

  /** Draws a batch, sums its gradients, updates the parameters. Nothing is touched where a number is not finite. */
  async step(): Promise<StepOutcome> {
    const { arena, crew, plan, trace: traced } = this.#opened;
    const began = performance.now();
    const drawn = this.#drawing.batch(this.state);
    const batch = { step: this.state.step, ...joinParts(await withoutWeightless(plan.data, drawn)) };
    const totals = batch.samples.length > 0 ? await crew.sumGradients(batch) : nothing;
    if (!totals.isFinite) return { culprit: await this.#culprit(batch) };
    const beforeUpdate = performance.now();
    const { penalty, squaredNorms } = await this.#addPenalty(totals);
    const gradientNorm = totals.weightSum > 0 ? Math.sqrt(sumOf(squaredNorms)) / totals.weightSum : 0;
    if (!Number.isFinite(gradientNorm + penalty)) return { culprit: await this.#culprit(batch) };
    const clipScale = plan.clip?.scale?.(gradientNorm) ?? 1;
    const learningRate = plan.optimizer.learningRate(this.state.step);
    if (totals.weightSum > 0) {
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
      event: {
        type: "step",
        step: this.state.step,
        epoch: this.state.epoch,
        position: Math.min(this.state.position, this.#drawing.length(this.state.epoch)),
        samples: samplesIn(drawn),
        weight: totals.weightSum,
        loss: totals.lossSum / totals.weightSum,
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
      },
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
      stateSha256: await hashRegions(arena, stateRegions(plan), JSON.stringify(this.state)),
    };
  }

  /** Why the run that this one goes on from had ended, if it had. */
  get stop(): StopReason | undefined {
    return this.#opened.beginning.found?.stop ?? undefined;
  }

  /** Hands the run over to the plan's store: where it is time to, or now. */
  async save(when: "due" | "now", stop: StopReason | null = null): Promise<void> {
    const { plan, resolved, arena } = this.#opened;
    if (plan.checkpoint === undefined || (when === "due" && !this.#clock?.isDue(this.state.step))) return;
    const regions = stateRegions(plan).map((region) => arena.region(region));
    await plan.checkpoint.store.save({ version: 1, plan: resolved, state: this.state, stop, regions });
    this.#clock?.saved(this.state.step);
  }

  async close(): Promise<void> {
    await this.#opened.plan.checkpoint?.store.close();
    this.#opened.augmented?.close();
    await this.#opened.crew.close();
    await this.#opened.penalty?.session.close();
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

  async #culprit(batch: Batch): Promise<Culprit> {
    const found = await this.#opened.crew.findCulprit(batch);
    // Every microbatch alone is finite: only their sum, or the penalty, overflowed.
    return found ?? { microbatch: 0, samples: batch.samples, what: "gradient" };
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

/** The state of the plan's stop rules; of those that the run was not saved with, their beginning. */
function stopsOf(plan: Plan, { plan: saved, state }: SavedCheckpoint, fresh: TrainingState): PlainData[] {
  return stopRules(plan).map(({ name }, index) =>
    saved.stop[index] === name ? state.stops[index]! : fresh.stops[index]!,
  );
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
