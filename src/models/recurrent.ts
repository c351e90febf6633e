/** ONNX's RNN, GRU and LSTM, unrolled step by step: sequences have a fixed length. */
import { type Dim, formatShape } from "../array/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import * as ops from "../ops/index.ts";
import type { NodeReader, Operator, Operators } from "./operator.ts";

/** One direction of a layer, its first axis taken off. */
interface Direction {
  readonly weights: Tensor;
  readonly recurrent: Tensor;
  /** Biases of the input and of the state, [2 · gates · hidden]. */
  readonly bias: Tensor | undefined;
  readonly isReversed: boolean;
}

/** States go in, states come out: the output first. [samples, hidden] each. */
type Step = (x: Tensor, states: readonly Tensor[], direction: Direction) => readonly Tensor[];

const known: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  relu: ops.relu,
  sigmoid: ops.sigmoid,
  softsign: (x) => ops.div(x, ops.add(ops.abs(x), 1)),
  tanh: ops.tanh,
};

/** The activations of one direction, and so of both: exporters write the same for both, and others are refused. */
function activations(
  node: NodeReader,
  count: number,
  otherwise: readonly string[],
): ((x: Tensor) => Tensor)[] {
  const listed = node.node.attributes.get("activations");
  const all = Array.isArray(listed) && listed.length > 0 ? listed.map(String) : otherwise;
  const names = all.slice(0, count);
  if (all.some((name, index) => name !== names[index % count])) {
    node.refuse("the same activations in both directions", all.join(", "));
  }
  return names.map((name) => known[name.toLowerCase()] ?? node.refuse(Object.keys(known).join(", "), name));
}

const part = (x: Tensor, index: number, size: number, axis = -1) =>
  ops.slice(x, { start: index * size, end: (index + 1) * size }, axis);

/** x · Wᵀ + b, with the part of the bias that belongs to the input or to the state. */
function gates(x: Tensor, weight: Tensor, bias: Tensor | undefined, half: 0 | 1): Tensor {
  return ops.affine(x, weight, bias && part(bias, half, Number(weight.shape[0])));
}

function simpleStep(node: NodeReader): Step {
  const [activate] = activations(node, 1, ["Tanh"]);
  return (x, [h], { weights, recurrent, bias }) => [
    activate!(ops.add(gates(x, weights, bias, 0), gates(h!, recurrent, bias, 1))),
  ];
}

/** Gates in the order update, reset, new. */
function gruStep(node: NodeReader, hidden: number): Step {
  const [gate, activate] = activations(node, 2, ["Sigmoid", "Tanh"]);
  const isAfter = node.flag("linear_before_reset");
  return (x, [h], { weights, recurrent, bias }) => {
    const input = gates(x, weights, bias, 0);
    const state = gates(h!, recurrent, bias, 1);
    const update = gate!(ops.add(part(input, 0, hidden), part(state, 0, hidden)));
    const reset = gate!(ops.add(part(input, 1, hidden), part(state, 1, hidden)));
    const lastBias = bias && part(part(bias, 1, 3 * hidden), 2, hidden);
    const through = isAfter
      ? ops.mul(reset, part(state, 2, hidden))
      : ops.affine(ops.mul(reset, h!), part(recurrent, 2, hidden, 0), lastBias);
    const candidate = activate!(ops.add(part(input, 2, hidden), through));
    return [ops.add(ops.mul(ops.sub(1, update), candidate), ops.mul(update, h!))];
  };
}

/** Gates in the order input, output, forget, cell; peepholes look at the cell. */
function lstmStep(node: NodeReader, hidden: number): Step {
  const [gate, activate, out] = activations(node, 3, ["Sigmoid", "Tanh", "Tanh"]);
  const peepholes = node.optional(7);
  const peep = (direction: number, index: number, cell: Tensor, x: Tensor) =>
    peepholes === undefined
      ? x
      : ops.add(
          x,
          ops.mul(part(ops.reshape(part(peepholes, direction, 1, 0), [3 * hidden]), index, hidden), cell),
        );
  return (x, [h, c], { weights, recurrent, bias, isReversed }) => {
    const all = ops.add(gates(x, weights, bias, 0), gates(h!, recurrent, bias, 1));
    const at = isReversed && node.text("direction", "forward") === "bidirectional" ? 1 : 0;
    const input = gate!(peep(at, 0, c!, part(all, 0, hidden)));
    const forget = gate!(peep(at, 2, c!, part(all, 2, hidden)));
    const cell = ops.add(ops.mul(forget, c!), ops.mul(input, activate!(part(all, 3, hidden))));
    const output = gate!(peep(at, 1, cell, part(all, 1, hidden)));
    return [ops.mul(output, out!(cell)), cell];
  };
}

/** Sequences longer than this would make more nodes than a graph should have. */
const mostSteps = 4096;

function recurrent(stepOf: (node: NodeReader, hidden: number) => Step, states: number): Operator {
  return (node) => {
    if (node.node.attributes.has("clip")) node.refuse("no clip", "clip");
    if (node.flag("input_forget")) node.refuse("gates of their own", "input_forget = 1");
    const isBatchFirst = node.flag("layout");
    const x = isBatchFirst ? ops.transpose(node.input(0), [1, 0, 2]) : node.input(0);
    const steps = x.shape[0]!;
    if (typeof steps !== "number" || steps > mostSteps) {
      return node.refuse(
        `sequences of a fixed length up to ${mostSteps}`,
        formatShape(x.shape),
        "load the model with freeBatch: false",
      );
    }
    const directions = directionsOf(node);
    const hidden = Number(directions[0]!.recurrent.shape[1]);
    const lengths = node.has(4) ? node.input(4) : undefined;
    const step = stepOf(node, hidden);
    const runs = directions.map((direction, index) =>
      unrolled(
        x,
        steps,
        direction,
        firstStates(node, x.shape[1]!, hidden, states, index, isBatchFirst),
        lengths,
        step,
      ),
    );
    return collected(runs, steps, states, isBatchFirst);
  };
}

function directionsOf(node: NodeReader): readonly Direction[] {
  const direction = node.text("direction", "forward");
  const names = direction === "bidirectional" ? ["forward", "reverse"] : [direction];
  return names.map((name, index) => {
    const take = (input: number) => {
      const tensor = node.optional(input);
      return tensor && ops.reshape(part(tensor, index, 1, 0), tensor.shape.slice(1));
    };
    return {
      weights: take(1) ?? node.input(1),
      recurrent: take(2) ?? node.input(2),
      bias: take(3),
      isReversed: name === "reverse",
    };
  });
}

/** What is given, or zeros: [samples, hidden] each. The state is input 6, the cell input 7 of an LSTM. */
function firstStates(
  node: NodeReader,
  samples: Dim,
  hidden: number,
  count: number,
  direction: number,
  isBatchFirst: boolean,
): readonly Tensor[] {
  return Array.from({ length: count }, (_, state) => {
    const given = node.optional(5 + state);
    if (given === undefined) return ops.cast(ops.fill([samples, hidden], 0), node.input(0).dtype);
    const first = part(given, direction, 1, isBatchFirst ? 1 : 0);
    const flat = ops.reshape(first, isBatchFirst ? [given.shape[0]!, hidden] : [given.shape[1]!, hidden]);
    return flat.shape[0] === 1 && samples !== 1 ? ops.expand(flat, [samples, hidden]) : flat;
  });
}

interface Run {
  /** [samples, hidden] of every step, in the order of the sequence. */
  readonly outputs: readonly Tensor[];
  readonly last: readonly Tensor[];
}

/** Steps beyond a sequence's length give 0 and leave the state as it is. */
function unrolled(
  x: Tensor,
  steps: number,
  direction: Direction,
  first: readonly Tensor[],
  lengths: Tensor | undefined,
  step: Step,
): Run {
  const outputs: Tensor[] = [];
  let states = first;
  for (let index = 0; index < steps; index++) {
    const at = direction.isReversed ? steps - 1 - index : index;
    const now = ops.reshape(part(x, at, 1, 0), x.shape.slice(1));
    const next = step(now, states, direction);
    const isOver = lengths && ops.reshape(ops.lessOrEqual(lengths, at), [lengths.shape[0]!, 1]);
    outputs[at] = isOver === undefined ? next[0]! : ops.where(isOver, 0, next[0]!);
    states = isOver === undefined ? next : next.map((one, state) => ops.where(isOver, states[state]!, one));
  }
  return { outputs, last: states };
}

/** Y [steps, directions, samples, hidden], then the last states [directions, samples, hidden]; samples first where told. */
function collected(
  runs: readonly Run[],
  steps: number,
  states: number,
  isBatchFirst: boolean,
): readonly Tensor[] {
  const stack = (tensors: readonly Tensor[], lead: readonly Dim[]) =>
    ops.reshape(
      ops.concat(
        tensors.map((one) => ops.reshape(one, [1, ...one.shape])),
        0,
      ),
      [...lead, ...tensors[0]!.shape],
    );
  const inOrder = Array.from({ length: steps }, (_, at) => runs.map(({ outputs }) => outputs[at]!)).flat();
  const all = stack(inOrder, [steps, runs.length]);
  const last = Array.from({ length: states }, (_, state) =>
    stack(
      runs.map((run) => run.last[state]!),
      [runs.length],
    ),
  );
  if (!isBatchFirst) return [all, ...last];
  return [ops.transpose(all, [2, 0, 1, 3]), ...last.map((one) => ops.transpose(one, [1, 0, 2]))];
}

export const recurrents: Operators = {
  GRU: recurrent(gruStep, 1),
  LSTM: recurrent(lstmStep, 2),
  RNN: recurrent(simpleStep, 1),
};
