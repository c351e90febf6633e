/** The weight and the bias that follow a normalisation. */
import { factorOf, formatShape, isBatchDim, sameShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { parameter, type Tensor } from "../graph/tensor.ts";
import { cast } from "../ops/selection.ts";
import { ones, zeros } from "./initializer.ts";

/** What normalised numbers are multiplied with, and what is added. */
export interface Affine {
  readonly scale?: Tensor;
  readonly bias?: Tensor;
}

/** Makes parameters of the sizes it is first asked for; they belong together. Sizes that grow are left to the op to refuse. */
export function affineOf(
  where: string,
  name: string,
  wanted: { readonly scale: boolean; readonly bias: boolean },
) {
  let own: Affine | undefined;
  let known: readonly number[] | undefined;
  return (x: Tensor, shape: Tensor["shape"]): Affine => {
    if (!x.dtype.startsWith("float") || shape.length === 0 || shape.some(isBatchDim)) return {};
    const sizes = shape.map(factorOf);
    known ??= sizes;
    if (!sameShape(known, sizes)) {
      fail(where, {
        expected: `the sizes ${formatShape(known)} that it saw first`,
        got: `${formatShape(sizes)} in ${formatShape(x.shape)}`,
        fix: `make another ${where.split("(")[0]} for it`,
      });
    }
    const owner = {};
    own ??= {
      ...(wanted.scale && { scale: parameter(sizes, ones, `${name}.weight`, owner) }),
      ...(wanted.bias && { bias: parameter(sizes, zeros, `${name}.bias`, owner) }),
    };
    return Object.fromEntries(Object.entries(own).map(([key, value]) => [key, cast(value, x.dtype)]));
  };
}

/** Throws unless epsilon is a number above 0. */
export function requireEpsilon(where: string, epsilon: number): void {
  if (Number.isFinite(epsilon) && epsilon > 0) return;
  fail(where, {
    expected: "an epsilon above 0",
    got: String(epsilon),
    fix: "leave it out, or for example 1e-5",
  });
}

/** Throws unless the value is a whole number from 1 on. */
export function requireCount(where: string, what: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return;
  fail(where, {
    expected: `${what} to be a whole number from 1 on`,
    got: String(value),
    fix: "for example 1",
  });
}
