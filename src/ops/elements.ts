/** Single elements by index, along an axis or by whole positions; the largest ones; and the sizes of a shape as numbers. */
import { type Dim, factorOf, formatShape, isBatchDim, normalizeAxis, type Shape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { defineOp } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";
import { zerosLike } from "./movement.ts";
import { numbers, requireDType, requireIndices, requireSameDType, requireShape } from "./require.ts";
import { isNan, where } from "./selection.ts";

/**
 * One element of x per index: x [..., size, ...], indices of x's rank (int32 or int64, 0 … size − 1), every axis but `axis`
 * of x's size → the indices' shape. Throws when the axis grows with the microbatch. Source: ONNX GatherElements-13.
 */
export function gatherElements(x: Tensor, indices: Tensor, axis = -1): Tensor {
  return apply(gatherElementsOp, [x, indices], {
    axis: normalizeAxis(axis, x.shape.length, "gatherElements"),
  });
}

/** What happens to an element of x that an update meets: it is replaced, or the update is added to it. */
export type ScatterReduction = "none" | "add";

/**
 * x with updates written (or added) where the indices say along one axis: the reverse of gatherElements.
 * Which of several updates of one element stays is left to ONNX Runtime; added ones all count. Source: ONNX ScatterElements-18.
 */
export function scatterElements(
  x: Tensor,
  indices: Tensor,
  updates: Tensor,
  options: { readonly axis?: number; readonly reduction?: ScatterReduction } = {},
): Tensor {
  const axis = normalizeAxis(options.axis ?? -1, x.shape.length, "scatterElements");
  return apply(scatterElementsOp, [x, indices, updates], { axis, reduction: options.reduction ?? "none" });
}

/**
 * Slices of x by position: the last axis of the indices holds the first k coordinates. x of shape X, indices [...rest, k] (int64)
 * → [...rest, ...X[k …]]. Source: ONNX GatherND-13.
 */
export function gatherPositions(x: Tensor, indices: Tensor): Tensor {
  return apply(gatherPositionsOp, [x, indices], {});
}

/** x with slices written (or added) at positions: the reverse of gatherPositions. Source: ONNX ScatterND-18. */
export function scatterPositions(
  x: Tensor,
  indices: Tensor,
  updates: Tensor,
  reduction: ScatterReduction = "none",
): Tensor {
  return apply(scatterPositionsOp, [x, indices, updates], { reduction });
}

/**
 * Positions of the `count` largest (or smallest) elements along one axis, in order: x [..., size, ...] → int64
 * [..., count, ...]. Their values are gatherElements(x, positions, axis), with a gradient. Source: ONNX TopK-11.
 */
export function topPositions(
  x: Tensor,
  count: number,
  options: { readonly axis?: number; readonly smallest?: boolean } = {},
): Tensor {
  const axis = normalizeAxis(options.axis ?? -1, x.shape.length, "topPositions");
  const size = x.shape[axis]!;
  if (isBatchDim(size) || !(Number.isInteger(count) && count >= 1 && count <= size)) {
    fail("topPositions", {
      expected: isBatchDim(size) ? "an axis of fixed size" : `a whole number from 1 to ${size}`,
      got: isBatchDim(size) ? formatShape(x.shape) : String(count),
      fix: isBatchDim(size) ? "choose among the elements of one sample" : `ask for ${size} at most`,
    });
  }
  return apply(topPositionsOp, [x], { axis, count, smallest: options.smallest ?? false });
}

/** The sizes of a shape as int64 numbers [rank], known when the program runs where they grow with the microbatch. */
export function sizesOf(shape: Shape): Tensor {
  return apply(sizesOp, [], { shape });
}

function fixedAxis(where: string, x: Tensor, axis: number): number {
  const size = x.shape[axis]!;
  if (!isBatchDim(size)) return size;
  return fail(where, {
    expected: "an axis of fixed size",
    got: `axis ${axis} of ${formatShape(x.shape)}`,
    fix: "choose another axis",
  });
}

function requireAlongside(where: string, x: Tensor, indices: Tensor, axis: number): void {
  const fits =
    indices.shape.length === x.shape.length &&
    indices.shape.every((dim, at) => at === axis || dim === x.shape[at] || isSmaller(dim, x.shape[at]!));
  if (fits) return;
  fail(where, {
    expected: `indices of shape ${formatShape(x.shape)} but for axis ${axis}`,
    got: formatShape(indices.shape),
    fix: "give one index per element that is wanted",
  });
}

const isSmaller = (a: Dim, b: Dim) => !isBatchDim(a) && !isBatchDim(b) && a <= b;

const gatherElementsOp = defineOp<{ axis: number }>({
  name: "gatherElements",
  infer: ([x, indices], { axis }) => {
    requireIndices("gatherElements", indices!, fixedAxis("gatherElements", x!, axis));
    requireAlongside("gatherElements", x!, indices!, axis);
    return { shape: indices!.shape, dtype: x!.dtype };
  },
  gradient: ({ inputs: [x, indices], attributes: { axis }, dy }) => [
    scatterElements(zerosLike(x!), indices!, dy, { axis, reduction: "add" }),
    undefined,
  ],
  onnx: ({ inputs, attributes: { axis }, node, output }) => node("GatherElements", inputs, { axis }, output),
  indices: ([x], { axis }) => [{ input: 1, below: factorOf(x!.shape[axis]!), meaning: "index" }],
  samples: [
    {
      inputs: [["batch", 4], { shape: ["batch", 2], dtype: "int64", range: [0, 4] }],
      build: (x, i) => gatherElements(x, i),
    },
    {
      inputs: [["batch", 3, 2], { shape: ["batch", 4, 2], dtype: "int32", range: [0, 3] }],
      build: (x, i) => gatherElements(x, i, 1),
    },
  ],
});

const scatterElementsOp = defineOp<{ axis: number; reduction: ScatterReduction }>({
  name: "scatterElements",
  infer: ([x, indices, updates], { axis, reduction }) => {
    requireSameDType("scatterElements", x!, updates!);
    if (reduction === "add") requireDType("scatterElements", x!, numbers);
    requireIndices("scatterElements", indices!, fixedAxis("scatterElements", x!, axis));
    requireAlongside("scatterElements", x!, indices!, axis);
    requireShape("scatterElements", "updates", updates!.shape, indices!.shape);
    return { shape: x!.shape, dtype: x!.dtype };
  },
  gradient: ({ inputs: [, indices, updates], attributes: { axis, reduction }, dy, needs }) => [
    needs(0) && reduction === "none" ? scatterElements(dy, indices!, zerosLike(updates!), { axis }) : dy,
    undefined,
    needs(2) ? gatherElements(dy, indices!, axis) : undefined,
  ],
  onnx: ({ inputs, attributes: { axis, reduction }, node, output }) =>
    node("ScatterElements", inputs, { axis, reduction }, output),
  indices: ([x], { axis }) => [{ input: 1, below: factorOf(x!.shape[axis]!), meaning: "index" }],
  samples: [
    {
      inputs: [["batch", 4], { shape: ["batch", 2], dtype: "int64", range: [0, 4] }, ["batch", 2]],
      build: (x, i, u) => scatterElements(x, i, u, { reduction: "add" }),
    },
    {
      inputs: [["batch", 4, 2], { shape: ["batch", 1, 2], dtype: "int32", range: [0, 4] }, ["batch", 1, 2]],
      build: (x, i, u) => scatterElements(x, i, u, { axis: 1 }),
    },
  ],
});

/** How many coordinates an index has, checked against x. */
function coordinates(where: string, x: Tensor, indices: Tensor): number {
  const count = indices.shape.at(-1);
  const isFitting = typeof count === "number" && count >= 1 && count <= x.shape.length;
  if (indices.dtype === "int64" && isFitting && !x.shape.slice(0, count).some(isBatchDim)) return count;
  return fail(where, {
    expected: `int64 positions [..., k], k coordinates of axes of fixed size of ${formatShape(x.shape)}`,
    got: `${indices.dtype} ${formatShape(indices.shape)}`,
    fix: "cast the positions to int64, one coordinate per axis from the first on",
  });
}

const gatherPositionsOp = defineOp({
  name: "gatherPositions",
  infer: ([x, indices]) => {
    const count = coordinates("gatherPositions", x!, indices!);
    return { shape: [...indices!.shape.slice(0, -1), ...x!.shape.slice(count)], dtype: x!.dtype };
  },
  gradient: ({ inputs: [x, indices], dy }) => [
    scatterPositions(zerosLike(x!), indices!, dy, "add"),
    undefined,
  ],
  onnx: "GatherND",
  samples: [
    {
      inputs: [[3, 4], { shape: ["batch", 2], dtype: "int64", range: [0, 3] }],
      build: gatherPositions,
    },
    {
      inputs: [[3, 4], { shape: ["batch", 2, 1], dtype: "int64", range: [0, 3] }],
      build: gatherPositions,
    },
  ],
});

const scatterPositionsOp = defineOp<{ reduction: ScatterReduction }>({
  name: "scatterPositions",
  infer: ([x, indices, updates], { reduction }) => {
    const where = "scatterPositions";
    const count = coordinates(where, x!, indices!);
    requireSameDType(where, x!, updates!);
    if (reduction === "add") requireDType(where, x!, numbers);
    requireShape(where, "updates", updates!.shape, [
      ...indices!.shape.slice(0, -1),
      ...x!.shape.slice(count),
    ]);
    return { shape: x!.shape, dtype: x!.dtype };
  },
  gradient: ({ inputs: [, indices, updates], attributes: { reduction }, dy, needs }) => [
    needs(0) && reduction === "none" ? scatterPositions(dy, indices!, zerosLike(updates!)) : dy,
    undefined,
    needs(2) ? gatherPositions(dy, indices!) : undefined,
  ],
  onnx: ({ inputs, attributes: { reduction }, node, output }) =>
    node("ScatterND", inputs, { reduction }, output),
  samples: [
    {
      inputs: [[3, 4], { shape: [5, 2], dtype: "int64", range: [0, 3] }, [5]],
      build: (x, i, u) => scatterPositions(x, i, u, "add"),
    },
    {
      inputs: [[3, 4], { shape: [1, 1], dtype: "int64", range: [0, 3] }, [1, 4]],
      build: (x, i, u) => scatterPositions(x, i, u),
    },
  ],
});

const topPositionsOp = defineOp<{ axis: number; count: number; smallest: boolean }>({
  name: "topPositions",
  infer: ([x], { axis, count }) => {
    requireDType("topPositions", x!, numbers);
    return { shape: x!.shape.map((dim, at) => (at === axis ? count : dim)), dtype: "int64" };
  },
  // The positions are ONNX's second output; the values come first.
  onnx: ({ inputs, attributes: { axis, count, smallest }, node, further, ints, output }) => {
    const order = { axis, largest: smallest ? 0 : 1 };
    const values = node("TopK", [inputs[0]!, ints([count])], order, undefined, "", 1);
    node("Identity", [further(values)[0]!], {}, output);
  },
  samples: [
    { inputs: [["batch", 5]], build: (x) => topPositions(x, 2) },
    { inputs: [["batch", 4, 2]], build: (x) => topPositions(x, 3, { axis: 1, smallest: true }) },
  ],
});

const sizesOp = defineOp<{ shape: Shape }>({
  name: "sizes",
  infer: (_, { shape }) => ({ shape: [shape.length], dtype: "int64" }),
  onnx: ({ attributes, node, shape, output }) => node("Identity", [shape(attributes.shape)], {}, output),
  samples: [
    {
      inputs: [["batch", 1]],
      // Numbers of one sample each, so that an input has the batch to read.
      build: (x) => where(isNan(x), sizesOf(["batch*4", 3]), sizesOf(["batch", 3])),
    },
    { inputs: [], build: () => sizesOf([2, 3]) },
  ],
});
