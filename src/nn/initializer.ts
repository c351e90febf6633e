/**
 * First values of parameters. Each is a pure function of the draws it is given, which depend on the seed, the parameter's
 * name and the position alone. Fans are read off the shape [out, in, ...kernel].
 */
import { elementCount, formatShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { Initializer } from "../graph/tensor.ts";

/** Every element is `value`. Throws unless it is finite. */
export function constantOf(value: number): Initializer {
  if (!Number.isFinite(value)) {
    fail("constantOf", { expected: "a finite number", got: String(value), fix: "for example 0" });
  }
  return Object.freeze({
    name: `constantOf(${value})`,
    fill: (values: Float32Array) => void values.fill(value),
  });
}

/** Every element is 0. For biases; weights that are all alike would stay alike. */
export const zeros: Initializer = Object.freeze({ ...constantOf(0), name: "zeros" });

/** Every element is 1. For scales. */
export const ones: Initializer = Object.freeze({ ...constantOf(1), name: "ones" });

/** Uniform in [−limit, limit). Throws unless limit is a number from 0 on. */
export function uniform(limit: number): Initializer {
  checkSpread("uniform", "limit", limit);
  return Object.freeze({
    name: `uniform(${limit})`,
    fill: (values: Float32Array, _shape: readonly number[], draw: Draw) => fillUniform(values, limit, draw),
  });
}

/** Normal around 0. Two draws give two numbers, by Box and Muller. Throws unless deviation is a number from 0 on. */
export function normal(deviation: number): Initializer {
  checkSpread("normal", "deviation", deviation);
  return Object.freeze({
    name: `normal(${deviation})`,
    fill: (values: Float32Array, _shape: readonly number[], draw: Draw) =>
      fillNormal(values, deviation, draw),
  });
}

/**
 * Uniform with limit √(6 / (fanIn + fanOut)): keeps the size of activations and gradients through layers of tanh or
 * sigmoid. Source: Glorot & Bengio 2010; PyTorch xavier_uniform_, the default of Keras.
 */
export const glorotUniform: Initializer = byFan("glorotUniform", fillUniform, ({ fanIn, fanOut }) =>
  Math.sqrt(6 / (fanIn + fanOut)),
);

/** Normal with deviation √(2 / (fanIn + fanOut)). Source: Glorot & Bengio 2010; PyTorch xavier_normal_. */
export const glorotNormal: Initializer = byFan("glorotNormal", fillNormal, ({ fanIn, fanOut }) =>
  Math.sqrt(2 / (fanIn + fanOut)),
);

/**
 * Uniform with limit √(6 / fanIn): keeps the size of activations through layers of relu, which halves them.
 * Source: He et al. 2015 (arXiv:1502.01852); PyTorch kaiming_uniform_ with nonlinearity "relu".
 */
export const heUniform: Initializer = byFan("heUniform", fillUniform, ({ fanIn }) => Math.sqrt(6 / fanIn));

/** Normal with deviation √(2 / fanIn). Source: He et al. 2015; PyTorch kaiming_normal_ with nonlinearity "relu". */
export const heNormal: Initializer = byFan("heNormal", fillNormal, ({ fanIn }) => Math.sqrt(2 / fanIn));

type Draw = (index: number) => number;
type Fill = (values: Float32Array, spread: number, draw: Draw) => void;
interface Fans {
  readonly fanIn: number;
  readonly fanOut: number;
}

function byFan(name: string, fill: Fill, spread: (fans: Fans) => number): Initializer {
  return Object.freeze({
    name,
    fill: (values: Float32Array, shape: readonly number[], draw: Draw) =>
      fill(values, spread(fansOf(name, shape)), draw),
  });
}

function fillUniform(values: Float32Array, limit: number, draw: Draw): void {
  for (let index = 0; index < values.length; index++) values[index] = (2 * draw(index) - 1) * limit;
}

function fillNormal(values: Float32Array, deviation: number, draw: Draw): void {
  for (let index = 0; index < values.length; index += 2) {
    const radius = deviation * Math.sqrt(-2 * Math.log(1 - draw(index))); // 1 − draw is never 0
    const angle = 2 * Math.PI * draw(index + 1);
    values[index] = radius * Math.cos(angle);
    if (index + 1 < values.length) values[index + 1] = radius * Math.sin(angle);
  }
}

/** How many numbers go into and out of one element, for a shape [out, in, ...kernel]. */
function fansOf(where: string, shape: readonly number[]): Fans {
  const [outputs, inputs, ...kernel] = shape;
  if (outputs === undefined || inputs === undefined) {
    fail(where, {
      expected: "a shape [out, in, ...kernel]",
      got: formatShape(shape),
      fix: "use zeros, or uniform(limit), for parameters of one axis",
    });
  }
  const field = elementCount(kernel);
  return { fanIn: inputs * field, fanOut: outputs * field };
}

function checkSpread(where: string, what: string, value: number): void {
  if (!(Number.isFinite(value) && value >= 0)) {
    fail(where, {
      expected: `${what} to be a number from 0 on`,
      got: String(value),
      fix: "for example 0.02",
    });
  }
}
