/** Shapes: lists of dimensions, where one may be the number of samples in a microbatch, unknown until it runs. */
import { fail } from "../errors.ts";

/**
 * One dimension. `"batch"` is the number of samples in the microbatch; `"batch*4"` is four times that,
 * which is what flattening [batch, 4, features] to two dimensions gives.
 */
export type Dim = number | BatchDim;
/** A dimension that grows with the microbatch. */
export type BatchDim = "batch" | `batch*${number}`;
/** A list of dimensions; [] is a scalar. */
export type Shape = readonly Dim[];

/** True for dimensions that grow with the microbatch. */
export function isBatchDim(dim: Dim): dim is BatchDim {
  return typeof dim !== "number";
}

/** The number in front of batch: 1 for "batch", 4 for "batch*4"; a fixed dimension is its own factor. */
export function factorOf(dim: Dim): number {
  if (typeof dim === "number") return dim;
  return dim === "batch" ? 1 : Number(dim.slice("batch*".length));
}

/** The dimension `factor` × batch. */
export function batchDim(factor: number): BatchDim {
  return factor === 1 ? "batch" : `batch*${factor}`;
}

/** The size of a dimension when the microbatch has `batch` samples. */
export function concreteDim(dim: Dim, batch: number): number {
  return typeof dim === "number" ? dim : factorOf(dim) * batch;
}

/** The shape as numbers when the microbatch has `batch` samples. */
export function concrete(shape: Shape, batch: number): number[] {
  return shape.map((dim) => concreteDim(dim, batch));
}

/** How many elements a shape has when the microbatch has `batch` samples. */
export function elementCount(shape: Shape, batch = 1): number {
  let count = 1;
  for (const dim of shape) count *= concreteDim(dim, batch);
  return count;
}

/** Product of dimensions, itself a dimension. At most one of them may grow with the microbatch. */
export function productDim(dims: Shape, where: string): Dim {
  let factor = 1;
  let grows = 0;
  for (const dim of dims) {
    factor *= factorOf(dim);
    if (isBatchDim(dim)) grows++;
  }
  if (grows > 1) {
    fail(where, {
      expected: "at most one dimension that grows with the microbatch",
      got: formatShape(dims),
      fix: "reduce one of them first",
    });
  }
  return grows === 1 ? batchDim(factor) : factor;
}

/** True where both shapes are the same, dimension by dimension. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis]);
}

/** Prints a shape the way every error message shows it: [batch, 3]. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/**
 * The shape of an elementwise operation on `a` and `b`, aligned at the last axis; size 1 stretches.
 * Source: ONNX multidirectional broadcasting.
 */
export function broadcastShapes(a: Shape, b: Shape, where: string): Shape {
  const rank = Math.max(a.length, b.length);
  const result: Dim[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1) {
      fail(where, {
        expected: `shapes that broadcast (equal, or 1, from the last axis on)`,
        got: `${formatShape(a)} and ${formatShape(b)}`,
        fix: `reshape one side so that axis ${axis - rank} matches: ${left} against ${right}`,
      });
    }
    result.push(left === 1 ? right : left);
  }
  return result;
}

/** Turns an axis that may count from the end (-1 = last) into one that counts from the start. */
export function normalizeAxis(axis: number, rank: number, where: string): number {
  if (rank === 0) {
    fail(where, { expected: "a tensor with axes", got: "a scalar", fix: "reshape it to [1] first" });
  }
  const result = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || result < 0 || result >= rank) {
    fail(where, {
      expected: `an axis from ${-rank} to ${rank - 1}`,
      got: String(axis),
      fix: "use -1 for the last axis",
    });
  }
  return result;
}
