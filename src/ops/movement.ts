/** Moving elements without changing them: reshape, transpose, expand, slice, concat, pad, fill. */
import {
  batchDim,
  type Dim,
  elementCount,
  factorOf,
  formatShape,
  isBatchDim,
  normalizeAxis,
  productDim,
  type Shape,
  sameShape,
} from "../array/shape.ts";
import { fail } from "../errors.ts";
import { defineOp, type EmitContext } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";
import { numbersAndBytes, requireDType, requireStretching } from "./require.ts";
import { cast, isNan, where } from "./selection.ts";

/**
 * The same elements in row-major order under another shape. One dimension may be -1 (what is left).
 * Throws when the number of elements differs. Source: ONNX Reshape-21.
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const target = resolveShape(x.shape, shape);
  return sameShape(x.shape, target) ? x : apply(reshapeOp, [x], { shape: target });
}

/** Flattens all axes from `axis` (default 1) on into one: [batch, 3, 8] → [batch, 24], and [batch] → [batch, 1]. */
export function flatten(x: Tensor, axis = 1): Tensor {
  const from = axis === x.shape.length ? axis : normalizeAxis(axis, x.shape.length, "flatten");
  return reshape(x, [...x.shape.slice(0, from), productDim(x.shape.slice(from), "flatten")]);
}

/**
 * Reorders axes: result axis i is axis `order[i]` of x. Default: the axes reversed.
 * Throws when `order` does not name every axis once. Source: ONNX Transpose-21.
 */
export function transpose(x: Tensor, order?: readonly number[]): Tensor {
  const axes = (order ?? x.shape.map((_, axis) => -1 - axis)).map((axis) =>
    normalizeAxis(axis, x.shape.length, "transpose"),
  );
  if (axes.length !== x.shape.length || new Set(axes).size !== axes.length) {
    fail("transpose", {
      expected: `every axis of ${formatShape(x.shape)} once`,
      got: formatShape(order ?? []),
      fix: `for example ${formatShape(x.shape.map((_, axis) => axis))}`,
    });
  }
  return axes.every((axis, index) => axis === index) ? x : apply(transposeOp, [x], { axes });
}

/**
 * Stretches axes of size 1 (and adds leading axes) to `shape`. Elementwise ops stretch by themselves, so this is rarely
 * needed. Throws when the shapes do not broadcast to `shape`. Source: ONNX Expand-13.
 */
export function expand(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : apply(expandOp, [x], { shape });
}

/** A tensor of `shape` whose every element is `value` (float32). Throws for an empty shape. Source: ONNX Expand-13. */
export function fill(shape: Shape, value: number): Tensor {
  const wrong = shape.find((dim) => !isPositive(dim));
  if (wrong !== undefined) {
    fail("fill", {
      expected: "dimensions that are whole numbers from 1 on",
      got: formatShape(shape),
      fix: `replace ${wrong} by a positive whole number`,
    });
  }
  return apply(fillOp, [], { shape, value });
}

/** A zeroed tensor of x's shape and dtype. */
export function zerosLike(x: Tensor): Tensor {
  return cast(fill(x.shape, 0), x.dtype);
}

/** What `slice` takes along one axis. */
export interface Range {
  /** Default 0. Negative counts from the end. */
  readonly start?: number;
  /** First element left out. Default: the end of the axis. Negative counts from the end. */
  readonly end?: number;
}

/**
 * Elements start … end − 1 along one axis (default the last); the axis may not be batch.
 * Throws when the range is empty or outside the axis. Source: ONNX Slice-13.
 */
export function slice(x: Tensor, range: Range, axis = -1): Tensor {
  const where = "slice";
  const at = normalizeAxis(axis, x.shape.length, where);
  const size = x.shape[at]!;
  if (isBatchDim(size)) {
    fail(where, {
      expected: "an axis of fixed size",
      got: `axis ${at} of ${formatShape(x.shape)}`,
      fix: "slice another axis",
    });
  }
  const from = (edge: number) => (edge < 0 ? edge + size : edge);
  const start = from(range.start ?? 0);
  const end = from(range.end ?? size);
  if (!(Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start < end && end <= size)) {
    fail(where, {
      expected: `0 ≤ start < end ≤ ${size}`,
      got: `start ${range.start ?? 0}, end ${range.end ?? size}`,
      fix: `choose a range inside axis ${at} of ${formatShape(x.shape)}`,
    });
  }
  return start === 0 && end === size ? x : apply(sliceOp, [x], { axis: at, start, end });
}

/** Joins tensors along one axis (default the last); all other axes must agree. Source: ONNX Concat-13. */
export function concat(tensors: readonly Tensor[], axis = -1): Tensor {
  const first = tensors[0];
  if (first === undefined) {
    fail("concat", {
      expected: "at least one tensor",
      got: "an empty list",
      fix: "pass the tensors to join",
    });
  }
  const at = normalizeAxis(axis, first.shape.length, "concat");
  return tensors.length === 1 ? first : apply(concatOp, tensors, { axis: at });
}

/** Adds `before` and `after` elements of `value` (default 0) at the ends of one axis. Source: ONNX Pad-21. */
export function pad(
  x: Tensor,
  amount: { readonly before?: number; readonly after?: number; readonly value?: number },
  axis = -1,
): Tensor {
  const { before = 0, after = 0, value = 0 } = amount;
  const at = normalizeAxis(axis, x.shape.length, "pad");
  if (!(Number.isInteger(before) && Number.isInteger(after) && before >= 0 && after >= 0)) {
    fail("pad", {
      expected: "whole numbers from 0 on",
      got: `before ${before}, after ${after}`,
      fix: "to remove elements use slice",
    });
  }
  return before === 0 && after === 0 ? x : apply(padOp, [x], { axis: at, before, after, value });
}

/** `x` without the stretching in front of it, where broadcasting against `other` gives `shape` all the same. */
export function withoutExpand(x: Tensor, other: Shape, shape: Shape): Tensor {
  const source = x.op.name === "expand" ? x.inputs[0]! : undefined;
  if (source === undefined) return x;
  return stretchesTo(source.shape, other, shape) ? source : x;
}

function stretchesTo(a: Shape, b: Shape, shape: Shape): boolean {
  const rank = Math.max(a.length, b.length);
  if (rank !== shape.length) return false;
  return shape.every((dim, axis) => {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    return (left === dim && (right === dim || right === 1)) || (right === dim && left === 1);
  });
}

/** Replaces -1 by what is left and checks that the number of elements stays. */
function resolveShape(from: Shape, to: Shape): Shape {
  const where = `reshape ${formatShape(from)} to ${formatShape(to)}`;
  const total = productDim(from, where);
  const open = to.indexOf(-1);
  if (to.indexOf(-1, open + 1) > open) {
    fail(where, { expected: "at most one -1", got: formatShape(to), fix: "give all sizes but one" });
  }
  let target = to;
  if (open >= 0) {
    const rest = productDim(
      to.filter((_, axis) => axis !== open),
      where,
    );
    const factor = factorOf(total) / factorOf(rest);
    const left: Dim = isBatchDim(total) && !isBatchDim(rest) ? safeBatchDim(factor) : factor;
    target = to.map((dim, axis) => (axis === open ? left : dim));
  }
  if (!target.every(isPositive) || productDim(target, where) !== total) {
    fail(where, {
      expected: `a shape of ${total} elements`,
      got: formatShape(target),
      fix: "change one dimension, or use -1 for it",
    });
  }
  return target;
}

const isPositive = (dim: Dim) => Number.isInteger(factorOf(dim)) && factorOf(dim) >= 1;

const safeBatchDim = (factor: number): Dim => (Number.isInteger(factor) ? batchDim(factor) : factor);

const reshapeOp = defineOp<{ shape: Shape }>({
  name: "reshape",
  infer: ([x], { shape }) => ({ shape, dtype: x!.dtype }),
  gradient: ({ inputs: [x], dy }) => [reshape(dy, x!.shape)],
  // At most one dimension grows with the microbatch, and -1 stands for it.
  onnx: ({ inputs, attributes, node, ints, output }) => {
    const shape = attributes.shape.map((dim) => (isBatchDim(dim) ? -1 : dim));
    node("Reshape", [inputs[0]!, ints(shape)], {}, output);
  },
  samples: [
    { inputs: [["batch", 2, 3]], build: (x) => reshape(x, ["batch", 6]) },
    { inputs: [["batch", 2, 3]], build: (x) => reshape(x, ["batch*2", 3]) },
    { inputs: [[2, 6]], build: (x) => reshape(x, [3, -1]) },
    { inputs: [["batch"]], build: (x) => reshape(x, [-1, 1]) },
  ],
});

const transposeOp = defineOp<{ axes: readonly number[] }>({
  name: "transpose",
  infer: ([x], { axes }) => ({ shape: axes.map((axis) => x!.shape[axis]!), dtype: x!.dtype }),
  gradient: ({ attributes: { axes }, dy }) => [
    transpose(
      dy,
      axes.map((_, axis) => axes.indexOf(axis)),
    ),
  ],
  onnx: ({ inputs, attributes, node, output }) =>
    node("Transpose", inputs, { perm: attributes.axes }, output),
  samples: [
    { inputs: [["batch", 2, 4]], build: (x) => transpose(x, [0, 2, 1]) },
    { inputs: [["batch", 2, 4]], build: (x) => transpose(x, [2, 0, 1]) },
    { inputs: [[2, 3]], build: (x) => transpose(x) },
  ],
});

const expandOp = defineOp<{ shape: Shape }>({
  name: "expand",
  infer: ([x], { shape }) => {
    requireStretching("expand", "a tensor", x!.shape, shape);
    return { shape, dtype: x!.dtype };
  },
  gradient: ({ dy }) => [dy],
  onnx: (context) => {
    const { inputs, tensors, attributes, node, output } = context;
    node("Expand", [inputs[0]!, expandShape(context, tensors[0]!.shape, attributes.shape)], {}, output);
  },
  samples: [
    { inputs: [["batch", 1]], build: (x) => expand(x, ["batch", 4]) },
    {
      inputs: [
        [1, 4],
        ["batch", 4],
      ],
      build: (x, y) => where(isNan(y), y, expand(x, y.shape)),
    },
    { inputs: [[]], build: (x) => expand(x, [2, 3]) },
  ],
});

/** Expand stretches both ways, so 1 keeps a dimension: the size of the microbatch is rarely needed at run time. */
function expandShape(context: EmitContext, from: Shape, to: Shape): string {
  const kept = to.map((dim, axis) =>
    isBatchDim(dim) && from[axis - to.length + from.length] === dim ? 1 : dim,
  );
  return context.shape(kept);
}

const fillOp = defineOp<{ shape: Shape; value: number }>({
  name: "fill",
  infer: (_, { shape }) => ({ shape, dtype: "float32" }),
  onnx: ({ attributes: { shape: dims, value }, node, shape, constant, output }) =>
    dims.some(isBatchDim)
      ? node("Expand", [constant([value]), shape(dims)], {}, output)
      : node(
          "Identity",
          [constant(Array<number>(elementCount(dims)).fill(value), dims as number[])],
          {},
          output,
        ),
  samples: [
    { inputs: [["batch", 2]], build: (x) => where(isNan(x), x, fill(x.shape, 1.5)) },
    { inputs: [], build: () => fill([2, 3], -1) },
  ],
});

const sliceOp = defineOp<{ axis: number; start: number; end: number }>({
  name: "slice",
  infer: ([x], { axis, start, end }) => ({
    shape: x!.shape.map((dim, index) => (index === axis ? end - start : dim)),
    dtype: x!.dtype,
  }),
  gradient: ({ inputs: [x], attributes: { axis, start, end }, dy }) => {
    const size = factorOf(x!.shape[axis]!);
    return [pad(dy, { before: start, after: size - end }, axis)];
  },
  onnx: ({ inputs, attributes: { axis, start, end }, node, ints, output }) =>
    node("Slice", [inputs[0]!, ints([start]), ints([end]), ints([axis])], {}, output),
  samples: [
    { inputs: [["batch", 5]], build: (x) => slice(x, { start: 1, end: 3 }) },
    { inputs: [["batch", 5, 2]], build: (x) => slice(x, { start: -2 }, 1) },
  ],
});

const concatOp = defineOp<{ axis: number }>({
  name: "concat",
  infer: (tensors, { axis }) => {
    const first = tensors[0]!;
    for (const tensor of tensors) {
      const fits =
        tensor.dtype === first.dtype &&
        tensor.shape.length === first.shape.length &&
        tensor.shape.every((dim, index) => index === axis || dim === first.shape[index]);
      if (!fits) {
        fail("concat", {
          expected: `${first.dtype} ${formatShape(first.shape)} but for axis ${axis}`,
          got: `${tensor.dtype} ${formatShape(tensor.shape)}`,
          fix: "reshape or cast it before joining",
        });
      }
    }
    return {
      shape: first.shape.map((dim, index) => (index === axis ? joined(tensors, axis) : dim)),
      dtype: first.dtype,
    };
  },
  gradient: ({ inputs, attributes: { axis }, dy }) => {
    let start = 0;
    return inputs.map((tensor) => {
      const end = start + factorOf(tensor.shape[axis]!);
      const part = slice(dy, { start, end }, axis);
      start = end;
      return part;
    });
  },
  onnx: ({ inputs, attributes, node, output }) => node("Concat", inputs, { axis: attributes.axis }, output),
  samples: [
    {
      inputs: [
        ["batch", 2],
        ["batch", 3],
      ],
      build: (a, b) => concat([a, b]),
    },
    {
      inputs: [
        [2, 3],
        [1, 3],
        [2, 3],
      ],
      build: (a, b, c) => concat([a, b, c], 0),
    },
    { inputs: [["batch", 2]], build: (a) => concat([a, a]) },
  ],
});

function joined(tensors: readonly Tensor[], axis: number): number {
  let size = 0;
  for (const tensor of tensors) {
    const dim = tensor.shape[axis]!;
    if (isBatchDim(dim)) {
      fail("concat", {
        expected: "an axis of fixed size",
        got: formatShape(tensor.shape),
        fix: "join along another axis",
      });
    }
    size += dim;
  }
  return size;
}

const padOp = defineOp<{ axis: number; before: number; after: number; value: number }>({
  name: "pad",
  infer: ([x], { axis, before, after }) => {
    requireDType("pad", x!, [...numbersAndBytes, "bool"]);
    const dim = x!.shape[axis]!;
    if (isBatchDim(dim)) {
      fail("pad", { expected: "an axis of fixed size", got: formatShape(x!.shape), fix: "pad another axis" });
    }
    return {
      shape: x!.shape.map((size, index) => (index === axis ? dim + before + after : size)),
      dtype: x!.dtype,
    };
  },
  gradient: ({ inputs: [x], attributes: { axis, before }, dy }) => {
    const size = factorOf(x!.shape[axis]!);
    return [slice(dy, { start: before, end: before + size }, axis)];
  },
  onnx: ({ inputs, tensors, attributes: { axis, before, after, value }, node, ints, constant, output }) => {
    const rank = tensors[0]!.shape.length;
    const amounts = Array<number>(2 * rank).fill(0);
    amounts[axis] = before;
    amounts[rank + axis] = after;
    const filling = constant([value], [], tensors[0]!.dtype);
    node("Pad", [inputs[0]!, ints(amounts), filling], { mode: "constant" }, output);
  },
  samples: [
    { inputs: [["batch", 3]], build: (x) => pad(x, { before: 1, after: 2 }) },
    { inputs: [[2, 3]], build: (x) => pad(x, { after: 1, value: 7 }, 0) },
  ],
});
