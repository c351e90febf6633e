/** Long short-term memory. */
import type { Tensor } from "../graph/tensor.ts";
import { sigmoid, tanh } from "../ops/activation.ts";
import { add, mul } from "../ops/arithmetic.ts";
import { gemm } from "../ops/matmul.ts";
import type { Layer } from "./layer.ts";
import { type Cell, gate, type RecurrentOptions, recurrent } from "./recurrent.ts";

/**
 * An LSTM: x [batch, time, features] → its states at every step, [batch, time, hidden]. The last step alone:
 *
 *   const body = sequence(lstm(64), (states) => flatten(slice(states, { start: -1 }, 1)), linear(1));
 *
 * It starts from zeros and is unrolled over the fixed time, so a program grows with it: some 40 nodes per
 * step and layer.
 * Gates in PyTorch's order: input, forget, cell, output. Throws for x of another form, and for sizes that are
 * none.
 * Source: Hochreiter & Schmidhuber 1997; parameters and first values are those of PyTorch's LSTM with
 * batch_first.
 */
export function lstm(hidden: number, options: RecurrentOptions = {}): Layer {
  return recurrent(cell, hidden, options);
}

interface State {
  readonly memory: Tensor;
  readonly output: Tensor;
}

const cell: Cell<State> = {
  name: "lstm",
  gates: 4,
  inputBias: ({ inputBias, hiddenBias }) => inputBias && hiddenBias && add(inputBias, hiddenBias),
  step: (products, before, { hiddenWeight }) => {
    const summand = { transposeB: true, summand: products };
    const gates = before === undefined ? products : gemm(before.output, hiddenWeight, summand);
    const hidden = Number(hiddenWeight.shape[1]);
    const entering = sigmoid(gate(gates, hidden, 0, 2)); // input and forget lie side by side: one pass for both
    const written = mul(gate(entering, hidden, 0), tanh(gate(gates, hidden, 2)));
    const memory =
      before === undefined ? written : add(mul(gate(entering, hidden, 1), before.memory), written);
    return { memory, output: mul(sigmoid(gate(gates, hidden, 3)), tanh(memory)) };
  },
  output: ({ output }) => output,
};
