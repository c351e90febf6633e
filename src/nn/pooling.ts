/** Pooling layers: fewer places, each of them the largest or the mean of a window. They have no parameters. */
import { type AverageOptions, averagePooling } from "../ops/average-pooling.ts";
import { maxPooling } from "../ops/max-pooling.ts";
import type { WindowOptions } from "../ops/pooling-windows.ts";
import type { Layer } from "./layer.ts";

export { globalAveragePool } from "../ops/average-pooling.ts";

/**
 * The largest element of every window of `size` (a number, or one per spatial axis): [batch, channels, height, width] or
 * [batch, channels, length] → the same axes, ⌊(length + 2 · padding − size) / stride⌋ + 1 each.
 * stride: default the size, so that windows lie side by side. Padding, default 0, never wins. Of equal elements the first,
 * row by row, gets the gradient. Throws, when it is applied, for windows that do not fit.
 * Source: PyTorch MaxPool1d and MaxPool2d, without dilation and ceil_mode.
 */
export function maxPool(size: number | readonly number[], options: WindowOptions = {}): Layer {
  return (x) => maxPooling(x, size, options, `maxPool(${JSON.stringify(size)})`);
}

/**
 * The mean of every window of `size` (a number, or one per spatial axis): [batch, channels, height, width] or
 * [batch, channels, length] → the same axes, ⌊(length + 2 · padding − size) / stride⌋ + 1 each.
 * stride: default the size. padding: default 0; it counts as zeros unless countPadding is false.
 * Throws, when it is applied, for windows that do not fit. Source: PyTorch AvgPool1d and AvgPool2d, without ceil_mode and
 * divisor_override.
 */
export function averagePool(size: number | readonly number[], options: AverageOptions = {}): Layer {
  return (x) => averagePooling(x, size, options, `averagePool(${JSON.stringify(size)})`);
}
