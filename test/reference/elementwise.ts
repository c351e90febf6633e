/** Reference of the ops that work element by element: arithmetic, selection, activation. */
import type { DType } from "../../src/array/dtype.ts";
import { type Rule, type Rules, rule } from "./rule.ts";
import { broadcast, build, read, type Value } from "./value.ts";

function elementwise(compute: (...values: number[]) => number): Rule {
  return (inputs) =>
    build(broadcast(inputs.map(({ shape }) => shape)), (position) =>
      compute(...inputs.map((value) => read(value, position))),
    );
}

const bit = (condition: boolean) => (condition ? 1 : 0);

/** src/ops/arithmetic.ts */
export const arithmetic: Rules = {
  add: elementwise((a, b) => a + b),
  sub: elementwise((a, b) => a - b),
  mul: elementwise((a, b) => a * b),
  div: elementwise((a, b) => a / b),
  pow: elementwise((a, b) => a ** b),
  minimum: elementwise(Math.min),
  maximum: elementwise(Math.max),
  neg: elementwise((x) => -x),
  abs: elementwise(Math.abs),
  sign: elementwise(Math.sign),
  sqrt: elementwise(Math.sqrt),
  exp: elementwise(Math.exp),
  log: elementwise(Math.log),
};

/** src/ops/selection.ts */
export const selection: Rules = {
  less: elementwise((a, b) => bit(a < b)),
  lessOrEqual: elementwise((a, b) => bit(a <= b)),
  greater: elementwise((a, b) => bit(a > b)),
  greaterOrEqual: elementwise((a, b) => bit(a >= b)),
  equal: elementwise((a, b) => bit(a === b)),
  isNan: elementwise((x) => bit(Number.isNaN(x))),
  not: elementwise((x) => bit(x === 0)),
  where: elementwise((condition, a, b) => (condition === 0 ? b : a)),
  cast: rule<{ dtype: DType }>(([x], { dtype }) =>
    build(x!.shape, (position) => casted(read(x!, position), dtype)),
  ),
};

/** Floats are not rounded to float32: the reference is what float32 is compared with. */
function casted(value: number, dtype: DType): number {
  if (dtype === "bool") return bit(value !== 0);
  return dtype === "float32" || dtype === "float64" ? value : Math.trunc(value);
}

/** src/ops/activation.ts */
export const activation: Rules = {
  relu: elementwise((x) => Math.max(x, 0)),
  aboveZero: elementwise((x) => bit(x > 0)),
  leakyRelu: rule<{ slope: number }>(([x], { slope }) =>
    elementwise((value) => (value > 0 ? value : slope * value))([x!], {}, 0),
  ),
  gelu: elementwise((x) => x * 0.5 * (1 + erf(x / Math.SQRT2))),
  // The op's second input is the sigmoid, which its gradient reads; what the op means depends on the first alone.
  silu: ([x]) => elementwise((value) => value * logistic(value))([x!], {}, 0),
  tanh: elementwise(Math.tanh),
  sigmoid: elementwise(logistic),
  softplus: elementwise((x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
  erf: elementwise(erf),
  softmax: rule<{ axis: number }>(([x], { axis }) => softmax(x!, axis)),
  logSoftmax: rule<{ axis: number }>(([x], { axis }) => logSoftmax(x!, axis)),
};

function logistic(x: number): number {
  return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
}

/**
 * 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (2n+1)!!, all terms of one sign, so nothing cancels; beyond 6 it is ±1 in float64.
 * Source: Abramowitz & Stegun 7.1.6.
 */
export function erf(x: number): number {
  if (!(Math.abs(x) < 6)) return Number.isNaN(x) ? Number.NaN : Math.sign(x);
  let term = x;
  let total = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(total); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    total += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
}

function softmax(x: Value, axis: number): Value {
  const logarithms = logSoftmax(x, axis);
  return build(x.shape, (position) => Math.exp(read(logarithms, position)));
}

/** log(eˣ / Σ eˣ) = x − maximum − log Σ e^(x − maximum), over one axis. */
export function logSoftmax(x: Value, axis: number): Value {
  const size = x.shape[axis]!;
  return build(x.shape, (position) => {
    const line = Array.from({ length: size }, (_, index) => read(x, position.with(axis, index)));
    const maximum = Math.max(...line);
    const total = line.reduce((sum, value) => sum + Math.exp(value - maximum), 0);
    return read(x, position) - maximum - Math.log(total);
  });
}
