/** Reference of the ops that models of others bring along: trigonometry, rounding, logic and single elements. */
import { concrete, type Shape } from "../../src/array/shape.ts";
import { type Rule, type Rules, rule } from "./rule.ts";
import { broadcast, build, forEach, offsetOf, type Position, read, type Value } from "./value.ts";

function elementwise(compute: (...values: number[]) => number): Rule {
  return (inputs) =>
    build(broadcast(inputs.map(({ shape }) => shape)), (position) =>
      compute(...inputs.map((value) => read(value, position))),
    );
}

const bit = (condition: boolean) => (condition ? 1 : 0);

/** src/ops/trigonometric.ts */
export const trigonometric: Rules = {
  sin: elementwise(Math.sin),
  cos: elementwise(Math.cos),
  tan: elementwise(Math.tan),
  asin: elementwise(Math.asin),
  acos: elementwise(Math.acos),
  atan: elementwise(Math.atan),
  sinh: elementwise(Math.sinh),
  cosh: elementwise(Math.cosh),
  asinh: elementwise(Math.asinh),
  acosh: elementwise(Math.acosh),
  atanh: elementwise(Math.atanh),
};

/** src/ops/rounding.ts */
export const rounding: Rules = {
  floor: elementwise(Math.floor),
  ceil: elementwise(Math.ceil),
  round: elementwise((x) => {
    const below = Math.floor(x);
    if (x - below !== 0.5) return Math.round(x);
    return below % 2 === 0 ? below : below + 1;
  }),
  remainder: elementwise((a, b) => a % b),
};

/** src/ops/logic.ts */
export const logic: Rules = {
  and: elementwise((a, b) => bit(a !== 0 && b !== 0)),
  or: elementwise((a, b) => bit(a !== 0 || b !== 0)),
  xor: elementwise((a, b) => bit((a !== 0) !== (b !== 0))),
  isInfinite: elementwise((x) => bit(Math.abs(x) === Number.POSITIVE_INFINITY)),
};

/** A copy of x in which each update is written to, or added at, the position it is meant for. */
function scattered(
  x: Value,
  updates: Value,
  target: (position: Position) => Position,
  reduction: string,
): Value {
  const result = { shape: x.shape, data: x.data.slice() };
  forEach(updates.shape, (position, index) => {
    const at = offsetOf(x.shape, target(position));
    result.data[at] = updates.data[index]! + (reduction === "add" ? result.data[at]! : 0);
  });
  return result;
}

/** Where in x the slice element lies that position names: coordinates from the indices, then the rest of the position. */
function located(indices: Value, position: Position): number[] {
  const leading = position.slice(0, indices.shape.length - 1);
  const count = indices.shape.at(-1)!;
  const first = Array.from({ length: count }, (_, index) => read(indices, [...leading, index]));
  return [...first, ...position.slice(indices.shape.length - 1)];
}

/** src/ops/elements.ts */
export const elements: Rules = {
  gatherElements: rule<{ axis: number }>(([x, indices], { axis }) =>
    build(indices!.shape, (position) => read(x!, position.with(axis, read(indices!, position)))),
  ),
  scatterElements: rule<{ axis: number; reduction: string }>(([x, indices, updates], { axis, reduction }) =>
    scattered(x!, updates!, (position) => position.with(axis, read(indices!, position)), reduction),
  ),
  gatherPositions: ([x, indices]) => {
    const rest = x!.shape.slice(indices!.shape.at(-1)!);
    return build([...indices!.shape.slice(0, -1), ...rest], (position) =>
      read(x!, located(indices!, position)),
    );
  },
  scatterPositions: rule<{ reduction: string }>(([x, indices, updates], { reduction }) =>
    scattered(x!, updates!, (position) => located(indices!, position), reduction),
  ),
  topPositions: rule<{ axis: number; count: number; smallest: boolean }>(([x], { axis, count, smallest }) =>
    build(x!.shape.with(axis, count), (position) => {
      const line = Array.from({ length: x!.shape[axis]! }, (_, index) =>
        read(x!, position.with(axis, index)),
      );
      const order = [...line.keys()].sort((a, b) => (smallest ? line[a]! - line[b]! : line[b]! - line[a]!));
      return order[position[axis]!]!;
    }),
  ),
  sizes: rule<{ shape: Shape }>((_, { shape }, batch) =>
    build([shape.length], ([axis]) => concrete(shape, batch)[axis!]!),
  ),
};

/** src/ops/product.ts */
export const product: Rules = {
  product: rule<{ axes: readonly number[]; keepDims: boolean }>(([x], { axes, keepDims }) => {
    const kept = x!.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
    const result = build(kept, () => 1);
    forEach(x!.shape, (position, index) => {
      result.data[offsetOf(kept, position)]! *= x!.data[index]!;
    });
    return keepDims ? result : { ...result, shape: x!.shape.filter((_, axis) => !axes.includes(axis)) };
  }),
};
