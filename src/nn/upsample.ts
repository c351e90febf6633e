/** Larger images: every element becomes a block of itself. */
import { resizeNearest } from "../ops/resize.ts";
import type { Layer } from "./layer.ts";

/**
 * Every element repeated `scale` times along each spatial axis (a whole number, or one per axis):
 * [batch, channels, height, width] or [batch, channels, length] → lengths times scale. It has no parameters.
 * Throws, when it is applied, for factors that are no whole numbers from 1 on. Source: PyTorch Upsample, mode nearest.
 */
export function upsample(scale: number | readonly number[]): Layer {
  return (x) => resizeNearest(x, scale, `upsample(${JSON.stringify(scale)})`);
}
