/** Making images larger: every element becomes a block of itself. */
import { elementCount, factorOf, isBatchDim } from "../array/shape.ts";
import { defineOp, type EmitContext } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";
import { mul } from "./arithmetic.ts";
import { averagePooling } from "./average-pooling.ts";
import { perAxis, requireSpatial, spatialOf } from "./pooling-windows.ts";
import { floats, requireDType } from "./require.ts";

/**
 * Every element repeated `scale` times along the spatial axes (a number, or one per axis): [samples, channels, length] or
 * [samples, channels, height, width] → lengths times scale. PyTorch's Upsample, mode nearest, for whole factors.
 * Throws for factors that are no whole numbers from 1 on. Source: ONNX Resize-19, mode nearest.
 */
export function resizeNearest(x: Tensor, scale: number | readonly number[], where = "resizeNearest"): Tensor {
  requireDType(where, x, [...floats, "int32", "uint8"]);
  requireSpatial(where, x.shape);
  const scales = perAxis(where, "scale", scale, x.shape.length - 2, 1);
  return scales.every((one) => one === 1) ? x : apply(resizeNearestOp, [x], { scales });
}

type Scales = { readonly scales: readonly number[] };

const resizeNearestOp = defineOp<Scales>({
  name: "resizeNearest",
  infer: ([x], { scales }) => ({
    shape: [...x!.shape.slice(0, 2), ...spatialOf(x!.shape).map((length, axis) => length * scales[axis]!)],
    dtype: x!.dtype,
  }),
  gradient: ({ attributes: { scales }, dy }) => [
    mul(averagePooling(dy, scales), elementCount(scales)), // the sum of every block
  ],
  onnx: (context) => {
    const { inputs, tensors, attributes, node, constant, output } = context;
    if (tensors[0]!.dtype === "float64") return expanded(context); // Resize has no kernel for it
    const scales = constant([1, 1, ...attributes.scales], [attributes.scales.length + 2]);
    node(
      "Resize",
      [inputs[0]!, "", scales],
      { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
      output,
    );
  },
  samples: [
    { inputs: [["batch", 2, 2, 3]], build: (x) => resizeNearest(x, 2) },
    { inputs: [["batch", 1, 2, 2]], build: (x) => resizeNearest(x, [3, 1]) },
    { inputs: [["batch", 2, 3]], build: (x) => resizeNearest(x, 3) },
    {
      inputs: [{ shape: ["batch", 1, 2, 2], dtype: "uint8", range: [0, 255] }],
      build: (x) => resizeNearest(x, 2),
    },
  ],
});

/** [.., height, width] → [.., height, 1, width, 1] → [.., height, scale, width, scale] → [.., height · scale, width · scale]. */
function expanded({
  inputs,
  tensors,
  attributes: { scales },
  outputTensor,
  node,
  ints,
  output,
}: EmitContext<Scales>) {
  const { shape } = tensors[0]!;
  const leading = shape.slice(0, 2).map((dim) => (isBatchDim(dim) ? -1 : dim));
  const apart = node("Reshape", [
    inputs[0]!,
    ints([...leading, ...spatialOf(shape).flatMap((dim) => [dim, 1])]),
  ]);
  const wide = node("Expand", [apart, ints([1, 1, ...scales.flatMap((scale) => [1, scale])])]);
  node("Reshape", [wide, ints([...leading, ...outputTensor.shape.slice(2).map(factorOf)])], {}, output);
}
