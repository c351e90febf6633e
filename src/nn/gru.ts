/** Gated recurrent units. */
import type { Tensor } from "../graph/tensor.ts";
import { sigmoid, tanh } from "../ops/activation.ts";
import { add, mul, sub } from "../ops/arithmetic.ts";
import { gemm } from "../ops/matmul.ts";
import { cast } from "../ops/selection.ts";
import type { Layer } from "./layer.ts";
import { type Cell, gate, type RecurrentOptions, type RecurrentParameters, recurrent } from "./recurrent.ts";

/**
 * A GRU: x [batch, time, features] → its states at every step, [batch, time, hidden]. It starts from zeros
 * and is unrolled over the fixed time, as `lstm` is. Gates in PyTorch's order: reset, update, new; the reset
 * acts behind the product with the state (and its bias), as in PyTorch and cuDNN. Throws for x of another
 * form, and for sizes that are none.
 * Source: Cho et al. 2014; parameters and first values are those of PyTorch's GRU with batch_first.
 */
export function gru(hidden: number, options: RecurrentOptions = {}): Layer {
  return recurrent(cell, hidden, options);
}

const cell: Cell<Tensor> = {
  name: "gru",
  gates: 3,
  inputBias: ({ inputBias }) => inputBias,
  step: (products, before, parameters) => {
    const hidden = Number(parameters.hiddenWeight.shape[1]);
    const recalled = recall(products, before, parameters);
    const plus = (index: number, count: number) => {
      const part = gate(products, hidden, index, count);
      return recalled === undefined ? part : add(part, gate(recalled, hidden, index, count));
    };
    const gates = sigmoid(plus(0, 2)); // reset and update lie side by side: one pass for both
    const [reset, update] = [gate(gates, hidden, 0), gate(gates, hidden, 1)];
    const news = gate(products, hidden, 2);
    const fresh = tanh(recalled === undefined ? news : add(news, mul(reset, gate(recalled, hidden, 2))));
    // (1 − update) · fresh + update · before
    return before === undefined
      ? sub(fresh, mul(update, fresh))
      : add(fresh, mul(update, sub(before, fresh)));
  },
  output: (state) => state,
};

/** What the state before says to every gate: a product and the bias; only the bias before the first step. */
function recall(
  products: Tensor,
  before: Tensor | undefined,
  { hiddenWeight, hiddenBias }: RecurrentParameters,
): Tensor | undefined {
  const bias = hiddenBias && cast(hiddenBias, products.dtype);
  return before === undefined ? bias : gemm(before, hiddenWeight, { transposeB: true, summand: bias });
}
