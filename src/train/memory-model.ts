/** The memory model: what a run will hold at most, told before it begins. */
import { elementCount } from "../array/shape.ts";
import { bytesOf, peakBytes } from "../graph/memory.ts";
import type { LoadableProgram } from "../parallel/crew.ts";
import { rowsOf } from "../parallel/feeds.ts";
import { busyLanes } from "../parallel/lanes.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { Probe } from "./memory-probe.ts";
import type { Plan } from "./plan.ts";
import { laneRegions } from "./regions.ts";
import { type Sizes, withMicrobatch } from "./resolve.ts";
import type { Trace } from "./trace.ts";

/** What the gradient program takes in one session. */
export interface SessionBytes {
  /** Loaded, before it runs. */
  readonly loaded: number;
  /** While it runs, whatever the microbatch size. */
  readonly fixed: number;
  readonly perSample: number;
}

/** What a prediction is made from. */
export interface MemoryParts {
  readonly plan: Plan;
  readonly trace: Trace;
  readonly workers: number;
  /** What the process holds already. */
  readonly residentBytes: number;
  readonly session: SessionBytes;
  /** Bytes of an arena with these lane sums. */
  arenaBytes(lanes: readonly string[]): number;
}

/** Predicts the most bytes that the process will hold, everything counted that is there at once. Never falls as microbatches grow. */
export function predictPeak(parts: MemoryParts, asked: Sizes, microbatchSize = asked.microbatchSize): number {
  const { plan, trace, workers, session } = parts;
  const sizes = withMicrobatch(asked, microbatchSize);
  const most = mostSamples(plan, sizes);
  const microbatches = Math.ceil(most / microbatchSize);
  const lanes = busyLanes(sizes.lanes, microbatches);
  // A lane's first microbatch runs in one session and all others in another, which keeps its memory as well.
  const sessions = lanes.some(({ start, end }) => end - start > 1) ? 2 : 1;
  const threads = Math.min(workers, lanes.length);
  const rows = rowsOf(Math.min(microbatchSize, most));
  const gradient = sessions * (session.loaded + session.fixed + rows * session.perSample);
  const copies = parameterBytes(trace, ({ isTrained }) => isTrained); // the runtime's, of what it has written in place
  const model = parameterBytes(trace, () => true);
  const perThread = gradient + feedBytes(plan, trace.gradient.first, rows);
  return (
    parts.residentBytes +
    heapBytes +
    parts.arenaBytes(laneRegions(plan, sizes, workers)) +
    threads * perThread +
    (workers - 1) * (threadBytes + session.loaded) + // what a thread frees is of use to that thread alone
    (workers > 1 ? ringBytes(plan, trace.gradient.first, rows, microbatches + workers) : 0) +
    evaluationBytes(parts, sizes) +
    (plan.augment === undefined ? 0 : aheadBytes) +
    (plan.data.prefetch === undefined ? 0 : aheadBytes) +
    // The main thread has given its copies back before the model comes out; each other keeps those of two runs (measured).
    2 * (threads - 1) * copies +
    Math.max(copies, model) +
    (plan.checkpoint === undefined ? 0 : parts.arenaBytes([])) // one encoded copy
  );
}

/** The most samples that a batch will really have: only one that carries over takes more than there are. */
export const mostSamples = ({ data }: Plan, { batchSize, lastBatch }: Sizes) =>
  lastBatch === "carry" ? batchSize : Math.min(batchSize, data.size);

/** What the heap of the main thread grows by: garbage, until it is worth collecting; compiled code; buffers of the runtime. */
const heapBytes = 6 * 2 ** 20;
/** Another thread: its heap and its view of the runtime. */
const threadBytes = 24 * 2 ** 20;
/** The thread that augments or reads ahead, with its ring: see data/augment/ring.ts and data/cache/prefetch.ts. */
const aheadBytes = threadBytes + 2 ** 24;
/** As threads.ts makes its ring. */
const largestRing = 64 * 2 ** 20;

function ringBytes(plan: Plan, program: LoadableProgram, samples: number, most: number): number {
  const slot = columnBytes(plan, program) * samples;
  return Math.max(2 * slot, Math.min(most * slot, largestRing));
}

/** Evaluation runs in sessions of its own, which stay open beside those of training. */
function evaluationBytes({ plan, trace, workers, session }: MemoryParts, sizes: Sizes): number {
  if (plan.validation === undefined) return 0;
  const rows = rowsOf(Math.min(sizes.evaluationMicrobatchSize, plan.validation.data.size));
  const { evaluation } = trace.programs;
  const outputs = evaluation.outputs.reduce((sum, { tensor }) => sum + bytesOf(tensor, rows), 0);
  const alive = peakBytes(evaluation, rows).bytes;
  // Kernels need room beside the tensors, though less than in training: measured, 0.8 to 1.5 times the tensors.
  const factor = Math.min(1.25, Math.max(1, session.perSample / Math.max(1, bytesPerSample(trace))));
  const loaded = loadedBytes(trace.evaluation);
  return workers * (loaded + factor * alive + 2 * outputs + feedBytes(plan, trace.evaluation, rows));
}

/** What the shapes alone say, for one more sample. */
export const bytesPerSample = ({ programs }: Trace) =>
  (peakBytes(programs.gradient, 130).bytes - peakBytes(programs.gradient, 2).bytes) / 128;

function columnBytes({ data }: Plan, { columns }: LoadableProgram): number {
  return columns.reduce((sum, { column }) => {
    const { dtype, shape } = data.columns[column]!;
    return sum + elementCount(shape) * (dtype === "uint8" ? 1 : 4);
  }, 4); // and a weight
}

const feedBytes = (plan: Plan, program: LoadableProgram, rows: number) =>
  rows * (columnBytes(plan, program) + program.masks.reduce((sum, { elements }) => sum + elements, 0));

function parameterBytes(
  { parameters }: Trace,
  isMeant: (one: Trace["parameters"][number]) => boolean,
): number {
  return parameters.filter(isMeant).reduce((sum, { shape }) => sum + 4 * elementCount(shape), 0);
}

/** A session keeps its nodes as objects, some fifty times what they take in a file. */
const loadedBytes = ({ bytes }: LoadableProgram) => 2 ** 20 + 50 * bytes.length;

/** Bytes of tensors from which on shapes alone are not trusted: convolutions need up to five times as much beside them. */
const worthProbing = 2 * 2 ** 20;
/** Bytes of tensors that a probe has at most: more than what else may change meanwhile. */
const largestProbe = 48 * 2 ** 20;
/** Nor more than this share of the room there is, of which kernels may then take five times as much. */
const shareOfRoom = 1 / 8;

/**
 * What one session will take: from the shapes alone where that is little, else measured by two runs, the smallest there is
 * and one of some megabytes.
 */
export async function measureSession(
  runtime: Runtime,
  trace: Trace,
  microbatchSize: number,
  room: number,
): Promise<SessionBytes> {
  const perSample = bytesPerSample(trace);
  const fixed = peakBytes(trace.programs.gradient, 2).bytes - 2 * perSample;
  const estimate = {
    loaded: loadedBytes(trace.gradient.first),
    fixed: Math.max(0, fixed) + 2 ** 20,
    perSample: 1.5 * perSample,
  };
  const isMeasurable = runtime.memory?.resident() !== undefined;
  if (!isMeasurable || perSample * microbatchSize < worthProbing) return estimate;
  // The runtime's memory comes in blocks that double: it divides up alike for half of everything, and not for a third.
  let samples = microbatchSize;
  const most = Math.min(largestProbe, shareOfRoom * room);
  while (samples * perSample > most && samples >= 8) samples = Math.ceil(samples / 2);
  if (samples < 4) return estimate;
  const probe = await Probe.open(runtime, trace);
  try {
    const small = await probe.run(2);
    const large = await probe.run(samples);
    const measured = large.bytes / (samples - 2);
    // Less than the tensors themselves can only be a disturbance.
    const slope = Math.max(measured, 0.7 * perSample);
    return {
      loaded: Math.max(probe.sessionBytes, 2 ** 20),
      fixed: Math.max(2 ** 20, small.bytes - 2 * slope),
      perSample: slope,
    };
  } finally {
    await probe.close();
  }
}
