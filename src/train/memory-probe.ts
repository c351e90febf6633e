/** Probes: the gradient program on numbers made up, in a session of its own, to see what it really takes. */
import { type NdArray, ndarray } from "../array/array.ts";
import { allocate, type NumericDType } from "../array/dtype.ts";
import { concrete, elementCount, isBatchDim } from "../array/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import { rowsOf } from "../parallel/feeds.ts";
import type { Runtime, Session } from "../runtime/runtime.ts";
import type { Trace } from "./trace.ts";

/** What a probe has seen. */
export interface Probed {
  /** Of the fastest run. */
  readonly seconds: number;
  /** Of a run, as most of them were. The fastest of many short ones is luckier than that of a few long ones. */
  readonly medianSeconds: number;
  /** Of all runs. */
  readonly spentSeconds: number;
  /** What the first run has added to the process. */
  readonly bytes: number;
}

/** An open probe. It touches nothing of a run: neither its arena nor its sessions. */
export class Probe {
  /** Bytes that loading the program took. */
  readonly sessionBytes: number;
  readonly #runtime: Runtime;
  readonly #trace: Trace;
  readonly #session: Session;
  /** Parameters and sums: the same for every size. */
  readonly #fixed = new Map<Tensor, NdArray>();

  static async open(runtime: Runtime, trace: Trace): Promise<Probe> {
    const before = residentOf(runtime);
    const { name, bytes } = trace.gradient.first;
    const session = await runtime.load(name, bytes);
    return new Probe(runtime, trace, session, residentOf(runtime) - before);
  }

  private constructor(runtime: Runtime, trace: Trace, session: Session, sessionBytes: number) {
    this.#runtime = runtime;
    this.#trace = trace;
    this.#session = session;
    this.sessionBytes = Math.max(0, sessionBytes);
  }

  /** Runs a microbatch, and again until `ms` are over. */
  async run(samples: number, ms = 0): Promise<Probed> {
    const binding = this.#bind(rowsOf(samples));
    const before = residentOf(this.#runtime);
    const began = performance.now();
    await binding.run();
    const runs = [(performance.now() - began) / 1000];
    const bytes = Math.max(0, residentOf(this.#runtime) - before);
    while (performance.now() - began < ms) {
      const start = performance.now();
      await binding.run();
      runs.push((performance.now() - start) / 1000);
    }
    const spentSeconds = (performance.now() - began) / 1000;
    runs.sort((a, b) => a - b);
    return { seconds: runs[0]!, medianSeconds: runs[runs.length >> 1]!, spentSeconds, bytes };
  }

  close(): Promise<void> {
    return this.#session.close();
  }

  #bind(rows: number) {
    const { inputs, outputs } = this.#trace.programs.gradient;
    const feeds = Object.fromEntries(inputs.map(({ name, tensor }) => [name, this.#array(tensor, rows)]));
    const fetches = Object.fromEntries(outputs.map(({ name, tensor }) => [name, this.#array(tensor, rows)]));
    return this.#session.bind(feeds, fetches);
  }

  /** Zeros: class 0, category 0, and weights of which no product overflows. Sums have their memory before they are measured. */
  #array(tensor: Tensor, rows: number): NdArray {
    const known = this.#fixed.get(tensor);
    if (known !== undefined) return known;
    const shape = concrete(tensor.shape, rows);
    const dtype = tensor.dtype as NumericDType; // texts are no inputs of a gradient program
    const array = ndarray(dtype, shape, allocate(dtype, elementCount(shape)));
    if (tensor.shape.some(isBatchDim)) return array;
    if (tensor.leaf === undefined) new Uint8Array(array.data.buffer).fill(0);
    this.#fixed.set(tensor, array);
    return array;
  }
}

const residentOf = ({ memory }: Runtime) => memory?.resident() ?? 0;
