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
 * in the runtime's order and each tensor lives until its last reader. A reshaped tensor is the same memory under another
 * shape. An estimate: a real runtime writes some results over inputs nobody reads again, and needs room for its kernels.
 */
export function peakBytes(program: Program, batch: number): PeakBytes {
  const held = new Set(program.outputs.map(({ tensor }) => ownerOf(tensor)));
  const order = runOrder(program);
  const lastReader = new Map<Tensor, number>();
  order.forEach((tensor, index) => {
    for (const value of tensor.inputs) lastReader.set(ownerOf(value), index);
  });
  const isCounted = (tensor: Tensor) => tensor.leaf === undefined && !held.has(tensor);
  let alive = 0;
  let peak: PeakBytes = { bytes: 0, at: undefined };
  order.forEach((tensor, index) => {
    if (ownerOf(tensor) === tensor && isCounted(tensor)) alive += bytesOf(tensor, batch);
    if (alive > peak.bytes) peak = { bytes: alive, at: tensor };
    for (const owner of new Set(tensor.inputs.map(ownerOf))) {
      if (lastReader.get(owner) === index && isCounted(owner)) alive -= bytesOf(owner, batch);
    }
  });
  return peak;
}

/**
 * The nodes in the order that ONNX Runtime runs them, which is not the order they are written in: back from the last result
 * that nothing else reads, the latest of a node's inputs first. The gradients of the last layers so come before those of the
 * first, and what they read is free early. Leaves are left out. Iterative: a graph may be deeper than the call stack.
 * Source: GraphViewer and Graph::ReverseDFSFrom of ONNX Runtime.
 */
export function runOrder(program: Program): readonly Tensor[] {
  const nodes = program.tensors.filter(({ leaf }) => leaf === undefined);
  const places = new Map(nodes.map((tensor, place) => [tensor, place]));
  const read = new Set(nodes.flatMap(({ inputs }) => inputs));
  const stack = nodes.filter((tensor) => !read.has(tensor)).map((tensor) => ({ tensor, isReady: false }));
  const seen = new Set<Tensor>();
  const order: Tensor[] = [];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { tensor, isReady } = top;
    if (isReady) order.push(tensor);
    if (isReady || seen.has(tensor)) continue;
    seen.add(tensor);
    stack.push({ tensor, isReady: true });
    const inputs = [...new Set(tensor.inputs)].filter((input) => places.has(input) && !seen.has(input));
    inputs.sort((a, b) => places.get(a)! - places.get(b)!);
    for (const input of inputs) stack.push({ tensor: input, isReady: false });
  }
  return order;
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
