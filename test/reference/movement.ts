/** Reference of the ops that move elements: src/ops/movement.ts. */
import { concrete, type Shape } from "../../src/array/shape.ts";
import { type Rules, rule } from "./rule.ts";
import { build, read, replaced } from "./value.ts";

export const movement: Rules = {
  reshape: rule<{ shape: Shape }>(([x], { shape }, batch) => ({
    shape: concrete(shape, batch),
    data: x!.data,
  })),
  transpose: rule<{ axes: readonly number[] }>(([x], { axes }) =>
    build(
      axes.map((axis) => x!.shape[axis]!),
      (position) => {
        const source = x!.shape.map(() => 0);
        axes.forEach((axis, index) => {
          source[axis] = position[index]!;
        });
        return read(x!, source);
      },
    ),
  ),
  expand: rule<{ shape: Shape }>(([x], { shape }, batch) =>
    build(concrete(shape, batch), (position) => read(x!, position)),
  ),
  fill: rule<{ shape: Shape; value: number }>((_, { shape, value }, batch) =>
    build(concrete(shape, batch), () => value),
  ),
  slice: rule<{ axis: number; start: number; end: number }>(([x], { axis, start, end }) =>
    build(replaced(x!.shape, axis, end - start), (position) =>
      read(x!, replaced(position, axis, position[axis]! + start)),
    ),
  ),
  concat: rule<{ axis: number }>((inputs, { axis }) => {
    const size = inputs.reduce((total, { shape }) => total + shape[axis]!, 0);
    return build(replaced(inputs[0]!.shape, axis, size), (position) => {
      let index = position[axis]!;
      let source = 0;
      while (index >= inputs[source]!.shape[axis]!) index -= inputs[source++]!.shape[axis]!;
      return read(inputs[source]!, replaced(position, axis, index));
    });
  }),
  pad: rule<{ axis: number; before: number; after: number; value: number }>(
    ([x], { axis, before, after, value }) => {
      const size = x!.shape[axis]!;
      return build(replaced(x!.shape, axis, before + size + after), (position) => {
        const index = position[axis]! - before;
        return index < 0 || index >= size ? value : read(x!, replaced(position, axis, index));
      });
    },
  ),
};
