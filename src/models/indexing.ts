/** ONNX operators that choose elements by position: slices, indices, paddings. */
import { type Dim, formatShape, isBatchDim } from "../array/shape.ts";
import { constant, type Tensor } from "../graph/tensor.ts";
import * as ops from "../ops/index.ts";
import { constantOf, int64List } from "./arrays.ts";
import { chosenElements } from "./fold.ts";
import { arrayOf, type Known } from "./known.ts";
import type { NodeReader, Operators } from "./operator.ts";

/** Indices from 0 on, where they are known; what is fed may count from the end, as ONNX Runtime's kernels take it. */
function indicesOf(node: NodeReader, index: number, size: Dim): Tensor {
  const known = node.known(index);
  if (known === undefined || isBatchDim(size)) return node.input(index);
  const elements = known.elements.map((one) => (typeof one === "number" && one < 0 ? one + size : one));
  const array = arrayOf({ ...known, elements });
  return array === undefined ? node.input(index) : constant(array);
}

/** Elements of one axis at fixed positions: slices with a step, reflections, and all else that only moves elements. */
export function selected(x: Tensor, positions: readonly number[], axis: number): Tensor {
  const [first, last] = [positions[0]!, positions.at(-1)!];
  if (positions.length > 0 && positions.every((position, index) => position === first + index)) {
    return ops.slice(x, { start: first, end: last + 1 }, axis);
  }
  return ops.gather(x, constant(int64List(positions)), axis);
}

/** Starts, ends, axes and steps: attributes before set 10, inputs after. */
function slice(node: NodeReader): Tensor | Known {
  const starts = node.list("starts", 1) ?? [];
  const ends = node.list("ends", 2) ?? [];
  const axes = node.axes(node.list("axes", 3) ?? [...starts.keys()]);
  const steps = node.numbers(4) ?? starts.map(() => 1);
  const known = node.known(0);
  const cuts = axes.map((axis, index) => ({
    axis,
    start: starts[index]!,
    end: ends[index]!,
    step: steps[index]!,
  }));
  if (known !== undefined) return cuts.reduce((one, cut) => knownPart(node, one, cut), known);
  return cuts.reduce((one, cut) => part(node, one, cut), node.input(0));
}

/** What a slice takes along one axis. */
interface Cut {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

function knownPart(node: NodeReader, known: Known, cut: Cut): Known {
  return chosenElements(known, cut.axis, positionsOf(node, known.shape[cut.axis]!, cut));
}

function part(node: NodeReader, x: Tensor, cut: Cut): Tensor {
  const { axis, start, end, step } = cut;
  const size = x.shape[axis]!;
  // A slice of everything may be taken along the batch too.
  if (start === 0 && step === 1 && (end >= 2 ** 31 - 1 || end === size)) return x;
  const positions = positionsOf(node, node.bounded(fixedSize(node, size), "an axis"), cut);
  if (positions.length === 0) node.refuse("a slice that holds elements", `${start} … ${end} of ${size}`);
  return selected(x, positions, axis);
}

function fixedSize(node: NodeReader, size: Dim): number {
  return isBatchDim(size)
    ? node.refuse("an axis of fixed size", String(size), "load the model with freeBatch: false")
    : size;
}

/** Which elements start … end by step names; both ends count from the end where negative, and are clamped. */
function positionsOf(node: NodeReader, size: number, { start, end, step }: Cut): number[] {
  if (!Number.isInteger(step) || step === 0) node.refuse("a step that is no 0", String(step));
  const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
  const clamp = (edge: number) => Math.min(Math.max(edge < 0 ? edge + size : edge, low), high);
  const [from, to] = [clamp(start), clamp(end)];
  const positions: number[] = [];
  for (let at = from; step > 0 ? at < to : at > to; at += step) positions.push(at);
  return positions;
}

function gather(node: NodeReader): Tensor {
  const axis = node.axis(node.int("axis", 0));
  return ops.gather(node.input(0), indicesOf(node, 1, node.shape(0)[axis]!), axis);
}

function gatherElements(node: NodeReader): Tensor {
  const axis = node.axis(node.int("axis", 0));
  return ops.gatherElements(node.input(0), indicesOf(node, 1, node.shape(0)[axis]!), axis);
}

/** Scatter's name up to set 10 was this alone. */
function scatterElements(node: NodeReader): Tensor {
  const axis = node.axis(node.int("axis", 0));
  const reduction = reductionOf(node);
  const indices = indicesOf(node, 1, node.shape(0)[axis]!);
  return ops.scatterElements(node.input(0), indices, node.input(2), { axis, reduction });
}

function reductionOf(node: NodeReader): ops.ScatterReduction {
  const reduction = node.text("reduction", "none");
  return reduction === "none" || reduction === "add"
    ? reduction
    : node.refuse('the reduction "none" or "add"', JSON.stringify(reduction));
}

/** Leading axes that both share become coordinates of their own, so that one gather serves them all. */
function gatherPositions(node: NodeReader): Tensor {
  const shared = node.int("batch_dims", 0);
  let indices = node.input(1);
  if (shared > 0) {
    const leading = Array.from({ length: shared }, (_, axis) => node.fixed(axis));
    const rest = indices.shape.slice(0, -1);
    const columns = leading.map((size, axis) => {
      const shape = rest.map((_, at) => (at === axis ? size : 1));
      const column = constantOf([...Array(node.bounded(size, "an axis")).keys()], [...shape, 1], "int64");
      return ops.expand(column, [...rest, 1]);
    });
    indices = ops.concat([...columns, indices]);
  }
  return ops.gatherPositions(node.input(0), indices);
}

/** Amounts are an attribute before set 11; the axes they are for can be named from 18 on. */
function pad(node: NodeReader): Tensor {
  let x = node.input(0);
  const amounts = node.list("pads", 1) ?? [];
  const axes = node.axes(node.numbers(3) ?? [...x.shape.keys()]);
  if (amounts.length !== 2 * axes.length) node.refuse(`${2 * axes.length} amounts`, formatShape(amounts));
  const mode = node.text("mode", "constant");
  const value = node.has(2) ? node.numbers(2)![0]! : node.float("value", 0);
  axes.forEach((axis, index) => {
    const [before, after] = [amounts[index]!, amounts[index + axes.length]!];
    if (before === 0 && after === 0) return;
    const size = node.bounded(fixedSize(node, x.shape[axis]!), "an axis");
    node.bounded(Math.abs(before) + size + Math.abs(after), "a padded axis");
    if (mode === "constant" && before >= 0 && after >= 0) {
      x = ops.pad(x, { before, after, value }, axis);
    } else if (mode === "constant") {
      const [start, end] = [Math.max(-before, 0), size - Math.max(-after, 0)];
      const cut = ops.slice(x, { start, end }, axis);
      x = ops.pad(cut, { before: Math.max(before, 0), after: Math.max(after, 0), value }, axis);
    } else {
      x = selected(x, paddedPositions(node, mode, size, before, after), axis);
    }
  });
  return x;
}

/** Where the elements of a padded axis come from. */
function paddedPositions(
  node: NodeReader,
  mode: string,
  size: number,
  before: number,
  after: number,
): number[] {
  const source: Readonly<Record<string, (at: number) => number>> = {
    edge: (at) => Math.min(Math.max(at, 0), size - 1),
    reflect: (at) => (size === 1 ? 0 : size - 1 - Math.abs(size - 1 - (Math.abs(at) % (2 * size - 2)))),
    wrap: (at) => ((at % size) + size) % size,
  };
  const from = Object.hasOwn(source, mode)
    ? source[mode]!
    : node.refuse("constant, edge, reflect or wrap", mode);
  return Array.from({ length: before + size + after }, (_, index) => from(index - before));
}

/** A triangle of the last two axes, the other filled with zeros. */
function triangle(node: NodeReader): Tensor {
  const x = node.input(0);
  const rank = x.shape.length;
  const [rows, columns] = [node.fixed(rank - 2), node.fixed(rank - 1)];
  node.bounded(rows * columns, "a triangle", 2 ** 22);
  const shift = node.numbers(1)?.[0] ?? 0;
  const isUpper = node.flag("upper", true);
  const mask = Array.from({ length: rows * columns }, (_, index) => {
    const distance = (index % columns) - Math.floor(index / columns);
    return Number(isUpper ? distance >= shift : distance <= shift);
  });
  return ops.where(constantOf(mask, [rows, columns], "bool"), x, 0);
}

/** Columns of "on" and "off" values. Indices count from the end where negative. */
function oneHot(node: NodeReader): Tensor {
  const indices = ops.cast(node.input(0), "int64");
  const depth = node.bounded(node.numbers(1)?.[0] ?? 0, "a depth");
  const values = node.input(2);
  const rank = indices.shape.length + 1;
  const axis = node.axis(node.int("axis", -1), rank);
  const wrapped = ops.where(ops.less(indices, 0), ops.add(indices, depth), indices);
  const hot = ops.cast(ops.oneHot(wrapped, depth), "bool"); // [..., depth]
  const order = [...Array(rank - 1).keys()].toSpliced(axis, 0, rank - 1);
  const part = (at: number) => ops.reshape(ops.slice(values, { start: at, end: at + 1 }, 0), []);
  return ops.where(ops.transpose(hot, order), part(1), part(0));
}

/** Which elements stay has to be known: the result's size depends on it. */
function compress(node: NodeReader): Tensor {
  const keeps = node.numbers(1) ?? [];
  const listed = node.node.attributes.has("axis") ? node.axis(node.int("axis", 0)) : undefined;
  const x = listed === undefined ? ops.reshape(node.input(0), [-1]) : node.input(0);
  const positions = keeps.flatMap((keep, index) => (keep === 0 ? [] : [index]));
  if (positions.length === 0) node.refuse("a condition that keeps something", "none");
  return selected(x, positions, listed ?? 0);
}

/** Each sequence's first elements turned around, by a length per sequence that has to be known. */
function reverseSequence(node: NodeReader): Tensor {
  const lengths = node.numbers(1) ?? [];
  const time = node.int("time_axis", 0);
  const shape = node.shape(0).map((_, axis) => node.fixed(axis));
  const size = node.bounded(
    shape.reduce((product, dim) => product * dim, 1),
    "a tensor",
  );
  const steps = shape[time]!;
  const inner = shape.slice(2).reduce((product, dim) => product * dim, 1);
  const positions = Array.from({ length: size }, (_, index) => {
    const place = Math.floor(index / inner);
    const [row, column] = [Math.floor(place / shape[1]!), place % shape[1]!];
    const [at, sample] = time === 0 ? [row, column] : [column, row];
    const length = Math.min(lengths[sample] ?? steps, steps);
    return at < length ? length - 1 - at : at;
  });
  return ops.gatherElements(node.input(0), constantOf(positions, shape, "int64"), time);
}

export const indexing: Operators = {
  Compress: compress,
  CumSum: (node) => {
    const axis = node.axis(node.numbers(1)?.[0] ?? 0);
    return ops.cumulativeSum(node.input(0), {
      axis,
      reverse: node.flag("reverse"),
      exclusive: node.flag("exclusive"),
    });
  },
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherPositions,
  OneHot: oneHot,
  Pad: pad,
  ReverseSequence: reverseSequence,
  Scatter: scatterElements,
  ScatterElements: scatterElements,
  ScatterND: (node) => ops.scatterPositions(node.input(0), node.input(1), node.input(2), reductionOf(node)),
  Slice: slice,
  Trilu: triangle,
};
