/** The probe: a plan's programs and first parameters, opened once, of which gradients are asked by any split of a batch. */
import type { TypedArray } from "../array/dtype.ts";
import type { Dataset } from "../data/dataset.ts";
import { withWeight } from "../data/samples.ts";
import { bug } from "../errors.ts";
import { alone } from "../parallel/alone.ts";
import type { CrewFactory, CrewJob } from "../parallel/crew.ts";
import { rowsOf } from "../parallel/feeds.ts";
import { closeLoaded } from "../parallel/sessions.ts";
import type { Binding, Runtime, Session } from "../runtime/runtime.ts";
import { openRun } from "./open.ts";
import type { Plan } from "./plan.ts";
import type { VerifyClock } from "./verify-check.ts";
import {
  type Reduced,
  rowsOfSplit,
  type Trial,
  trials,
  trialsInCompany,
  withoutRun,
} from "./verify-reduced.ts";

/** How a batch is split. */
export interface Split {
  readonly samples: Uint32Array;
  readonly size: number;
  readonly lanes: number;
  /** The one sample that counts; by default all do, by their own weights. */
  readonly only?: number;
}

/** Σ w·∇ℓ of a batch. */
export interface Gradient {
  readonly values: Float32Array;
  readonly norm: number;
  /** ‖Σ w·∇ℓ‖ of each lane that has microbatches. */
  readonly laneNorms: readonly number[];
  readonly isFinite: boolean;
}

/** A model that can be asked for gradients. */
export interface Probe {
  readonly plan: Plan;
  readonly job: CrewJob;
  /** The plan's own data. */
  readonly data: Dataset;
  readonly trials: readonly Trial[];
  /** The one that fits the time. */
  readonly trial: Trial;
  /** Layers that use statistics of the microbatch. */
  readonly layers: readonly string[];
  /** Bytes of everything that a checkpoint holds. */
  readonly stateBytes: number;
  readonly secondsPerRow: number;
  gradient(split: Split): Promise<Gradient>;
  /** What a run would take. */
  runSeconds(reduced: Reduced): number;
  /** So many samples, spread over the data, those with weight first; another `draw` gives others. */
  samples(count: number, draw: number): Promise<Uint32Array>;
  close(): Promise<void>;
}

/** Opens a plan, computes one or two microbatches and chooses the batch by the time they took. */
export async function openProbe(plan: Plan, clock: VerifyClock): Promise<Probe> {
  const reduced = withoutRun(plan);
  const began = performance.now();
  const { job, close } = await capture(reduced);
  const openSeconds = (performance.now() - began) / 1000;
  const sessions = new SharedSessions(job.runtime);
  const gradient = (split: Split) => gradientOf({ ...job, runtime: sessions.runtime }, split);
  const samples = (count: number, draw: number) => samplesOf(reduced.data, count, draw);
  const layers = job.gradient.statistics.map(({ layer }) => layer);
  const known = layers.length > 0 ? trialsInCompany : trials;
  const closed = async () => {
    await sessions.close();
    await close();
  };
  try {
    const two = { samples: await samples(2, 0), size: 2, lanes: 1 };
    const first = await timed(() => gradient(two));
    const second = first < clock.left / 3 ? await timed(() => gradient(two)) : first;
    const secondsPerRow = second / 2;
    // Every split is computed in the trial's lanes, and in a lane for each microbatch.
    const cost = ({ samples: count, sizes }: Trial) =>
      sizes.reduce((rows, size) => rows + 2 * rowsOfSplit(count, size), count) * secondsPerRow;
    return {
      plan: reduced,
      job,
      data: plan.data,
      trials: known,
      trial: known.find((one) => cost(one) < 0.3 * clock.left) ?? known.at(-1)!,
      layers,
      stateBytes: stateBytesOf(job),
      secondsPerRow,
      gradient,
      runSeconds: ({ batchSize, microbatchSize, steps }) =>
        openSeconds +
        2 * (first - second) +
        (steps * rowsOfSplit(batchSize, microbatchSize) + 16) * secondsPerRow,
      samples,
      close: closed,
    };
  } catch (error) {
    await closed();
    throw error;
  }
}

/** What a run would be opened with: its programs, and an arena with the first parameters. No step is made. */
async function capture(plan: Plan): Promise<{ job: CrewJob; close(): Promise<void> }> {
  let job: CrewJob | undefined;
  const parallel: CrewFactory = {
    name: "alone",
    workers: 3, // room for the sums of as many lanes as there are microbatches of one sample
    open: (opened) => {
      job = opened;
      return alone(opened);
    },
  };
  const { samples } = trials[0]!;
  const { validation, ...own } = plan;
  const sizes = { batchSize: samples, microbatchSize: 1, lanes: samples, measureLanes: true };
  const run = await openRun({ ...own, ...sizes, parallel });
  return { job: job ?? bug("a run was opened without a crew"), close: () => run.close() };
}

/** Sessions that are loaded once, whatever crews ask for them. What a crew has bound goes with it. */
export class SharedSessions {
  readonly runtime: Runtime;
  readonly #loaded: Promise<Session>[] = [];

  constructor(runtime: Runtime) {
    const load = this.#once((name, bytes) => runtime.load(name, bytes));
    const loadInPlace = this.#once((name, bytes) => runtime.loadInPlace(name, bytes));
    this.runtime = { ...runtime, load, loadInPlace };
  }

  #once(load: Runtime["load"]): Runtime["load"] {
    const known = new Map<Uint8Array, Promise<Session>>();
    return async (name, bytes) => {
      let loading = known.get(bytes);
      if (loading === undefined) {
        loading = load(name, bytes);
        known.set(bytes, loading);
        this.#loaded.push(loading);
      }
      return borrowed(await loading);
    };
  }

  async close(): Promise<void> {
    await closeLoaded(this.#loaded);
  }
}

/** A session that stays open when it is closed. */
function borrowed(session: Session): Session {
  const bindings: Binding[] = [];
  return {
    inputs: session.inputs,
    outputs: session.outputs,
    bind: (feeds, fetches) => {
      const binding = session.bind(feeds, fetches);
      bindings.push(binding);
      return binding;
    },
    close: async () => {
      for (const binding of bindings.splice(0)) binding.release?.();
    },
  };
}

async function gradientOf(job: CrewJob, { samples, size, lanes, only }: Split): Promise<Gradient> {
  const dataset = only === undefined ? job.dataset : countingOnly(job.dataset, only);
  const crew = await alone({ ...job, dataset, microbatchSize: size, lanes });
  try {
    const totals = await crew.sumGradients({ step: 1, samples, epochs: new Uint32Array(samples.length) });
    const values = job.arena.region(job.laneRegions[0]!).floats.slice();
    const norm = normOf(totals.squaredNorms);
    return { values, norm, laneNorms: totals.laneSquaredNorms.map(normOf), isFinite: totals.isFinite };
  } finally {
    await crew.close();
  }
}

const normOf = (squares: Float64Array) => Math.sqrt(squares.reduce((sum, value) => sum + value, 0));

/** The same samples, all but one of weight 0. */
function countingOnly(data: Dataset, only: number): Dataset {
  const weight = "weight of one alone";
  return {
    ...data,
    columns: { ...data.columns, [weight]: { dtype: "float32", shape: [] } },
    weight,
    read: (column, samples, into: TypedArray) => {
      if (column !== weight) return data.read(column, samples, into);
      samples.forEach((sample, index) => {
        (into as Float32Array)[index] = sample === only ? 1 : 0; // the column is float32
      });
    },
  };
}

async function samplesOf(data: Dataset, count: number, draw: number): Promise<Uint32Array> {
  const candidates = Math.min(data.size, 4 * count);
  const apart = data.size / candidates;
  const spread = Uint32Array.from(
    { length: candidates },
    (_, index) => (Math.floor(index * apart) + draw) % data.size,
  );
  const counted = await withWeight(data, spread);
  const others = spread.filter((sample) => !counted.includes(sample));
  return Uint32Array.from([...everyNth(counted, count), ...others].slice(0, count));
}

/** So many of them, from the first to the last. */
function everyNth(samples: Uint32Array, count: number): Uint32Array {
  if (samples.length <= count) return samples;
  return Uint32Array.from(
    { length: count },
    (_, index) => samples[Math.floor((index * samples.length) / count)]!,
  );
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

/** Parameters, slots, an average and the best weights: what lies in the arena beside sums. */
function stateBytesOf({ arena, laneRegions }: CrewJob): number {
  const sums = laneRegions.reduce((sum, name) => sum + arena.region(name).floats.byteLength, 0);
  return arena.memory.buffer.byteLength - sums;
}

/** Rows that are computed for so many samples at once. */
export const computedRows = rowsOf;
