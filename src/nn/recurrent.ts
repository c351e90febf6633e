/** What recurrent layers share: sizes, parameters, and unrolling a cell over a fixed number of steps. */
import { formatShape, isBatchDim } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { parameter, type Tensor } from "../graph/tensor.ts";
import { affine } from "../ops/matmul.ts";
import { concat, reshape, slice } from "../ops/movement.ts";
import { dropout } from "./dropout.ts";
import { uniform } from "./initializer.ts";
import { featuresOf, type Layer } from "./layer.ts";

/** Options of `lstm` and `gru`. */
export interface RecurrentOptions {
  /** How many layers, each over the states of the one before. Default 1. */
  readonly layers?: number;
  /** The probability with which a state is dropped between two layers in training. Default 0, as PyTorch. */
  readonly dropout?: number;
  /** Whether biases are added. Default true. */
  readonly bias?: boolean;
  /**
   * What its parameters are called: "lstm" gives "lstm.inputWeight"; with two layers "lstm1.…" and "lstm2.…".
   */
  readonly name?: string;
}

/** A layer's parameters, in PyTorch's layout: the gates one below the other. */
export interface RecurrentParameters {
  /** [gates · hidden, features], PyTorch's weight_ih. */
  readonly inputWeight: Tensor;
  /** [gates · hidden, hidden], PyTorch's weight_hh. */
  readonly hiddenWeight: Tensor;
  /** [gates · hidden], PyTorch's bias_ih. */
  readonly inputBias: Tensor | undefined;
  /** [gates · hidden], PyTorch's bias_hh. */
  readonly hiddenBias: Tensor | undefined;
}

/** One kind of recurrent layer. */
export interface Cell<State> {
  readonly name: string;
  readonly gates: number;
  /** What is added to the products of all inputs, once for all steps. */
  inputBias(parameters: RecurrentParameters): Tensor | undefined;
  /**
   * One step: products [batch, gates · hidden] of the step's input, with their bias, and the state before it,
   * none before the first.
   */
  step(products: Tensor, before: State | undefined, parameters: RecurrentParameters): State;
  /** What the layer gives of a state: [batch, hidden]. */
  output(state: State): Tensor;
}

/** The layer of a cell: x [batch, time, features] → the states of the last layer, [batch, time, hidden]. */
export function recurrent<State>(cell: Cell<State>, hidden: number, options: RecurrentOptions): Layer {
  const { layers = 1, bias = true, name = cell.name } = options;
  const where = `${cell.name}(${hidden})`;
  checkSize(where, "the hidden size", hidden);
  checkSize(where, "the number of layers", layers);
  const between = dropout(options.dropout ?? 0);
  const own: RecurrentParameters[] = [];
  return (x) => {
    const time = checkInput(where, x, own[0]);
    let states = x;
    for (let layer = 0; layer < layers; layer++) {
      if (layer > 0) states = between(states);
      own[layer] ??= parametersOf(featuresOf(where, states), hidden, cell.gates, { bias, name });
      states = unroll(cell, states, time, own[layer]!);
    }
    return states;
  };
}

/** All products of inputs are one; only those of the states wait for each other. */
function unroll<State>(cell: Cell<State>, x: Tensor, time: number, parameters: RecurrentParameters): Tensor {
  const products = affine(x, parameters.inputWeight, cell.inputBias(parameters)); // [batch, time, gates · hidden]
  const [batch, , width] = products.shape;
  const outputs: Tensor[] = [];
  let state: State | undefined;
  for (let step = 0; step < time; step++) {
    const now = reshape(slice(products, { start: step, end: step + 1 }, 1), [batch!, width!]);
    state = cell.step(now, state, parameters);
    const output = cell.output(state); // [batch, hidden]
    outputs.push(reshape(output, [batch!, 1, output.shape[1]!]));
  }
  return concat(outputs, 1);
}

/** Gate `index` of [batch, gates · hidden], or `count` gates from it on. */
export function gate(products: Tensor, hidden: number, index: number, count = 1): Tensor {
  return slice(products, { start: index * hidden, end: (index + count) * hidden });
}

/** Source of the first values: PyTorch's RNNBase, uniform ±1/√hidden for all of them. */
function parametersOf(
  features: number,
  hidden: number,
  gates: number,
  { bias, name }: { readonly bias: boolean; readonly name: string },
): RecurrentParameters {
  const initial = uniform(1 / Math.sqrt(hidden));
  const owner = {};
  const make = (shape: readonly number[], what: string) =>
    parameter(shape, initial, `${name}.${what}`, owner);
  return {
    inputWeight: make([gates * hidden, features], "inputWeight"),
    hiddenWeight: make([gates * hidden, hidden], "hiddenWeight"),
    inputBias: bias ? make([gates * hidden], "inputBias") : undefined,
    hiddenBias: bias ? make([gates * hidden], "hiddenBias") : undefined,
  };
}

/**
 * How many steps x has. Throws unless it is [batch, time, features], with the features it had the first time.
 */
function checkInput(where: string, x: Tensor, known: RecurrentParameters | undefined): number {
  const features = featuresOf(where, x);
  const time = x.shape[1]!;
  if (x.shape.length !== 3 || isBatchDim(time)) {
    fail(where, {
      expected: "x [batch, time, features] with a fixed time",
      got: formatShape(x.shape),
      fix: "reshape(x, [...x.shape, 1]) for one number per step, embedding(…) for tokens",
    });
  }
  if (known !== undefined && known.inputWeight.shape[1] !== features) {
    fail(where, {
      expected: `the last axis to be ${known.inputWeight.shape[1]}`,
      got: formatShape(x.shape),
      fix: `make another ${where} for it; this one took its size from the tensor it saw first`,
    });
  }
  return time;
}

function checkSize(where: string, what: string, size: number): void {
  if (Number.isSafeInteger(size) && size >= 1) return;
  fail(where, {
    expected: `${what} to be a whole number from 1 on`,
    got: String(size),
    fix: "for example 64",
  });
}
