/** Activations as layers: the ops themselves, `sequence(linear(64), relu)`. */
import type { Tensor } from "../graph/tensor.ts";
import { leakyRelu as leakyReluOf } from "../ops/activation.ts";
import type { Layer } from "./layer.ts";

export { gelu, logSoftmax, relu, sigmoid, silu, softmax, softplus, tanh } from "../ops/activation.ts";

/**
 * x where x > 0, else slope · x. Called with a slope alone it gives a layer, `leakyRelu(0.2)`; as it stands it is one
 * with slope 0.01, PyTorch's default. Throws for a slope that is not finite.
 */
export function leakyRelu(slope: number): Layer;
export function leakyRelu(x: Tensor, slope?: number): Tensor;
export function leakyRelu(first: Tensor | number, slope?: number): Layer | Tensor {
  return typeof first === "number" ? (x) => leakyReluOf(x, first) : leakyReluOf(first, slope);
}
