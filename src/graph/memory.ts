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
 * in the program's order and each tensor lives until its last reader. A reshaped tensor is the same memory under another
 * shape. An estimate: a real runtime writes some results over inputs nobody reads again, and needs room for its kernels.
 */
export function peakBytes(program: Program, batch: number): PeakBytes {
  const held = new Set(program.outputs.map(({ tensor }) => ownerOf(tensor)));
  const lastReader = new Map<Tensor, number>();
  program.tensors.forEach((tensor, index) => {
    for (const value of tensor.inputs) lastReader.set(ownerOf(value), index);
  });
  const isCounted = (tensor: Tensor) => tensor.leaf === undefined && !held.has(tensor);
  let alive = 0;
  let peak: PeakBytes = { bytes: 0, at: undefined };
  program.tensors.forEach((tensor, index) => {
    if (ownerOf(tensor) === tensor && isCounted(tensor)) alive += bytesOf(tensor, batch);
    if (alive > peak.bytes) peak = { bytes: alive, at: tensor };
    for (const owner of new Set(tensor.inputs.map(ownerOf))) {
      if (lastReader.get(owner) === index && isCounted(owner)) alive -= bytesOf(owner, batch);
    }
  });
  return peak;
}

/** The tensor whose memory holds the elements. */
function ownerOf(tensor: Tensor): Tensor {
  let owner = tensor;
  while (owner.op.name === "reshape") owner = owner.inputs[0]!;
  return owner;
}

/** Bytes of a tensor when the microbatch has `batch` samples. */
export function bytesOf(tensor: Tensor, batch: number): number {
  return elementCount(tensor.shape, batch) * bytesPerElement(tensor.dtype);
}
