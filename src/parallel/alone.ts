/** A crew of one: this thread computes every microbatch, lane after lane. */
import {
  type Blocks,
  blocksOf,
  createReduction,
  type Norms,
  normsOfBlocks,
  type Reduction,
} from "../runtime/reduction.ts";
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
import { Evaluations } from "./evaluation.ts";
import { cutBatch } from "./feeds.ts";
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
  /** Of a lane's sum. */
  readonly #blocks: Blocks;
  readonly #sessions: Sessions;
  readonly #runner: GradientRunner;
  readonly #update: Update;
  readonly #evaluations: Evaluations;

  constructor(job: CrewJob, reduction: Reduction) {
    this.#job = job;
    this.#reduction = reduction;
    this.#blocks = blocksOf(job.arena.region(job.laneRegions[0]!).layout);
    this.#sessions = new Sessions(job.runtime);
    this.#runner = new GradientRunner(job, this.#sessions);
    this.#evaluations = new Evaluations(this.#sessions, job.arena);
    this.#update = new Update(job.arena, job.update);
  }

  async sumGradients(batch: Batch): Promise<Totals> {
    const microbatches = cutBatch(batch, this.#job.microbatchSize);
    for (const { samples } of microbatches)
      requireSeveralValues(this.#job.gradient.statistics, samples.length);
    const busy = busyLanes(this.#job.lanes, microbatches.length);
    const schedule = mergeSchedule(busy.length);
    const lanes: LaneReport[] = [];
    const laneSquaredNorms: Float64Array[] = [];
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
      if (this.#job.measureLanes) laneSquaredNorms.push(this.#measure(slot).squaredNorms);
      for (const merge of merges) this.#runner.statistics.merge(merge);
      if (index === busy.length - 1) break; // these are added and measured in one pass
      for (const merge of merges)
        this.#reduction.add({ ...this.#offsets(merge), layout: this.#blocks.layout });
    }
    const norms = this.#total(schedule.lanes.at(-1)?.merges);
    const statistics = this.#runner.statistics.at(0);
    const isLossFinite = Number.isFinite(lossSum) && Number.isFinite(weightSum);
    return {
      lossSum,
      weightSum,
      squaredNorms: norms.squaredNorms,
      laneSquaredNorms,
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
      if (!this.#measure(0).isFinite) return { microbatch, samples: request.samples, what: "gradient" };
      if (!areFinite(this.#runner.statistics.at(0)))
        return { microbatch, samples: request.samples, what: "statistics" };
    }
    return undefined;
  }

  async *evaluate(job: EvaluationJob): AsyncGenerator<EvaluatedChunk> {
    yield* (await this.#evaluations.of(job)).run(job.samples);
  }

  async close(): Promise<void> {
    await this.#sessions.close();
  }

  /** Of the sum in a slot. */
  #measure(slot: number): Norms {
    return this.#reduction.squaredNorms({ region: this.#offset(slot), layout: this.#blocks.layout });
  }

  /** Adds what is left once all lanes are summed, and measures the total. Without lanes (every weight is 0) there is none. */
  #total(merges: readonly Merge[] | undefined): Norms {
    if (merges === undefined) return { squaredNorms: new Float64Array(0), isFinite: true };
    const squares = new Float64Array(this.#blocks.count);
    this.#reduction.reduceBlocks({
      additions: merges.map((merge) => this.#offsets(merge)),
      total: this.#offset(0),
      blocks: this.#blocks,
      from: 0,
      to: this.#blocks.count,
      squares,
    });
    return normsOfBlocks(this.#blocks, squares);
  }

  #offsets({ into, from }: Merge) {
    return { into: this.#offset(into), from: this.#offset(from) };
  }

  #offset(slot: number): number {
    return this.#job.arena.region(this.#job.laneRegions[slot]!).byteOffset;
  }
}
