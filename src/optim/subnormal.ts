/**
 * Numbers too small to matter, kept out of the update rules. Subnormal float32 numbers (below 2⁻¹²⁶) take many processors a
 * hundred times as long: an Adam step on gradients of 1e-22 took 16 ms instead of 0.6, and a dead relu's momentum, halved
 * every few steps, becomes subnormal and stays so for good.
 */
import type { Tensor } from "../graph/tensor.ts";
import { abs, square } from "../ops/arithmetic.ts";
import { less, where } from "../ops/selection.ts";

/** 0 where |x| < limit, default 2⁻¹⁰⁰ (8e-31). NaN stays NaN. */
export function withoutTiny(x: Tensor, limit = 2 ** -100): Tensor {
  return where(less(abs(x), limit), 0, x);
}

/**
 * x², and 0 where |x| < 2⁻⁵⁶ (1.4e-17), so that not even a thousandth of the square is subnormal. Rules take roots of such
 * sums and add an epsilon that is a thousand million times as large as what is left out.
 */
export function squareWithoutTiny(x: Tensor): Tensor {
  return square(withoutTiny(x, 2 ** -56));
}
