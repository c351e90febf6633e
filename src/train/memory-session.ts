/** What a program takes in one session: from its shapes where that is little, else measured by a run. */
import { bytesOf, peakBytes } from "../graph/memory.ts";
import type { Program } from "../graph/program.ts";
import type { LoadableProgram } from "../parallel/crew.ts";
import { rowsOf } from "../parallel/feeds.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { Probe, type ProbedProgram } from "./memory-probe.ts";

/** What a program takes in one session, with the copies of its results, without what it is fed from. */
export interface SessionBytes {
  /** Loaded, before it runs. */
  readonly loaded: number;
  /** While it runs, whatever the microbatch size. */
  readonly fixed: number;
  readonly perSample: number;
  /** The results, where the runtime copies what it has written in place: there at the end of every run, and then given back. */
  readonly copies: number;
  /** Where it was measured. */
  readonly probed?: { readonly samples: number; readonly seconds: number };
}

/** Bytes of tensors from which on shapes alone are not trusted: convolutions need up to five times as much beside them. */
const worthProbing = 2 * 2 ** 20;
/** Bytes of tensors that a first probe has at most: more than what else may change meanwhile, and run in a moment. */
const largestProbe = 96 * 2 ** 20;
/** Nor more than this share of the room there is, of which kernels may then take five times as much. */
const shareOfRoom = 1 / 8;
/** Seconds that a probe of exactly the size that was chosen may take. */
const longestProbe = 0.5;
/** What the first run brings with it, whatever its size: names and bindings, and kernels, which are loaded when called. */
const firstRun = 2 * 2 ** 20;

/** Bytes of a session that runs so many samples, without the copies of its results. A sample may need `spare` times as much. */
export const bytesWith = ({ loaded, fixed, perSample }: SessionBytes, samples: number, spare = 1) =>
  loaded + fixed + spare * rowsOf(samples) * perSample;

/** What the shapes alone say, for one more sample. */
export const bytesPerSample = (program: Program) =>
  (peakBytes(program, 130).bytes - peakBytes(program, 2).bytes) / 128;

/**
 * What one session will take with microbatches of so many samples. Runs one of them where it is large; of one that is larger
 * still, a half, a quarter or an eighth: the runtime's memory comes in blocks that double, and divides up alike for half of
 * everything, and not for a third.
 *
 * idleBytes: what the process held before. What a probe gives back stays with the process in part, where the next one finds it,
 * and so does the run: for another probe of the same program that is what was held before the first.
 */
export async function measureSession(
  runtime: Runtime,
  probed: ProbedProgram,
  wanted: { readonly samples: number; readonly room: number; readonly idleBytes: number },
): Promise<SessionBytes> {
  const estimate = estimateSession(runtime, probed);
  const perSample = bytesPerSample(probed.program);
  const isMeasurable = runtime.memory?.resident() !== undefined;
  if (!isMeasurable || perSample * wanted.samples < worthProbing) return estimate;
  let { samples } = wanted;
  const most = Math.min(largestProbe, shareOfRoom * wanted.room);
  while (samples * perSample > most && samples >= 8) samples = Math.ceil(samples / 2);
  if (samples < 4) return estimate;
  return probeSession(runtime, probed, samples, wanted.idleBytes);
}

/** The same, measured with exactly so many samples, where another size was and where that takes but a moment. */
export async function measureAgain(
  runtime: Runtime,
  probed: ProbedProgram,
  known: SessionBytes,
  { samples, idleBytes }: { readonly samples: number; readonly idleBytes: number },
): Promise<SessionBytes> {
  if (known.probed === undefined || known.probed.samples === samples) return known;
  if ((known.probed.seconds / known.probed.samples) * samples > longestProbe) return known;
  return probeSession(runtime, probed, samples, idleBytes);
}

async function probeSession(
  runtime: Runtime,
  probed: ProbedProgram,
  samples: number,
  idleBytes: number,
): Promise<SessionBytes> {
  const { fixed, copies, loaded: estimated } = estimateSession(runtime, probed);
  const shapes = bytesPerSample(probed.program);
  const probe = await Probe.open(runtime, probed);
  try {
    // The second run finds the blocks of the first, in which not everything has a place: often more are needed.
    const first = await probe.run(samples);
    const { residentBytes, seconds } = await probe.run(samples);
    // What is loaded is too little to be seen beside what else may change, where the process has room that was given back.
    const loaded = Math.max(probe.residentBytes - idleBytes, Math.min(estimated, 2 ** 20));
    const measured = Math.max(first.residentBytes, residentBytes) - idleBytes - loaded - fixed - copies;
    // Less than the tensors themselves can only be a disturbance.
    const perSample = Math.max(measured / rowsOf(samples), 0.7 * shapes);
    return { loaded, fixed, perSample, copies, probed: { samples, seconds } };
  } finally {
    await probe.close();
  }
}

/** From the shapes alone. */
function estimateSession(runtime: Runtime, { program, loadable, isFetched }: ProbedProgram): SessionBytes {
  const perSample = bytesPerSample(program);
  const alive = Math.max(0, peakBytes(program, 2).bytes - 2 * perSample);
  const outputs = program.outputs.reduce((sum, { tensor }) => sum + bytesOf(tensor, 0), 0);
  return {
    loaded: loadedBytes(loadable),
    fixed: alive + firstRun,
    perSample: 1.5 * perSample,
    copies: isFetched && isCopying(runtime) ? outputs : 0,
  };
}

/** A runtime with no way to write in place and copy nothing gives sessions like any other. */
const isCopying = ({ load, loadInPlace }: Runtime) => loadInPlace === load;

/** A session keeps its nodes as objects, some fifty times what they take in a file. */
const loadedBytes = ({ bytes }: LoadableProgram) => 2 ** 20 + 50 * bytes.length;
