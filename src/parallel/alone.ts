/** A crew of one: this thread computes every microbatch, lane after lane. */
import { createReduction, type Reduced, type Reduction } from "../runtime/reduction.ts";
import type {
  Batch,
  Crew,
  CrewJob,
  Culprit,
  EvaluatedChunk,
  EvaluationJob,
  LaneReport,
  Totals,
} from "./crew.ts";
import { cutBatch, Evaluation } from "./evaluation.ts";
import { GradientRunner } from "./gradient-runner.ts";
import { busyLanes, type Merge, mergeSchedule } from "./lanes.ts";
import { Sessions } from "./sessions.ts";
import { areFinite, requireSeveralValues } from "./statistics.ts";
import { Update, type UpdateScalars } from "./update.ts";

/** Opens a crew of one on this thread. */
export async function alone(job: CrewJob): Promise<Crew> {
  return new Alone(job, createReduction(job.arena.memory));
}

class Alone implements Crew {
  readonly name = "alone";
  readonly workers = 1;
  readonly #job: CrewJob;
  readonly #reduction: Reduction;
  readonly #sessions: Sessions;
  readonly #runner: GradientRunner;
  readonly #update: Update;
  readonly #evaluations: { readonly job: EvaluationJob; readonly evaluation: Evaluation }[] = [];

  constructor(job: CrewJob, reduction: Reduction) {
    this.#job = job;
    this.#reduction = reduction;
    this.#sessions = new Sessions(job.runtime);
    this.#runner = new GradientRunner(job, this.#sessions);
    this.#update = new Update(job.arena, job.update);
  }

  async sumGradients(batch: Batch): Promise<Totals> {
    const microbatches = cutBatch(batch, this.#job.microbatchSize);
    for (const { samples } of microbatches)
      requireSeveralValues(this.#job.gradient.statistics, samples.length);
    const busy = busyLanes(this.#job.lanes, microbatches.length);
    const schedule = mergeSchedule(busy.length);
    const lanes: LaneReport[] = [];
    const norms = new LaneNorms();
    let lossSum = 0;
    let weightSum = 0;
    for (const [index, { lane, start, end }] of busy.entries()) {
      const began = performance.now();
      const { slot, merges } = schedule.lanes[index]!;
      let [dataMs, waitMs] = [0, 0];
      for (let at = start; at < end; at++) {
        const beforeFill = performance.now();
        const filling = this.#runner.fill(microbatches[at]!);
        if (filling !== undefined) {
          const beforeWait = performance.now();
          await filling;
          waitMs += performance.now() - beforeWait;
        }
        dataMs += performance.now() - beforeFill;
        const sums = await this.#runner.run(microbatches[at]!.samples.length, slot, at === start);
        lossSum += sums.loss;
        weightSum += sums.weight;
      }
      const seconds = (performance.now() - began) / 1000;
      const spent = { seconds, dataSeconds: dataMs / 1000, waitSeconds: waitMs / 1000 };
      lanes.push({ lane, worker: 0, microbatches: end - start, ...spent });
      for (const merge of merges) this.#merge(merge, norms, isTotal(merge, busy.length));
    }
    if (busy.length === 1) this.#merge(singleLane, norms, true);
    const statistics = this.#runner.statistics.at(0);
    const isLossFinite = Number.isFinite(lossSum) && Number.isFinite(weightSum);
    return {
      lossSum,
      weightSum,
      squaredNorms: norms.total,
      laneSquaredNorms: norms.lanes,
      statistics,
      isFinite: norms.isFinite && areFinite(statistics) && isLossFinite,
      lanes,
    };
  }

  async update(scalars: UpdateScalars): Promise<void> {
    this.#update.apply(scalars);
  }

  async findCulprit(batch: Batch): Promise<Culprit | undefined> {
    for (const [microbatch, request] of cutBatch(batch, this.#job.microbatchSize).entries()) {
      await this.#runner.fill(request);
      const { loss } = await this.#runner.run(request.samples.length, 0, true);
      if (!Number.isFinite(loss)) return { microbatch, samples: request.samples, what: "loss" };
      const norms = new LaneNorms();
      this.#merge(singleLane, norms, true);
      if (!norms.isFinite) return { microbatch, samples: request.samples, what: "gradient" };
      if (!areFinite(this.#runner.statistics.at(0)))
        return { microbatch, samples: request.samples, what: "statistics" };
    }
    return undefined;
  }

  async *evaluate(job: EvaluationJob): AsyncGenerator<EvaluatedChunk> {
    yield* (await this.#openEvaluation(job)).run(job.samples);
  }

  async close(): Promise<void> {
    await this.#sessions.close();
    this.#evaluations.length = 0;
  }

  async #openEvaluation(job: EvaluationJob): Promise<Evaluation> {
    const known = this.#evaluations.find(
      (one) =>
        one.job.program === job.program &&
        one.job.dataset === job.dataset &&
        one.job.microbatchSize === job.microbatchSize &&
        one.job.parameterRegion === job.parameterRegion,
    );
    if (known !== undefined) return known.evaluation;
    const evaluation = new Evaluation({
      ...job,
      session: await this.#sessions.of(job.program),
      parameters: this.#job.arena.region(job.parameterRegion).tensors,
    });
    this.#evaluations.push({ job, evaluation });
    return evaluation;
  }

  #merge(merge: Merge, norms: LaneNorms, measuresTotal: boolean): void {
    const { arena, laneRegions } = this.#job;
    const regions = merge.slots.map((slot) => arena.region(laneRegions[slot]!));
    const lanes = regions.map(({ byteOffset }) => byteOffset);
    const own = merge.laneCounts.flatMap((count, index) => (count === 1 ? [index] : []));
    const measuredLanes = this.#job.measureLanes ? own : [];
    const call = { lanes, into: lanes[0]!, layout: regions[0]!.layout, measuredLanes, measuresTotal };
    norms.take(merge, this.#reduction.reduceTree(call));
    this.#runner.statistics.merge(merge.slots);
  }
}

/** One lane is its own total; the pass only measures it. */
const singleLane: Merge = { slots: [0], laneCounts: [1] };

const isTotal = (merge: Merge, lanes: number) =>
  merge.laneCounts.reduce((sum, count) => sum + count, 0) === lanes;

/** The norms that come out of the merges: every lane's own once, and the last merge's total. */
class LaneNorms {
  total: Float64Array = new Float64Array(0);
  lanes: Float64Array[] = [];
  isFinite = true;

  take(merge: Merge, reduced: Reduced): void {
    merge.laneCounts.forEach((count, index) => {
      const measured = reduced.laneSquaredNorms[index]!;
      if (count === 1 && measured.length > 0) this.lanes.push(measured);
    });
    this.total = reduced.squaredNorms;
    this.isFinite &&= reduced.isFinite;
  }
}
