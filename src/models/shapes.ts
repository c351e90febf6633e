/** ONNX operators that give elements another shape, or tell the shape. */
import {
  batchDim,
  type Dim,
  factorOf,
  formatShape,
  isBatchDim,
  productDim,
  type Shape,
} from "../array/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import * as ops from "../ops/index.ts";
import { constantOf } from "./arrays.ts";
import { type Known, knownSizes, tensorOf, withShape } from "./known.ts";
import type { NodeReader, Operators } from "./operator.ts";

/** The input in another shape, its elements still known where they were. */
function reshaped(node: NodeReader, shape: Shape): Tensor | Known {
  const known = node.known(0);
  // A size that grows with the microbatch makes no known array.
  const kept =
    known === undefined || shape.some(isBatchDim) ? undefined : withShape(known, shape as number[]);
  return kept ?? ops.reshape(node.input(0), shape);
}

function shapeOf(node: NodeReader): Known {
  const shape = node.shape(0);
  const edge = (at: number) => Math.min(Math.max(at < 0 ? at + shape.length : at, 0), shape.length);
  const [start, end] = [edge(node.int("start", 0)), edge(node.int("end", shape.length))];
  return knownSizes(shape.slice(start, Math.max(end, start)));
}

function reshape(node: NodeReader): Tensor | Known {
  const from = node.shape(0);
  const target = node.sizes(1).map((dim, axis): Dim => {
    if (dim !== 0 || node.flag("allowzero")) return dim;
    return from[axis] ?? node.refuse(`an axis ${axis} to keep`, formatShape(from));
  });
  return reshaped(node, freed(node, from, target));
}

/**
 * Exporters write the microbatch they saw, 1, into shapes. Where the input grows with the microbatch and the shape's fixed
 * sizes hold exactly one sample, the leading size is that microbatch: a 1, or what leading axes are merged into.
 */
function freed(node: NodeReader, from: Shape, target: Shape): Shape {
  const total = productDim(from, node.where);
  if (!isBatchDim(total) || target.some(isBatchDim) || target[0] === undefined) return target;
  const open = target.indexOf(-1);
  if (open === 0) return target;
  const fixed = target.reduce<number>((product, dim) => product * (dim === -1 ? 1 : factorOf(dim)), 1);
  const isOneSample = open < 0 ? fixed === factorOf(total) : factorOf(total) % fixed === 0;
  const leading = factorOf(target[0]);
  if (!isOneSample || !isBatchDim(from[0]!) || !leadingProducts(from).includes(leading)) return target;
  const rest = target.slice(1).map((dim) => (dim === -1 ? factorOf(total) / fixed : dim));
  return [batchDim(leading), ...rest];
}

/** 1 for [batch, 4, 3], as it is; 4 and 12, where axes behind the first are merged into it. */
function leadingProducts(shape: Shape): number[] {
  let product = 1;
  return shape.map((dim) => {
    product *= factorOf(dim);
    return product;
  });
}

function flatten(node: NodeReader): Tensor | Known {
  const shape = node.shape(0);
  const listed = node.int("axis", 1);
  const axis = listed < 0 ? listed + shape.length : listed;
  if (axis < 0 || axis > shape.length) node.refuse(`an axis up to ${shape.length}`, String(listed));
  return reshaped(node, [
    productDim(shape.slice(0, axis), node.where),
    productDim(shape.slice(axis), node.where),
  ]);
}

function squeeze(node: NodeReader): Tensor | Known {
  const shape = node.shape(0);
  const listed = node.list("axes", 1);
  const axes =
    listed === undefined ? shape.flatMap((dim, axis) => (dim === 1 ? [axis] : [])) : node.axes(listed);
  const wrong = axes.find((axis) => shape[axis] !== 1);
  if (wrong !== undefined)
    node.refuse(`axis ${wrong} of size 1`, formatShape(shape), "load the model with freeBatch: false");
  return reshaped(
    node,
    shape.filter((_, axis) => !axes.includes(axis)),
  );
}

function unsqueeze(node: NodeReader): Tensor | Known {
  const shape = node.shape(0);
  const listed = node.list("axes", 1) ?? [];
  const axes = node.axes(listed, shape.length + listed.length);
  const rest = shape[Symbol.iterator]();
  const result = Array.from(
    { length: shape.length + axes.length },
    (_, axis): Dim => (axes.includes(axis) ? 1 : rest.next().value!),
  );
  return reshaped(node, result);
}

/** Expand stretches both ways: 1 in the shape keeps the input's size. */
function expand(node: NodeReader): Tensor {
  const [from, target] = [node.shape(0), node.sizes(1)];
  const rank = Math.max(from.length, target.length);
  const shape = Array.from({ length: rank }, (_, axis): Dim => {
    const own = from[axis - rank + from.length] ?? 1;
    const wanted = target[axis - rank + target.length] ?? 1;
    return wanted === 1 ? own : wanted;
  });
  return ops.expand(node.input(0), shape);
}

/** [a, b] repeated [2, 3] times is [1, a, 1, b] stretched to [2, a, 3, b], so that its gradient is a sum. */
function tile(node: NodeReader): Tensor {
  const shape = node.shape(0);
  const times = node.numbers(1) ?? [];
  if (times.length !== shape.length || times.some((one) => one < 1)) {
    node.refuse(`${shape.length} repetitions from 1 on`, formatShape(times));
  }
  const spread = shape.flatMap((dim): Dim[] => [1, dim]);
  const stretched = shape.flatMap((dim, axis): Dim[] => [times[axis]!, dim]);
  const result = shape.map((dim, axis) => productDim([dim, times[axis]!], node.where));
  if (shape.some((dim, axis) => isBatchDim(dim) && times[axis] !== 1)) {
    node.refuse("samples that are not repeated", formatShape(times), "load the model with freeBatch: false");
  }
  return ops.reshape(ops.expand(ops.reshape(node.input(0), spread), stretched), result);
}

function transpose(node: NodeReader): Tensor {
  const x = node.input(0);
  return x.shape.length === 0 ? x : ops.transpose(x, node.ints("perm"));
}

function concat(node: NodeReader): Tensor {
  return ops.concat(node.inputs(), node.axis(node.int("axis", 0)));
}

/** Sizes of the parts: an attribute before set 13, an input after, or as many equal parts as there are outputs. */
function split(node: NodeReader): readonly Tensor[] {
  const x = node.input(0);
  const axis = node.axis(node.int("axis", 0));
  const size = node.fixed(axis);
  const count = node.int("num_outputs", node.node.outputs.length);
  const part = Math.ceil(size / count);
  const even = Array.from({ length: count }, (_, index) => Math.min(part, size - index * part));
  const sizes = node.list("split", 1) ?? even;
  if (sizes.reduce((total, one) => total + one, 0) !== size) {
    node.refuse(`parts of ${size} in all`, formatShape(sizes));
  }
  let start = 0;
  return sizes.map((length) => {
    const end = start + length;
    const taken = ops.slice(x, { start, end }, axis);
    start = end;
    return taken;
  });
}

/** Blocks of channels become squares of positions: [n, b·b·c, h, w] → [n, c, h·b, w·b]. */
function depthToSpace(node: NodeReader): Tensor {
  const [samples, channels, height, width] = [node.shape(0)[0]!, node.fixed(1), node.fixed(2), node.fixed(3)];
  const block = node.int("blocksize", 1);
  const depth = channels / (block * block);
  const isColumns = node.text("mode", "DCR") === "DCR";
  const split: Shape = isColumns
    ? [samples, block, block, depth, height, width]
    : [samples, depth, block, block, height, width];
  const order = isColumns ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3];
  const moved = ops.transpose(ops.reshape(node.input(0), split), order);
  return ops.reshape(moved, [samples, depth, height * block, width * block]);
}

function spaceToDepth(node: NodeReader): Tensor {
  const [samples, channels, height, width] = [node.shape(0)[0]!, node.fixed(1), node.fixed(2), node.fixed(3)];
  const block = node.int("blocksize", 1);
  const split: Shape = [samples, channels, height / block, block, width / block, block];
  const moved = ops.transpose(ops.reshape(node.input(0), split), [0, 3, 5, 1, 2, 4]);
  return ops.reshape(moved, [samples, channels * block * block, height / block, width / block]);
}

export const shapes: Operators = {
  Concat: concat,
  DepthToSpace: depthToSpace,
  Dropout: (node) => {
    const x = node.input(0);
    const isTraining = node.has(2) && node.numbers(2)?.[0] !== 0;
    if (isTraining && (node.numbers(1)?.[0] ?? 0.5) !== 0) {
      node.refuse(
        "dropout that is off, as in inference",
        "training_mode = true",
        "export the model for inference",
      );
    }
    return node.gives(1) ? [x, ops.expand(constantOf([1], [], "bool"), x.shape)] : x;
  },
  Expand: expand,
  Flatten: flatten,
  Reshape: reshape,
  Shape: shapeOf,
  Size: (node) => {
    const count = productDim(node.shape(0), node.where);
    const known: Known = { dtype: "int64", shape: [], elements: [count] };
    return isBatchDim(count) ? ops.reshape(tensorOf({ ...known, shape: [1] }), []) : known;
  },
  SpaceToDepth: spaceToDepth,
  Split: split,
  Squeeze: squeeze,
  Tile: tile,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
};
