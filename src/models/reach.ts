/** Whether gradients can reach what is to be trained. */

import { isFloat } from "../array/dtype.ts";
import { fail } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import { sorted } from "../graph/walk.ts";
import type { OnnxWeight } from "./weights.ts";

/**
 * Throws where a weight to be trained lies behind ops without gradients on every way to every output. An op without a gradient
 * is fine where nothing trained lies upstream of it.
 */
export function requireGradients(
  source: string,
  outputs: readonly Tensor[],
  weights: readonly OnnxWeight[],
): void {
  const trained = weights.filter(({ isTrainable }) => isTrainable);
  if (trained.length === 0) return;
  const reached = reachedBy(outputs);
  const left = trained.find(({ tensor }) => !reached.has(tensor));
  if (left === undefined) return;
  const blocking = sorted(outputs).find(
    ({ op, inputs, leaf }) =>
      leaf === undefined && op.gradient === undefined && sorted(inputs).includes(left.tensor),
  );
  fail(`${source}, trainable "${left.name}"`, {
    expected: "weights that a gradient reaches from an output",
    got:
      blocking === undefined
        ? "one that no output depends on"
        : `one behind ${blocking.op.name}, which has none`,
    fix: "leave it out of trainable",
  });
}

/** Every tensor that a gradient from the outputs comes by. */
function reachedBy(outputs: readonly Tensor[]): ReadonlySet<Tensor> {
  const reached = new Set<Tensor>(outputs.filter(({ dtype }) => isFloat(dtype)));
  for (const tensor of sorted(outputs).toReversed()) {
    if (!reached.has(tensor) || tensor.op.gradient === undefined) continue;
    for (const one of tensor.inputs) if (isFloat(one.dtype)) reached.add(one);
  }
  return reached;
}
