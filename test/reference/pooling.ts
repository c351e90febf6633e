/** Reference of src/ops/{max-pooling,average-pooling,resize}.ts. */
import type { Windows } from "../../src/ops/pooling-windows.ts";
import { type Rules, rule } from "./rule.ts";
import { build, countOf, forEach, offsetOf, type Position, read, type Value } from "./value.ts";

type AverageWindows = Windows & { readonly countPadding: boolean };

export const pooling: Rules = {
  maxPooling: rule<Windows>(([x], windows) =>
    build(pooledShape(x!, windows), (position) => read(x!, largestOf(x!, position, windows))),
  ),
  pickLargest: rule<Windows>(([x, values], windows) =>
    build(pooledShape(x!, windows), (position) => read(values!, largestOf(x!, position, windows))),
  ),
  scatterToLargest: rule<Windows>(([x, dy], windows) => {
    const sums = build(x!.shape, () => 0);
    forEach(dy!.shape, (position, index) => {
      sums.data[offsetOf(sums.shape, largestOf(x!, position, windows))]! += dy!.data[index]!;
    });
    return sums;
  }),
  averagePooling: rule<AverageWindows>(([x], windows) =>
    build(pooledShape(x!, windows), (position) => {
      const inside = placesOf(x!, position, windows);
      const total = inside.reduce((sum, place) => sum + read(x!, place), 0);
      return total / (windows.countPadding ? countOf(windows.size) : inside.length);
    }),
  ),
  resizeNearest: rule<{ scales: readonly number[] }>(([x], { scales }) => {
    const shape = x!.shape.map((size, axis) => size * (scales[axis - 2] ?? 1));
    return build(shape, (position) =>
      read(
        x!,
        position.map((place, axis) => Math.floor(place / (scales[axis - 2] ?? 1))),
      ),
    );
  }),
};

function pooledShape({ shape }: Value, { size, stride, padding }: Windows): number[] {
  return shape.map((length, axis) =>
    axis < 2
      ? length
      : Math.floor((length + 2 * padding[axis - 2]! - size[axis - 2]!) / stride[axis - 2]!) + 1,
  );
}

/** The places of a window that lie inside of x, row by row. */
function placesOf({ shape }: Value, position: Position, { size, stride, padding }: Windows): Position[] {
  const places: Position[] = [];
  forEach(size, (offset) => {
    const spatial = offset.map((one, axis) => position[axis + 2]! * stride[axis]! - padding[axis]! + one);
    const isInside = spatial.every((place, axis) => place >= 0 && place < shape[axis + 2]!);
    if (isInside) places.push([...position.slice(0, 2), ...spatial]);
  });
  return places;
}

/** The first of the largest. */
function largestOf(x: Value, position: Position, windows: Windows): Position {
  return placesOf(x, position, windows).reduce((best, place) =>
    read(x, place) > read(x, best) ? place : best,
  );
}

/** The smallest gap between the largest element of a window and the next: where it is 0 the derivative jumps. */
export function gapInWindows(x: Value, windows: Windows): number {
  let gap = Number.POSITIVE_INFINITY;
  forEach(pooledShape(x, windows), (position) => {
    const [first, second] = placesOf(x, position, windows)
      .map((place) => read(x, place))
      .sort((a, b) => b - a);
    if (second !== undefined) gap = Math.min(gap, first! - second);
  });
  return gap;
}
