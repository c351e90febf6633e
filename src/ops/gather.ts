/** Rows of a table by index, and rows added back to it. */
import { onnxDType } from "../array/dtype.ts";
import { factorOf, formatShape, isBatchDim, normalizeAxis } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { defineOp } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";
import { transpose, zerosLike } from "./movement.ts";
import { requireIndices, requireSameDType, requireShape } from "./require.ts";

/**
 * Slices of the table along one axis (default the first), one per index: an embedding.
 * table [..., size, ...], indices of any shape (int32 or int64, 0 … size − 1) → the axis replaced by the indices' shape.
 * Throws when the axis grows with the microbatch. The trainer checks the indices before they are used.
 * Source: ONNX Gather-13; its gradient is ScatterND-18, right and fast in sessions of one thread only.
 */
export function gather(table: Tensor, indices: Tensor, axis = 0): Tensor {
  return apply(gatherOp, [table, indices], { axis: normalizeAxis(axis, table.shape.length, "gather") });
}

/**
 * `rows` added to the rows of the table that the indices name; an index that comes twice adds twice.
 * table [size, ...rest], indices [...] (int32 or int64), rows [...indices, ...rest] → the table's shape.
 * Source: ONNX ScatterND-18, reduction add. With two threads its kernel loses updates; sessions here have one.
 */
export function scatterAdd(table: Tensor, indices: Tensor, rows: Tensor): Tensor {
  return apply(scatterAddOp, [table, indices, rows], {});
}

const gatherOp = defineOp<{ axis: number }>({
  name: "gather",
  infer: ([table, indices], { axis }) => {
    const size = table!.shape[axis]!;
    if (isBatchDim(size)) {
      fail("gather", {
        expected: "an axis of fixed size",
        got: `axis ${axis} of ${formatShape(table!.shape)}`,
        fix: "gather along another axis",
      });
    }
    requireIndices("gather", indices!, size);
    const shape = [...table!.shape.slice(0, axis), ...indices!.shape, ...table!.shape.slice(axis + 1)];
    return { shape, dtype: table!.dtype };
  },
  gradient: ({ inputs: [table, indices], attributes: { axis }, dy }) => {
    const rank = table!.shape.length;
    const [count, total] = [indices!.shape.length, dy.shape.length];
    // ScatterND adds along the first axis, so the gathered axis goes there and back; for axis 0 both are free.
    const toFront = [axis, ...range(0, axis), ...range(axis + 1, rank)];
    const rows = transpose(dy, [
      ...range(axis, axis + count),
      ...range(0, axis),
      ...range(axis + count, total),
    ]);
    const sums = scatterAdd(zerosLike(transpose(table!, toFront)), indices!, rows);
    return [transpose(sums, [...range(1, axis + 1), 0, ...range(axis + 1, rank)]), undefined];
  },
  onnx: ({ inputs, attributes: { axis }, node, output }) => node("Gather", inputs, { axis }, output),
  indices: ([table], { axis }) => [{ input: 1, below: factorOf(table!.shape[axis]!), meaning: "index" }],
  samples: [
    { inputs: [[5, 2], { shape: ["batch"], dtype: "int32", range: [0, 5] }], build: (t, i) => gather(t, i) },
    {
      inputs: [[2, 3], { shape: ["batch", 4], dtype: "int64", range: [0, 2] }],
      build: (t, i) => gather(t, i),
    },
    {
      inputs: [["batch", 4, 2], { shape: [3], dtype: "int32", range: [0, 4] }],
      build: (t, i) => gather(t, i, 1),
    },
    {
      inputs: [["batch", 2, 4], { shape: [2, 3], dtype: "int64", range: [0, 4] }],
      build: (t, i) => gather(t, i, -1),
    },
    {
      inputs: [["batch", 4], { shape: [], dtype: "int32", range: [0, 4] }],
      build: (t, i) => gather(t, i, 1),
    },
  ],
});

const scatterAddOp = defineOp({
  name: "scatterAdd",
  infer: ([table, indices, rows]) => {
    requireSameDType("scatterAdd", table!, rows!);
    const size = table!.shape[0];
    if (size === undefined || isBatchDim(size)) {
      fail("scatterAdd", {
        expected: "a table whose first axis has a fixed size",
        got: formatShape(table!.shape),
        fix: "move the axis that the indices name to the front",
      });
    }
    requireIndices("scatterAdd", indices!, size);
    requireShape("scatterAdd", "rows", rows!.shape, [...indices!.shape, ...table!.shape.slice(1)]);
    return { shape: table!.shape, dtype: table!.dtype };
  },
  gradient: ({ inputs: [, indices], dy, needs }) => [
    dy,
    undefined,
    needs(2) ? gather(dy, indices!) : undefined,
  ],
  onnx: ({ inputs: [table, indices, rows], tensors, node, ints, output }) => {
    const wide = tensors[1]!.dtype === "int64" ? indices! : node("Cast", [indices!], { to: onnxDType.int64 });
    const tuples = node("Unsqueeze", [wide, ints([-1])]); // one index tuple, of length 1, per row
    node("ScatterND", [table!, tuples, rows!], { reduction: "add" }, output);
  },
  indices: ([table]) => [{ input: 1, below: factorOf(table!.shape[0]!), meaning: "index" }],
  samples: [
    {
      inputs: [[3, 2], { shape: ["batch"], dtype: "int32", range: [0, 3] }, ["batch", 2]],
      build: scatterAdd,
    },
    {
      inputs: [[2, 3], { shape: ["batch", 4], dtype: "int64", range: [0, 2] }, ["batch", 4, 3]],
      build: scatterAdd,
    },
    { inputs: [[4], { shape: [6], dtype: "int32", range: [0, 4] }, [6]], build: scatterAdd },
  ],
});

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
