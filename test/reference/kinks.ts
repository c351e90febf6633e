/** How far the inputs of an op are from a point where its derivative jumps, so that test cases can avoid it. */
import type { Tensor } from "../../src/graph/tensor.ts";
import { sorted } from "../../src/graph/walk.ts";
import type { Windows } from "../../src/ops/pooling-windows.ts";
import { evaluate, type Feed, reference } from "./evaluate.ts";
import { gapInWindows } from "./pooling.ts";
import type { Rules } from "./rule.ts";
import { broadcast, forEach, read, type Value } from "./value.ts";

type Distance = (inputs: readonly Value[], tensor: Tensor) => number;

const fromZero: Distance = ([x]) => Math.min(...x!.data.map(Math.abs));

const fromEachOther: Distance = ([a, b], { inputs }) => {
  if (!inputs[0]!.dtype.startsWith("float")) return Number.POSITIVE_INFINITY; // whole numbers do not move
  let distance = Number.POSITIVE_INFINITY;
  forEach(broadcast([a!.shape, b!.shape]), (position) => {
    distance = Math.min(distance, Math.abs(read(a!, position) - read(b!, position)));
  });
  return distance;
};

/** The gap between the extreme element and the next, over every reduced group. */
const fromTheNext: Distance = ([x], { attributes, op }) => {
  const { axes } = attributes as { axes: readonly number[] }; // max and min are the only ops that come here
  const groups = new Map<string, number[]>();
  forEach(x!.shape, (position, index) => {
    const group = position.filter((_, axis) => !axes.includes(axis)).join();
    groups.set(group, [...(groups.get(group) ?? []), x!.data[index]! * (op.name === "max" ? -1 : 1)]);
  });
  const gaps = [...groups.values()].map((group) => group.sort((a, b) => a - b)).map(([a, b]) => b! - a!);
  return Math.min(...gaps.filter((gap) => !Number.isNaN(gap)), Number.POSITIVE_INFINITY);
};

/** The attributes of the ops that come here are their windows. */
const fromTheNextInWindow: Distance = ([x], { attributes }) => gapInWindows(x!, attributes as Windows);

/** Ops whose derivative jumps somewhere. An op that is smooth needs no entry. */
const distances: Readonly<Record<string, Distance>> = {
  abs: fromZero,
  sign: fromZero,
  relu: fromZero,
  aboveZero: fromZero,
  leakyRelu: fromZero,
  minimum: fromEachOther,
  maximum: fromEachOther,
  less: fromEachOther,
  lessOrEqual: fromEachOther,
  greater: fromEachOther,
  greaterOrEqual: fromEachOther,
  max: fromTheNext,
  min: fromTheNext,
  maxPooling: fromTheNextInWindow,
  pickLargest: fromTheNextInWindow,
  scatterToLargest: fromTheNextInWindow,
};

/** The smallest distance of any node that `output` is made of from a point where its derivative jumps. */
export function distanceFromKinks(
  output: Tensor,
  feeds: ReadonlyMap<Tensor, Feed>,
  rules: Rules = reference,
): number {
  const nodes = sorted([output]).filter(({ op }) => Object.hasOwn(distances, op.name));
  return Math.min(
    Number.POSITIVE_INFINITY,
    ...nodes.map((node) => distances[node.op.name]!(evaluate(node.inputs, feeds, rules), node)),
  );
}
