/** Penalties: added to the loss once per step, on the parameters alone, so they do not depend on how a batch is cut. */
import { fail } from "../errors.ts";
import { constant, type Tensor } from "../graph/tensor.ts";
import { abs, add, mul, square } from "../ops/arithmetic.ts";
import { sum } from "../ops/reduction.ts";

/** A parameter under its name in the traced model. */
export interface NamedParameter {
  /** "linear1.weight". */
  readonly name: string;
  /** Its shape is fixed. */
  readonly tensor: Tensor;
}

/** CONTRACT of a penalty. Plain data and a pure function of tensors. */
export interface Penalty {
  readonly name: string;
  /** Settings as they are recorded in the resolved plan. */
  readonly options: Readonly<Record<string, number | string>>;
  /** A scalar to add to the mean loss, over all parameters of the model. */
  value(parameters: readonly NamedParameter[]): Tensor;
}

/** Which parameters are penalised. */
export interface PenaltyOptions {
  /** By name and shape. Default: all of them. */
  readonly where?: (name: string, shape: readonly number[]) => boolean;
}

/** amount · Σ|p|: pulls many parameters to exactly 0. Throws unless amount is a number from 0 on. */
export function l1(amount: number, options: PenaltyOptions = {}): Penalty {
  return penalty("l1", amount, options, abs);
}

/**
 * amount · Σp²: keeps parameters small. Its gradient is 2 · amount · p, so PyTorch's coupled weight_decay λ is l2(λ / 2).
 * Throws unless amount is a number from 0 on.
 */
export function l2(amount: number, options: PenaltyOptions = {}): Penalty {
  return penalty("l2", amount, options, square);
}

function penalty(
  name: string,
  amount: number,
  options: PenaltyOptions,
  measure: (parameter: Tensor) => Tensor,
): Penalty {
  if (!(Number.isFinite(amount) && amount >= 0)) {
    fail(name, { expected: "an amount from 0 on", got: String(amount), fix: "for example 1e-4" });
  }
  const { where = () => true } = options;
  return Object.freeze({
    name,
    options: Object.freeze({ amount, where: options.where === undefined ? "all" : "custom" }),
    value: (parameters: readonly NamedParameter[]) => {
      const [first, ...rest] = parameters
        // A parameter's shape has no batch dimension.
        .filter(({ name, tensor }) => where(name, tensor.shape as readonly number[]))
        .map(({ tensor }) => sum(measure(tensor)));
      return first === undefined ? constant(0) : mul(rest.reduce(add, first), amount);
    },
  });
}
