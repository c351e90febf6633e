/** Probes: a program on numbers made up, in a session of its own, to see what it really takes. */
import { type NdArray, ndarray } from "../array/array.ts";
import { allocate, type NumericDType } from "../array/dtype.ts";
import { median } from "../array/median.ts";
import { concrete, elementCount, isBatchDim } from "../array/shape.ts";
import type { Program } from "../graph/program.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { LoadableProgram } from "../parallel/crew.ts";
import { rowsOf } from "../parallel/feeds.ts";
import type { Binding, Runtime, Session } from "../runtime/runtime.ts";
import type { Trace } from "./trace.ts";

/** A program that can be probed. */
export interface ProbedProgram {
  readonly loadable: LoadableProgram;
  /** Its tensors; of one that adds to sums, those of the one that writes them. */
  readonly program: Program;
  /** Whether its outputs are written where the caller says, as those of training are. */
  readonly isFetched: boolean;
  /** Output → the input it is written over. */
  readonly sumInputs: Readonly<Record<string, string>>;
}

/** What training runs: the program for the first microbatch of a lane, or that for all others. */
export function trainingProgram({ gradient, programs }: Trace, isAdding: boolean): ProbedProgram {
  const loadable = isAdding ? gradient.add : gradient.first;
  const sumInputs = isAdding ? gradient.sumInputs : {};
  return { loadable, program: programs.gradient, isFetched: true, sumInputs };
}

export const evaluationProgram = ({ evaluation, programs }: Trace): ProbedProgram => ({
  loadable: evaluation,
  program: programs.evaluation,
  isFetched: false,
  sumInputs: {},
});

/** What a probe has seen. */
export interface Probed {
  /** Of the fastest run. */
  readonly seconds: number;
  /** Of a run, as `usualSeconds` has it. */
  readonly usualSeconds: number;
  /** Of all runs. */
  readonly spentSeconds: number;
  /** What the process held at the peak of the first run, without the arrays it was bound to: a run has its own. */
  readonly residentBytes: number;
}

/** An open probe. It touches nothing of a run: neither its arena nor its sessions. */
export class Probe {
  /** What the process held when the program was loaded. */
  readonly residentBytes: number;
  readonly #runtime: Runtime;
  readonly #probed: ProbedProgram;
  readonly #session: Session;
  /** Parameters and sums: the same for every size. */
  readonly #fixed = new Map<Tensor, NdArray>();

  static async open(runtime: Runtime, probed: ProbedProgram): Promise<Probe> {
    const { name, bytes } = probed.loadable;
    const session = await (probed.isFetched ? runtime.loadInPlace(name, bytes) : runtime.load(name, bytes));
    return new Probe(runtime, probed, session);
  }

  private constructor(runtime: Runtime, probed: ProbedProgram, session: Session) {
    this.#runtime = runtime;
    this.#probed = probed;
    this.#session = session;
    this.residentBytes = residentOf(runtime);
  }

  /** Runs a microbatch, and again until `ms` are over. */
  async run(samples: number, ms = 0): Promise<Probed> {
    const own: NdArray[] = [];
    const binding = this.#bind(rowsOf(samples), own);
    let residentBytes = 0;
    const processorBefore = this.#runtime.processorSeconds?.();
    const began = performance.now();
    await binding.run(() => {
      residentBytes = residentOf(this.#runtime) - bytesOf([...own, ...this.#fixed.values()]);
    });
    const runs = [(performance.now() - began) / 1000];
    while (performance.now() - began < ms) {
      const start = performance.now();
      await binding.run();
      runs.push((performance.now() - start) / 1000);
    }
    const spentSeconds = (performance.now() - began) / 1000;
    const processorSeconds =
      processorBefore === undefined ? spentSeconds : this.#runtime.processorSeconds!() - processorBefore;
    own.forEach(free);
    return {
      seconds: Math.min(...runs),
      usualSeconds: usualSeconds(runs, spentSeconds, processorSeconds),
      spentSeconds,
      residentBytes,
    };
  }

  /** Gives everything back at once: what waited to be collected would still be there when the run begins. */
  async close(): Promise<void> {
    await this.#session.close();
    for (const array of this.#fixed.values()) free(array);
    this.#fixed.clear();
    this.#runtime.memory?.giveBack();
  }

  /** Puts the arrays that belong to this size alone into `own`. */
  #bind(rows: number, own: NdArray[]): Binding {
    const { program, isFetched, sumInputs } = this.#probed;
    const arrayOf = (tensor: Tensor) => this.#array(tensor, rows, own);
    const feeds = Object.fromEntries(program.inputs.map(({ name, tensor }) => [name, arrayOf(tensor)]));
    if (!isFetched) return this.#session.bind(feeds);
    const fetches = Object.fromEntries(program.outputs.map(({ name, tensor }) => [name, arrayOf(tensor)]));
    for (const [output, input] of Object.entries(sumInputs)) feeds[input] = fetches[output]!;
    return this.#session.bind(feeds, fetches);
  }

  /**
   * Zeros: class 0, category 0, and weights of which no product overflows. Written, since some zeros take memory and some do not
   * until they are.
   */
  #array(tensor: Tensor, rows: number, own: NdArray[]): NdArray {
    const known = this.#fixed.get(tensor);
    if (known !== undefined) return known;
    const shape = concrete(tensor.shape, rows);
    const dtype = tensor.dtype as NumericDType; // texts are no inputs of these programs
    const array = ndarray(dtype, shape, allocate(dtype, elementCount(shape)));
    new Uint8Array(array.data.buffer).fill(0);
    if (tensor.shape.some(isBatchDim)) {
      own.push(array);
      return array;
    }
    this.#fixed.set(tensor, array);
    return array;
  }
}

/**
 * What a run takes: the median, since the fastest of many short ones is luckier than that of a few long ones; but where the process
 * had to wait for a processor, the processor time of a run, which is about the same whatever else the machine does.
 */
export function usualSeconds(
  runs: readonly number[],
  spentSeconds: number,
  processorSeconds: number,
): number {
  if (processorSeconds < 0.8 * spentSeconds) return processorSeconds / runs.length;
  return median(runs);
}

const bytesOf = (arrays: readonly NdArray[]) => arrays.reduce((sum, { data }) => sum + data.byteLength, 0);

function free({ data }: NdArray): void {
  if (data.buffer instanceof ArrayBuffer) data.buffer.transfer(0);
}

const residentOf = ({ memory }: Runtime) => memory?.resident() ?? 0;
