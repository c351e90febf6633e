/** The update: one optimizer rule for all parameters, compiled to one pass over the arena. A thread may take a part of it. */
import type { Arena } from "../runtime/arena.ts";
import {
  type CompiledElementwise,
  type ElementwiseKernel,
  instantiateElementwise,
} from "../runtime/elementwise.ts";

/** The scalars of one update. */
export interface UpdateScalars {
  readonly learningRate: number;
  /** 1 for the first update. */
  readonly step: number;
  /** Clip scale / Σ w: turns the sum into the gradient of the batch. */
  readonly gradientScale: number;
  readonly averageDecay: number;
}

/** A run of neighbouring tensors that share the optimizer's per-parameter settings. */
export interface Span {
  /** Elements from the start of a region. */
  readonly start: number;
  readonly end: number;
  readonly weightDecay: number;
  readonly learningRateFactor: number;
}

/** What every thread needs of an update. Plain data. */
export interface UpdateJob {
  readonly kernel: CompiledElementwise;
  /** The region that each array of the kernel lies in. */
  readonly regions: Readonly<Record<string, string>>;
  readonly spans: readonly Span[];
}

/** The compiled update over one arena. */
export class Update {
  readonly #kernel: ElementwiseKernel;
  readonly #arena: Arena;
  readonly #job: UpdateJob;

  constructor(arena: Arena, job: UpdateJob) {
    this.#kernel = instantiateElementwise(job.kernel, arena.memory);
    this.#arena = arena;
    this.#job = job;
  }

  /** Updates every parameter, slot and average in place; or the elements of regions from `from` on, up to, not including, `to`. */
  apply(scalars: UpdateScalars, from = 0, to: number = this.#arena.layout.floats): void {
    for (const span of this.#job.spans) {
      const [start, end] = [Math.max(span.start, from), Math.min(span.end, to)];
      if (start >= end) continue;
      const arrays = Object.fromEntries(
        Object.entries(this.#job.regions).map(([name, region]) => [
          name,
          this.#arena.region(region).byteOffset + 4 * start,
        ]),
      );
      const learningRate = scalars.learningRate * span.learningRateFactor;
      const { weightDecay } = span;
      this.#kernel.run({ arrays, count: end - start, scalars: { ...scalars, weightDecay, learningRate } });
    }
  }
}
