/** The parameters of a traced model: their names, shapes and first values. */
import { bug } from "../errors.ts";
import type { Initializer, ParameterLeaf, Tensor } from "../graph/tensor.ts";

/** A tensor that the model holds: its unique name, shape and first values. */
export interface TracedParameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly initializer: Initializer;
  /** False for running statistics and what the plan freezes: no optimizer changes them. */
  readonly isTrained: boolean;
}

/** What a run needs to know of each parameter, in the order of their names; `trained`: those that an optimizer changes. */
export function tracedParameters(
  parameterNames: ReadonlyMap<Tensor, string>,
  trained: ReadonlyMap<Tensor, string>,
): TracedParameter[] {
  return [...parameterNames].map(([tensor, name]) => ({
    name,
    shape: tensor.shape as readonly number[], // parameter() takes only numbers
    initializer: parameterLeaf(tensor).initializer,
    isTrained: trained.has(tensor),
  }));
}

/** Those names that an optimizer may change: all but running statistics. */
export function trainableNames(parameterNames: ReadonlyMap<Tensor, string>): Map<Tensor, string> {
  return new Map([...parameterNames].filter(([tensor]) => !parameterLeaf(tensor).isStatistic));
}

/**
 * Unique names: "linear1.weight" and "linear1.bias" where several layers are called linear, "linear.weight" where one is.
 * Numbers follow the walk from the inputs to the loss, so they depend on the model alone. None is one of `taken`.
 */
export function nameParameters(leaves: readonly Tensor[], taken: Iterable<string>): Map<Tensor, string> {
  const owners = new Map<string, unknown[]>();
  for (const leaf of leaves) {
    const { prefix, owner } = identity(leaf);
    const list = owners.get(prefix) ?? [];
    if (!list.includes(owner)) list.push(owner);
    owners.set(prefix, list);
  }
  const used = new Set(taken);
  const result = new Map<Tensor, string>();
  for (const leaf of leaves) {
    const { prefix, suffix, owner } = identity(leaf);
    const list = owners.get(prefix)!;
    const stem = `${prefix}${list.length > 1 ? list.indexOf(owner) + 1 : ""}${suffix}`;
    let name = stem;
    for (let count = 2; used.has(name); count++) name = `${stem}_${count}`;
    used.add(name);
    result.set(leaf, name);
  }
  return result;
}

/** The layer's part of a label, the rest of it with its dot, and whose parameter it is. */
function identity(tensor: Tensor): { prefix: string; suffix: string; owner: unknown } {
  const { label, owner = tensor } = parameterLeaf(tensor);
  const dot = label.lastIndexOf(".");
  const end = dot < 0 ? label.length : dot;
  return { prefix: label.slice(0, end), suffix: label.slice(end), owner };
}

function parameterLeaf({ leaf, op }: Tensor): ParameterLeaf {
  return leaf?.kind === "parameter" ? leaf : bug(`${op.name} taken for a parameter`);
}
