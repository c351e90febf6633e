/** ONNX's Resize and Upsample: whole factors by repeating, all else by a product with the interpolation's weights per axis. */
import { isFloat } from "../array/dtype.ts";
import { type Dim, isBatchDim } from "../array/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import * as ops from "../ops/index.ts";
import { constantOf } from "./arrays.ts";
import { selected } from "./indexing.ts";
import type { NodeReader, Operators } from "./operator.ts";

/** How one axis is resized. */
interface Line {
  readonly from: number;
  readonly to: number;
  readonly scale: number;
  /** The part of the axis that is looked at, for tf_crop_and_resize. */
  readonly region: readonly [number, number];
}

/** Where an element of the output lies in the input. Source: ONNX Resize-19. */
function sourceOf(node: NodeReader, mode: string, at: number, { from, to, scale, region }: Line): number {
  const [start, end] = region;
  switch (mode) {
    case "half_pixel":
      return (at + 0.5) / scale - 0.5;
    case "half_pixel_symmetric": {
      const adjustment = to / (scale * from);
      return (from / 2) * (1 - adjustment) + (at + 0.5) / scale - 0.5;
    }
    case "pytorch_half_pixel":
      return to > 1 ? (at + 0.5) / scale - 0.5 : 0;
    case "align_corners":
      return to > 1 ? (at * (from - 1)) / (to - 1) : 0;
    case "asymmetric":
      return at / scale;
    case "tf_half_pixel_for_nn":
      return (at + 0.5) / scale;
    case "tf_crop_and_resize":
      return to > 1
        ? start * (from - 1) + (at * (end - start) * (from - 1)) / (to - 1)
        : 0.5 * (start + end) * (from - 1);
    default:
      return node.refuse("a coordinate_transformation_mode of Resize", mode);
  }
}

const nearest: Readonly<Record<string, (x: number) => number>> = {
  round_prefer_floor: (x) => (x === Math.floor(x) + 0.5 ? Math.floor(x) : Math.round(x)),
  round_prefer_ceil: Math.round,
  floor: Math.floor,
  ceil: Math.ceil,
};

/** Weights of the elements around a place: 2 for linear, 4 for cubic. Source: Keys 1981, ONNX Resize-19. */
function weightsAround(place: number, isCubic: boolean, a: number): readonly (readonly [number, number])[] {
  const left = Math.floor(place);
  const t = place - left;
  if (!isCubic)
    return [
      [left, 1 - t],
      [left + 1, t],
    ];
  const inner = (x: number) => ((a + 2) * x - (a + 3)) * x * x + 1;
  const outer = (x: number) => ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return [
    [left - 1, outer(t + 1)],
    [left, inner(t)],
    [left + 1, inner(1 - t)],
    [left + 2, outer(2 - t)],
  ];
}

function alongAxis(node: NodeReader, x: Tensor, axis: number, line: Line): Tensor {
  const { from, to } = line;
  const mode = node.text("mode", "nearest");
  const transformation = node.text(
    "coordinate_transformation_mode",
    node.opset < 11 ? "asymmetric" : "half_pixel",
  );
  const places = Array.from({ length: node.bounded(to, "an axis") }, (_, at) =>
    sourceOf(node, transformation, at, line),
  );
  if (mode === "nearest") {
    const name = node.text("nearest_mode", node.opset < 11 ? "floor" : "round_prefer_floor");
    const round = Object.hasOwn(nearest, name)
      ? nearest[name]!
      : node.refuse("a nearest_mode of Resize", name);
    const clamp = (place: number) => Math.min(Math.max(round(place), 0), from - 1);
    return selected(x, places.map(clamp), axis);
  }
  node.bounded(from * to, "interpolation weights", 2 ** 22);
  const isExcluded = node.flag("exclude_outside");
  const matrix = new Float64Array(from * to);
  places.forEach((place, at) => {
    const parts = weightsAround(place, mode === "cubic", node.float("cubic_coeff_a", -0.75)).filter(
      ([index]) => !isExcluded || (index >= 0 && index < from),
    );
    const total = isExcluded ? parts.reduce((sum, [, weight]) => sum + weight, 0) : 1;
    for (const [index, weight] of parts) {
      matrix[at * from + Math.min(Math.max(index, 0), from - 1)]! += weight / total;
    }
  });
  const order = [...[...x.shape.keys()].filter((one) => one !== axis), axis];
  const back = order.map((_, at) => order.indexOf(at));
  const weights = constantOf([...matrix], [to, from], x.dtype === "float64" ? "float64" : "float32");
  const product = ops.affine(ops.transpose(x, order), weights);
  const resized = ops.transpose(product, back);
  return transformation === "tf_crop_and_resize" ? outside(node, resized, axis, places, from) : resized;
}

/** Places outside of the image take the extrapolation value. */
function outside(node: NodeReader, x: Tensor, axis: number, places: readonly number[], from: number): Tensor {
  const isOutside = places.map((place) => Number(place < 0 || place > from - 1));
  const shape = x.shape.map((_, at) => (at === axis ? places.length : 1));
  return ops.where(constantOf(isOutside, shape, "bool"), node.float("extrapolation_value", 0), x);
}

function resize(node: NodeReader): Tensor {
  const x = node.input(0);
  if (!isFloat(x.dtype) && node.text("mode", "nearest") !== "nearest")
    node.refuse("floats to interpolate", x.dtype);
  if (node.flag("antialias")) node.refuse("a Resize without antialias", "antialias = 1");
  const isOld = node.opset < 11 || node.node.operator === "Upsample";
  const [regions, scales, sizes] = isOld
    ? [undefined, scalesOf(node, 1), undefined]
    : [regionsOf(node), scalesOf(node, 2), node.has(3) ? node.sizes(3) : undefined];
  const axes = node.axes(node.ints("axes") ?? [...x.shape.keys()]);
  return axes.reduce((image, axis, index) => {
    const size = x.shape[axis]!;
    const wanted = sizes?.[index];
    const scale = scales?.[index];
    if (isBatchDim(size) && (scale === 1 || wanted === size)) return image;
    const from = node.fixed(axis);
    const to = target(node, from, scale, wanted);
    const region =
      regions === undefined ? ([0, 1] as const) : ([regions[index]!, regions[index + axes.length]!] as const);
    if (to === from && region[0] === 0 && region[1] === 1) return image;
    return alongAxis(node, image, axis, { from, to, scale: scale ?? to / from, region });
  }, x);
}

/** Up to set 12 regions cannot be left out, and are empty where there are none. */
const regionsOf = (node: NodeReader): readonly number[] | undefined => {
  const regions = node.numbers(1);
  return regions?.length === 0 ? undefined : regions;
};

const scalesOf = (node: NodeReader, index: number): readonly number[] | undefined => {
  const listed = node.node.attributes.get("scales");
  if (Array.isArray(listed)) return listed.map(Number); // Upsample up to set 8
  const scales = node.numbers(index);
  return scales === undefined || scales.length === 0 ? undefined : scales;
};

function target(node: NodeReader, from: number, scale: number | undefined, wanted: Dim | undefined): number {
  const to = scale !== undefined ? Math.floor(from * scale) : wanted;
  const policy = node.text("keep_aspect_ratio_policy", "stretch");
  if (policy !== "stretch") node.refuse('the policy "stretch"', policy);
  return typeof to === "number" && to >= 1
    ? to
    : node.refuse("a size or a scale that leaves something", String(to));
}

export const resizing: Operators = { Resize: resize, Upsample: resize };
