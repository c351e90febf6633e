/**
 * Training or inference: what a model is being traced for. Some layers differ, dropout for one. A trace is synchronous, so
 * one module-level mode, set and restored around it, is all that is needed.
 */
import { elementCount } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { input, type Tensor } from "../graph/tensor.ts";

/** A mask that a layer asked for: a uint8 input [batch, ...shape] that must be fed 0 or 1 at every run. */
export interface MaskRequest {
  /** Name of the input. */
  readonly input: string;
  /** Shape of one sample's mask. */
  readonly shape: readonly number[];
  /** Elements of one sample's mask. */
  readonly elements: number;
  /** The probability of a 0, as it was asked for; `keepProbability` says how it is rounded. */
  readonly rate: number;
  /** Counts the requests of a trace from 0 on, and keys the generator: two layers draw different masks. */
  readonly layer: number;
}

/** The statistics of a microbatch that a layer asked to have added up over the batch, and what then moves towards them. */
export interface StatisticsRequest {
  /** What the layer gave. Where the loss does not depend on it, nothing is observed. */
  readonly output: Tensor;
  /** Of the microbatch, [channels]: the mean, and the variance divided by the number of values. */
  readonly mean: Tensor;
  readonly variance: Tensor;
  /** Values per channel of one sample: 1, or the number of pixels. */
  readonly valuesPerSample: number;
  /** The layer's running statistics, [channels]. */
  readonly running: RunningStatistics;
  /** The part of the batch's statistics in the next running ones. */
  readonly momentum: number;
}

/** A pair of leaves made by `statistic`. */
export interface RunningStatistics {
  readonly mean: Tensor;
  readonly variance: Tensor;
}

/** What a trace gave, which masks must be fed to it, and which statistics are to be kept. */
export interface Traced<Result> {
  readonly result: Result;
  readonly masks: readonly MaskRequest[];
  readonly statistics: readonly StatisticsRequest[];
}

interface Mode {
  readonly training: boolean;
  readonly masks: MaskRequest[];
  readonly statistics: StatisticsRequest[];
}

let current: Mode = { training: false, masks: [], statistics: [] };

/** True inside `tracing({ training: true }, …)`. */
export function isTraining(): boolean {
  return current.training;
}

/**
 * Runs `build`, which applies layers to tensors, as training or as inference, and gives its result with the masks and
 * statistics that were asked for. Traces nest; the mode is restored even when `build` throws. Throws when `build` is asynchronous.
 */
export function tracing<Result>(mode: { readonly training: boolean }, build: () => Result): Traced<Result> {
  const outer = current;
  const inner: Mode = { training: mode.training, masks: [], statistics: [] };
  current = inner;
  try {
    const result = build();
    if (typeof result === "object" && result !== null && "then" in result) {
      fail("tracing", {
        expected: "a model that returns at once",
        got: "a promise",
        fix: "load what it needs before, and keep async and await out of the model",
      });
    }
    const [masks, statistics] = [Object.freeze([...inner.masks]), Object.freeze([...inner.statistics])];
    return Object.freeze({ result, masks, statistics });
  } finally {
    current = outer;
  }
}

/** A new mask input [batch, ...shape] of the trace in progress. */
export function requestMask(shape: readonly number[], rate: number): Tensor {
  const layer = current.masks.length;
  const name = `dropout:${layer}`;
  const elements = elementCount(shape);
  current.masks.push(Object.freeze({ input: name, shape: Object.freeze([...shape]), elements, rate, layer }));
  return input(name, ["batch", ...shape], "uint8");
}

/** Asks for statistics of every microbatch of the trace in progress to be kept. */
export function requestStatistics(request: StatisticsRequest): void {
  current.statistics.push(Object.freeze(request));
}
