/** The memory model: what a run will hold at most, told before it begins. */
import { elementCount } from "../array/shape.ts";
import { bytesOf } from "../graph/memory.ts";
import type { LoadableProgram } from "../parallel/crew.ts";
import { rowsOf } from "../parallel/feeds.ts";
import { busyLanes } from "../parallel/lanes.ts";
import { bytesWith, type SessionBytes } from "./memory-session.ts";
import type { Plan } from "./plan.ts";
import { laneRegions } from "./regions.ts";
import { type Sizes, withMicrobatch } from "./resolve.ts";
import type { Trace } from "./trace.ts";

/** What a prediction is made from. */
export interface MemoryParts {
  readonly plan: Plan;
  readonly trace: Trace;
  readonly workers: number;
  /** What the process holds already. */
  readonly residentBytes: number;
  /** Of the first microbatch of a lane. */
  readonly first: SessionBytes;
  /** Of all others. It is another program, and what it takes may be more or less. */
  readonly add: SessionBytes;
  /** Where the plan evaluates. */
  readonly evaluation?: SessionBytes;
  /** How much more samples may need than was measured with another number of them, as a factor. */
  readonly spare: number;
  /** Bytes of an arena with these lane sums. */
  arenaBytes(lanes: readonly string[]): number;
}

/**
 * Predicts the most bytes that the process will hold. What is given back counts once, at the one moment when it is there; what
 * sessions and threads keep is added up. Never falls as microbatches grow, but where there are more of them than lanes.
 */
export function predictPeak(parts: MemoryParts, asked: Sizes, microbatchSize = asked.microbatchSize): number {
  const { plan, trace, workers, spare, first } = parts;
  const sizes = withMicrobatch(asked, microbatchSize);
  const most = mostSamples(plan, sizes);
  const rows = rowsOf(Math.min(microbatchSize, most));
  const trained = [first, ...(isAdding(plan, sizes) ? [parts.add] : [])];
  const microbatches = Math.ceil(most / microbatchSize);
  const threads = Math.min(workers, busyLanes(sizes.lanes, microbatches).length);
  const perThread =
    trained.reduce((sum, one) => sum + bytesWith(one, rows, spare), 0) +
    feedBytes(plan, trace.gradient.first, rows);
  // What the main thread has given back is there again before the model comes out; others keep that for themselves.
  const mainThread =
    (first.probed === undefined ? unprobedHeapBytes : heapBytes) +
    perThread +
    Math.max(first.copies, modelBytes(trace));
  // Another thread loads both programs as it starts, whether or not it runs them.
  const unrun = (2 - trained.length) * first.loaded;
  const busyOthers = (threads - 1) * (threadBytes + perThread + unrun + first.copies);
  const idleOthers = (workers - threads) * (threadBytes + 2 * first.loaded);
  const shared =
    parts.arenaBytes(laneRegions(plan, sizes, workers)) +
    (workers > 1 ? ringBytes(plan, trace.gradient.first, rows, microbatches) : 0);
  const ahead = [plan.augment, plan.data.prefetch].filter((one) => one !== undefined).length * aheadBytes;
  const evaluation = evaluationBytes(parts, sizes);
  const checkpoint = plan.checkpoint === undefined ? 0 : checkpointBytes(parts.arenaBytes([]));
  return (
    parts.residentBytes + mainThread + busyOthers + idleOthers + shared + ahead + evaluation + checkpoint
  );
}

/** One encoded copy, and what is hashed of it. */
const checkpointBytes = (state: number) => state + Math.min(state, hashedBytes);

/** Whether a lane has more than one microbatch: all but the first run in a second session, which keeps its memory as well. */
export function isAdding(plan: Plan, sizes: Sizes): boolean {
  const microbatches = Math.ceil(mostSamples(plan, sizes) / sizes.microbatchSize);
  return busyLanes(sizes.lanes, microbatches).some(({ start, end }) => end - start > 1);
}

/**
 * The most samples that a batch will really have: more than there are only where it carries over, or where the plan's own sampler
 * makes epochs that are longer than the data, of which the first is asked.
 */
export function mostSamples({ data, sampler }: Plan, { batchSize, lastBatch, seed }: Sizes): number {
  if (lastBatch === "carry" || batchSize <= data.size) return batchSize;
  const drawn = sampler?.epoch(data.size, seed, 0).length ?? 0;
  return Math.min(batchSize, Math.max(drawn, data.size));
}

/** Samples that an evaluation runs at once. */
export const evaluatedSamples = ({ validation }: Plan, { evaluationMicrobatchSize }: Sizes) =>
  Math.min(evaluationMicrobatchSize, validation?.data.size ?? 0);

/** What the heap of the main thread grows by: garbage, until it is worth collecting. */
const heapBytes = 2 * 2 ** 20;
/** The same with compiled code and buffers of the runtime, which a probe has seen. */
const unprobedHeapBytes = 6 * 2 ** 20;
/** Another thread: its heap, its view of the runtime, and, while this package runs from its sources, what strips their types. */
const threadBytes = (isSource(import.meta.url) ? 34 : 26) * 2 ** 20;
/** The thread that augments or reads ahead, with its ring: see data/augment/ring.ts and data/cache/prefetch.ts. */
const aheadBytes = threadBytes + 2 ** 24;
/** A piece of what is hashed, as array/sha256.ts cuts it. Web Crypto makes a copy of it. */
const hashedBytes = 2 ** 22;
/** As threads-shared.ts makes its ring. */
const largestRing = 64 * 2 ** 20;

/**
 * All samples where threads hold them (parallel/held-samples.ts), else a ring. It has a few slots more than that, but a batch never
 * fills them, and what is not touched takes no memory.
 */
function ringBytes(plan: Plan, program: LoadableProgram, samples: number, microbatches: number): number {
  const all = columnBytes(plan, program) * plan.data.size;
  if (plan.data.isInMemory && plan.augment === undefined && all <= largestRing) return all;
  const slot = columnBytes(plan, program) * samples;
  return Math.max(2 * slot, Math.min(microbatches * slot, largestRing));
}

/** Evaluation runs in sessions of its own, which stay open beside those of training. */
function evaluationBytes({ plan, trace, workers, evaluation, spare }: MemoryParts, sizes: Sizes): number {
  if (plan.validation === undefined || evaluation === undefined) return 0;
  const rows = rowsOf(evaluatedSamples(plan, sizes));
  // Results wait to be folded, and then to be collected.
  const outputs = trace.programs.evaluation.outputs.reduce(
    (sum, { tensor }) => sum + bytesOf(tensor, rows),
    0,
  );
  const taken = bytesWith(evaluation, rows, spare);
  return workers * (taken + 2 * outputs + feedBytes(plan, trace.evaluation, rows));
}

function columnBytes({ data }: Plan, { columns }: LoadableProgram): number {
  return columns.reduce((sum, { column }) => {
    const { dtype, shape } = data.columns[column]!;
    return sum + elementCount(shape) * (dtype === "uint8" ? 1 : 4);
  }, 4); // and a weight
}

const feedBytes = (plan: Plan, program: LoadableProgram, rows: number) =>
  rows * (columnBytes(plan, program) + program.masks.reduce((sum, { elements }) => sum + elements, 0));

/** The model that comes out, and then a piece of a parameter that is hashed: out of shared memory, and so copied twice. */
function modelBytes({ parameters }: Trace): number {
  const bytes = parameters.map(({ shape }) => 4 * elementCount(shape));
  const piece = Math.min(hashedBytes, Math.max(...bytes));
  return bytes.reduce((sum, one) => sum + one, 0) + 2 * piece;
}

/** A bundle for a browser may have no address of its own. */
function isSource(address: string | undefined): boolean {
  return address?.endsWith(".ts") === true;
}
