/** A crew of one: this thread computes every microbatch, lane after lane. */
import { elementCount } from "../array/shape.ts";
import { createReduction, type Reduced, type Reduction } from "../runtime/reduction.ts";
import type { Binding, Session } from "../runtime/runtime.ts";
import type {
  Batch,
  Crew,
  CrewJob,
  Culprit,
  EvaluatedChunk,
  EvaluationJob,
  LaneReport,
  LoadableProgram,
  Totals,
} from "./crew.ts";
import { cutBatch, Evaluation } from "./evaluation.ts";
import { Feeds, rowsOf } from "./feeds.ts";
import { busyLanes, type Merge, mergeSchedule } from "./lanes.ts";
import { type LossSums, sumLoss } from "./loss-sums.ts";
import { areFinite, LaneStatistics, requireSeveralValues } from "./statistics.ts";

/** Opens a crew of one on this thread. */
export async function alone(job: CrewJob): Promise<Crew> {
  return new Alone(job, createReduction(job.arena.memory));
}

class Alone implements Crew {
  readonly name = "alone";
  readonly workers = 1;
  readonly #job: CrewJob;
  readonly #reduction: Reduction;
  readonly #feeds: Feeds;
  readonly #sessions = new Map<LoadableProgram, Session>();
  readonly #bindings = new Map<string, Binding>();
  /** Where the programs put ℓ, and w where the loss has weights of its own. */
  readonly #loss: Float32Array;
  readonly #lossWeights: Float32Array;
  readonly #statistics: LaneStatistics;
  readonly #evaluations: { readonly job: EvaluationJob; readonly evaluation: Evaluation }[] = [];

  constructor(job: CrewJob, reduction: Reduction) {
    this.#job = job;
    this.#reduction = reduction;
    this.#feeds = new Feeds(job.dataset, job.gradient.first, job.microbatchSize, job.seed, job.augmented);
    const numbers = elementCount([rowsOf(job.microbatchSize), ...job.gradient.loss.shape]);
    this.#loss = new Float32Array(numbers);
    this.#statistics = new LaneStatistics(job.gradient.statistics);
    this.#lossWeights = new Float32Array(job.gradient.loss.weights === undefined ? 0 : numbers);
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
        const filling = this.#feeds.fill(microbatches[at]!);
        if (filling !== undefined) {
          const beforeWait = performance.now();
          await filling;
          waitMs += performance.now() - beforeWait;
        }
        dataMs += performance.now() - beforeFill;
        const sums = await this.#runMicrobatch(microbatches[at]!.samples.length, slot, at === start);
        lossSum += sums.loss;
        weightSum += sums.weight;
      }
      const seconds = (performance.now() - began) / 1000;
      const spent = { seconds, dataSeconds: dataMs / 1000, waitSeconds: waitMs / 1000 };
      lanes.push({ lane, worker: 0, microbatches: end - start, ...spent });
      for (const merge of merges) this.#merge(merge, norms, isTotal(merge, busy.length));
    }
    if (busy.length === 1) this.#merge(singleLane, norms, true);
    const statistics = this.#statistics.at(0);
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

  async findCulprit(batch: Batch): Promise<Culprit | undefined> {
    for (const [microbatch, request] of cutBatch(batch, this.#job.microbatchSize).entries()) {
      await this.#feeds.fill(request);
      const { loss } = await this.#runMicrobatch(request.samples.length, 0, true);
      if (!Number.isFinite(loss)) return { microbatch, samples: request.samples, what: "loss" };
      const norms = new LaneNorms();
      this.#merge(singleLane, norms, true);
      if (!norms.isFinite) return { microbatch, samples: request.samples, what: "gradient" };
      if (!areFinite(this.#statistics.at(0)))
        return { microbatch, samples: request.samples, what: "statistics" };
    }
    return undefined;
  }

  async *evaluate(job: EvaluationJob): AsyncGenerator<EvaluatedChunk> {
    yield* (await this.#openEvaluation(job)).run(job.samples);
  }

  async close(): Promise<void> {
    for (const session of this.#sessions.values()) await session.close();
    this.#sessions.clear();
    this.#bindings.clear();
    this.#evaluations.length = 0;
  }

  /** Runs the microbatch that was filled last; `isFirst` writes the slot's sum, otherwise it is added to. */
  async #runMicrobatch(samples: number, slot: number, isFirst: boolean): Promise<LossSums> {
    const key = `${samples} ${slot} ${isFirst}`;
    let binding = this.#bindings.get(key);
    if (binding === undefined) {
      binding = await this.#bind(samples, slot, isFirst);
      this.#bindings.set(key, binding);
    }
    await binding.run();
    this.#statistics.take(samples, slot, isFirst);
    const { shape, weights } = this.#job.gradient.loss;
    const loss = this.#loss.subarray(0, elementCount([samples, ...shape]));
    return sumLoss(
      loss,
      weights === undefined ? this.#feeds.weights(samples) : this.#lossWeights.subarray(0, loss.length),
    );
  }

  async #bind(samples: number, slot: number, isFirst: boolean): Promise<Binding> {
    const { gradient, arena, laneRegions, parameterRegion } = this.#job;
    const program = isFirst ? gradient.first : gradient.add;
    const session = await this.#session(program);
    const feeds = this.#feeds.arrays(samples);
    const fetches = this.#statistics.fetches();
    const shape = [rowsOf(samples), ...gradient.loss.shape];
    const numbers = elementCount(shape);
    fetches[gradient.loss.loss] = { dtype: "float32", shape, data: this.#loss.subarray(0, numbers) };
    if (gradient.loss.weights !== undefined) {
      fetches[gradient.loss.weights] = {
        dtype: "float32",
        shape,
        data: this.#lossWeights.subarray(0, numbers),
      };
    }
    const parameters = arena.region(parameterRegion).tensors;
    for (const [input, name] of Object.entries(program.parameters)) feeds[input] = parameters.get(name)!;
    const sums = arena.region(laneRegions[slot]!).tensors;
    for (const [output, name] of Object.entries(gradient.sums)) {
      fetches[output] = sums.get(name)!;
      if (!isFirst) feeds[gradient.sumInputs[output]!] = fetches[output]!;
    }
    return session.bind(feeds, fetches);
  }

  async #session(program: LoadableProgram): Promise<Session> {
    let session = this.#sessions.get(program);
    if (session === undefined) {
      session = await this.#job.runtime.load(program.name, program.bytes);
      this.#sessions.set(program, session);
    }
    return session;
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
      session: await this.#session(job.program),
      parameters: this.#job.arena.region(job.parameterRegion).tensors,
    });
    this.#evaluations.push({ job, evaluation });
    return evaluation;
  }

  #merge(merge: Merge, norms: LaneNorms, measuresTotal: boolean): void {
    const { arena, laneRegions } = this.#job;
    const lanes = merge.slots.map((slot) => arena.region(laneRegions[slot]!).byteOffset);
    const own = merge.laneCounts.flatMap((count, index) => (count === 1 ? [index] : []));
    const measuredLanes = this.#job.measureLanes ? own : [];
    const call = { lanes, into: lanes[0]!, layout: arena.layout, measuredLanes, measuresTotal };
    norms.take(merge, this.#reduction.reduceTree(call));
    this.#statistics.merge(merge.slots);
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
