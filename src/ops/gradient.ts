/** Reverse-mode differentiation: one walk from the outputs back, asking each op for its rule. */
import { formatShape, sameShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import { sorted } from "../graph/walk.ts";
import { sumRows } from "./matmul.ts";
import { fill, reshape, zerosLike } from "./movement.ts";
import { sum } from "./reduction.ts";
import { floats, requireDType } from "./require.ts";
import { cast } from "./selection.ts";
import { total } from "./total.ts";

/**
 * The gradient of Σ seed · of with respect to each target, in the target's shape. It is itself a tensor, so gradients of
 * gradients work where every rule on the way is made of ops with rules.
 *
 * of: any shape. seed: the shape of `of` (default: ones). A target that `of` does not depend on gets zeros.
 * Only what lies between `of` and the targets is visited. Throws when `of` is no float, or the seed's shape differs.
 */
export function gradient(
  of: Tensor,
  targets: readonly Tensor[],
  seed: Tensor = cast(fill(of.shape, 1), of.dtype),
): Tensor[] {
  requireDType("gradient", of, floats);
  requireDType("gradient", seed, floats);
  if (!sameShape(seed.shape, of.shape)) {
    fail("gradient", {
      expected: `a seed of shape ${formatShape(of.shape)}`,
      got: formatShape(seed.shape),
      fix: "expand or reshape the seed",
    });
  }
  const order = sorted([of]);
  const wanted = reaching(order, targets);
  const arrived = new Map<Tensor, Tensor[]>();
  if (wanted.has(of)) arrived.set(of, [seed]);
  for (const tensor of order.toReversed()) {
    const parts = arrived.get(tensor);
    if (parts === undefined || tensor.leaf !== undefined || tensor.op.gradient === undefined) continue;
    const dy = total(parts);
    arrived.set(tensor, [dy]);
    const rules = tensor.op.gradient({
      inputs: tensor.inputs,
      output: tensor,
      attributes: tensor.attributes,
      dy,
      needs: (index) => wanted.has(tensor.inputs[index]!),
    });
    tensor.inputs.forEach((input, index) => {
      const part = rules[index];
      if (part === undefined || !wanted.has(input)) return;
      const reduced = sumTo(part, input);
      const before = arrived.get(input);
      if (before === undefined) arrived.set(input, [reduced]);
      else before.push(reduced);
    });
  }
  return targets.map((target) => {
    const parts = arrived.get(target);
    return parts === undefined ? zerosLike(target) : total(parts);
  });
}

/** The tensors through which a gradient can reach a target. */
function reaching(order: readonly Tensor[], targets: readonly Tensor[]): Set<Tensor> {
  const wanted = new Set<Tensor>(targets);
  for (const tensor of order) {
    if (tensor.op.gradient !== undefined && tensor.inputs.some((input) => wanted.has(input)))
      wanted.add(tensor);
  }
  return wanted;
}

/** Sums the axes along which `input` was stretched. */
function sumTo(part: Tensor, input: Tensor): Tensor {
  if (sameShape(part.shape, input.shape)) return part;
  const extra = part.shape.length - input.shape.length;
  if (extra === 1 && part.shape.length === 2 && sameShape(part.shape.slice(1), input.shape))
    return sumRows(part);
  const axes = part.shape.flatMap((dim, axis) =>
    axis < extra || input.shape[axis - extra] !== dim ? [axis] : [],
  );
  return reshape(sum(part, { axes }), input.shape);
}
