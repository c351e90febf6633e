/** Layers one after another. */
import { fail } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Layer } from "./layer.ts";

/**
 * A layer that applies the given ones in order; with none it gives its input back. The first may take something else than
 * a tensor, a row of columns for example, and the sequence then takes that.
 */
export function sequence(...layers: readonly Layer[]): Layer;
export function sequence<Input>(
  first: (input: Input) => Tensor,
  ...rest: readonly Layer[]
): (input: Input) => Tensor;
export function sequence(...layers: readonly ((input: never) => Tensor)[]): (input: never) => Tensor {
  layers.forEach((layer, index) => {
    if (typeof layer !== "function") {
      fail("sequence", {
        expected: `a layer as argument ${index + 1}`,
        got: typeof layer,
        fix: "pass layers one by one: sequence(linear(64), relu), sequence(...layers) for a list",
      });
    }
  });
  // Each layer takes what the one before gives; the overloads above have checked that.
  return (input) => layers.reduce<unknown>((x, layer) => layer(x as never), input) as Tensor;
}
