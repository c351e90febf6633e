/** The memory model: which bytes of a program are alive at each point of a run. */
import { bytesPerElement } from "../array/dtype.ts";
import { elementCount } from "../array/shape.ts";
import type { Program } from "./program.ts";
import type { Tensor } from "./tensor.ts";

/** The most bytes of intermediate tensors alive at once, and after which tensor that happens. */
export interface PeakBytes {
  readonly bytes: number;
  readonly at: Tensor | undefined;
}

/**
 * Peak of the intermediate tensors of one run, inputs and outputs left out (their owners hold them), when nodes run
 * in the program's order and each tensor lives until its last reader. A lower bound for a real runtime.
 */
export function peakBytes(program: Program, batch: number): PeakBytes {
  const held = new Set(program.outputs.map(({ tensor }) => tensor));
  const lastReader = new Map<Tensor, number>();
  program.tensors.forEach((tensor, index) => {
    for (const value of tensor.inputs) lastReader.set(value, index);
  });
  let alive = 0;
  let peak: PeakBytes = { bytes: 0, at: undefined };
  program.tensors.forEach((tensor, index) => {
    if (tensor.leaf === undefined && !held.has(tensor)) alive += bytesOf(tensor, batch);
    if (alive > peak.bytes) peak = { bytes: alive, at: tensor };
    for (const value of new Set(tensor.inputs)) {
      if (lastReader.get(value) === index && value.leaf === undefined && !held.has(value)) {
        alive -= bytesOf(value, batch);
      }
    }
  });
  return peak;
}

/** Bytes of a tensor when the microbatch has `batch` samples. */
export function bytesOf(tensor: Tensor, batch: number): number {
  return elementCount(tensor.shape, batch) * bytesPerElement(tensor.dtype);
}
