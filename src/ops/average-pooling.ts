/** The mean of every window, and of each channel as a whole. */
import { elementCount, type Shape } from "../array/shape.ts";
import { defineOp, type OpSample } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";
import { mul } from "./arithmetic.ts";
import { constantLike } from "./constant-like.ts";
import { matmul } from "./matmul.ts";
import {
  areTiles,
  onnxWindows,
  pooledShape,
  requireSpatial,
  spatialOf,
  uncovered,
  type WindowOptions,
  type Windows,
  windowsOf,
} from "./pooling-windows.ts";
import { mean } from "./reduction.ts";
import { floats, requireDType } from "./require.ts";
import { resizeNearest } from "./resize.ts";

/** Where windows lie, and what they are divided by. */
export interface AverageOptions extends WindowOptions {
  /** Whether padding counts as zeros (PyTorch's count_include_pad). Default true; else only what lies inside counts. */
  readonly countPadding?: boolean;
}

/**
 * The mean of every window: [samples, channels, length] or [samples, channels, height, width] → the same axes,
 * ⌊(length + 2 · padding − size) / stride⌋ + 1 each. Throws as `windowsOf`. Source: ONNX AveragePool-19.
 */
export function averagePooling(
  x: Tensor,
  size: number | readonly number[],
  options: AverageOptions = {},
  where = "averagePooling",
): Tensor {
  requireDType(where, x, floats);
  const { countPadding = true } = options;
  const attributes = { ...windowsOf(where, x, size, options), countPadding };
  if (x.dtype === "float32") return apply(averagePoolingOp, [x], attributes);
  return byProducts(x, meansOf(x, attributes)); // ONNX Runtime's kernel knows float32 only
}

/**
 * The mean of each channel: [samples, channels, length] or [samples, channels, height, width] → [samples, channels], ready
 * for a linear layer (PyTorch's AdaptiveAvgPool keeps axes of size 1). Throws for other shapes. Source: ONNX ReduceMean-18,
 * twice as fast as GlobalAveragePool; its gradient is stretched by whatever reads it, which costs no pass of its own.
 */
export function globalAveragePool(x: Tensor): Tensor {
  requireDType("globalAveragePool", x, floats);
  requireSpatial("globalAveragePool", x.shape);
  return mean(x, { axes: spatialOf(x.shape).map((_, axis) => axis + 2) });
}

type AverageWindows = Windows & { readonly countPadding: boolean };

const averageSamples: readonly (readonly [Shape, number | number[], AverageOptions])[] = [
  [["batch", 2, 4, 6], 2, {}],
  [["batch", 1, 5, 4], [2, 3], {}], // a row and a column are left over
  [["batch", 2, 7], 3, {}],
  [["batch", 1, 5, 4], 3, { stride: 2, padding: 1 }],
  [["batch", 1, 5, 4], 3, { stride: 2, padding: [1, 0], countPadding: false }],
  [["batch", 2, 6], 3, { stride: 1 }],
  [["batch", 1, 4], 2, { padding: 1, countPadding: false }],
];

const averagePoolingOp = defineOp<AverageWindows>({
  name: "averagePooling",
  infer: ([x], windows) => ({ shape: pooledShape(x!.shape, windows), dtype: x!.dtype }),
  gradient: ({ inputs: [x], attributes, dy }) => {
    if (!areTiles(attributes)) return [byProducts(dy, meansOf(x!, attributes).map(transposed))];
    const share = mul(dy, 1 / elementCount(attributes.size));
    return [uncovered(resizeNearest(share, attributes.size), x!.shape)];
  },
  onnx: ({ inputs, attributes, node, output }) => {
    const padding = { count_include_pad: attributes.countPadding ? 1 : 0 };
    node("AveragePool", inputs, { ...onnxWindows(attributes), ...padding }, output);
  },
  samples: averageSamples.map(
    ([shape, size, options]): OpSample => ({
      inputs: [shape],
      build: (x) => averagePooling(x, size, options),
    }),
  ),
});

/** A matrix [outputs, inputs], row-major. */
interface Matrix {
  readonly shape: readonly [number, number];
  readonly data: readonly number[];
}

/** Means over windows are products with one matrix per spatial axis: windows along the rows, shares along the columns. */
function meansOf(x: Tensor, windows: AverageWindows): Matrix[] {
  const pooled = spatialOf(pooledShape(x.shape, windows));
  return spatialOf(x.shape).map((length, axis) => {
    const data = Array.from({ length: pooled[axis]! }, (_, at) => {
      const start = at * windows.stride[axis]! - windows.padding[axis]!;
      const isInside = (place: number) => place >= start && place < start + windows.size[axis]!;
      const row = Array.from({ length }, (_, place) => Number(isInside(place)));
      const count = windows.countPadding ? windows.size[axis]! : row.reduce((sum, one) => sum + one, 0);
      return row.map((one) => one / count);
    });
    return { shape: [pooled[axis]!, length], data: data.flat() };
  });
}

function transposed({ shape: [rows, columns], data }: Matrix): Matrix {
  const turned = Array.from({ length: columns }, (_, column) =>
    Array.from({ length: rows }, (_, row) => data[row * columns + column]!),
  );
  return { shape: [columns, rows], data: turned.flat() };
}

/** Each spatial axis of x times its matrix: [samples, channels, …inputs] → [samples, channels, …outputs]. */
function byProducts(x: Tensor, matrices: readonly Matrix[]): Tensor {
  const last = transposed(matrices.at(-1)!);
  const wide = matmul(x, constantLike(x, last.shape, last.data)); // along the last axis
  if (matrices.length === 1) return wide;
  return matmul(constantLike(x, matrices[0]!.shape, matrices[0]!.data), wide);
}
