/** Expressions with some of their tensors replaced. */
import type { Tensor } from "./tensor.ts";
import { sorted } from "./walk.ts";

/** What stands for a tensor whose inputs have become `inputs`; undefined for the same op on them. */
export type Replace = (tensor: Tensor, inputs: readonly Tensor[]) => Tensor | undefined;

/**
 * What each tensor that `outputs` depend on becomes, when some are replaced and what depends on them is made anew. A tensor that
 * nothing above it changed stays itself. What replaces a tensor must have its shape and dtype: shapes are not inferred again.
 */
export function substitute(outputs: readonly Tensor[], replace: Replace): ReadonlyMap<Tensor, Tensor> {
  const result = new Map<Tensor, Tensor>();
  for (const tensor of sorted(outputs)) {
    const inputs = tensor.inputs.map((input) => result.get(input)!); // inputs come first
    const isChanged = inputs.some((input, index) => input !== tensor.inputs[index]);
    const same = () => (isChanged ? Object.freeze({ ...tensor, inputs: Object.freeze(inputs) }) : tensor);
    result.set(tensor, replace(tensor, inputs) ?? same());
  }
  return result;
}
