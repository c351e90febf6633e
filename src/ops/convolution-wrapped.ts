/**
 * The sides of the product that gives the gradient of a convolution's weight, for outputs as wide as the image: every row of
 * the kernel as the whole image moved, every column as the whole output moved, both read row by row without a gap.
 */
import type { Dim } from "../array/shape.ts";
import type { EmitContext } from "../graph/op.ts";
import type { Geometry, Pair } from "./convolution-geometry.ts";

/** What the sides are made from. */
export interface Wrapping {
  readonly geometry: Geometry;
  readonly kernel: Pair;
  /** Height and width of x and of y. */
  readonly image: Pair;
  readonly size: Pair;
  /** Channels of x and of y in a group, and samples times groups. */
  readonly channels: number;
  readonly outputs: number;
  readonly parts: Dim;
}

/** True where rows of x and y are equally long, so that one step along both is one step along all of them. */
export const isWrapped = ({ geometry: { strides }, kernel, image, size }: Wrapping) =>
  strides[0] === 1 && strides[1] === 1 && image[1] === size[1] && kernel[0] * kernel[1] > 1;

/**
 * [samples · groups, channels · rows of the kernel, length] of x, and [.., outputs · columns of the kernel, length] of y.
 * Moved by a column, the first element of a row of x meets the last of the row before: there y is set to 0.
 */
export function wrappedSides(
  context: EmitContext<Geometry>,
  wrapping: Wrapping,
): readonly [x: string, y: string] {
  const { inputs, node, ints } = context;
  const { geometry, kernel, image, size, channels, outputs, parts } = wrapping;
  const [xs, ys] = startsOf(wrapping);
  const [xLength, yLength] = [image[0] * image[1], size[0] * size[1]];
  const length = lengthOf(wrapping);
  const x = node("Reshape", [inputs[0]!, ints([-1, channels, xLength])]);
  const y = node("Reshape", [inputs[1]!, ints([-1, outputs, yLength])]);
  const columns = ys.map((_, column) => {
    const moved = column * geometry.dilations[1] - geometry.pads[1];
    return moved === 0 ? y : node("Mul", [y, insideMask(context, size, moved)]);
  });
  return [
    stacked(context, [parts, channels], Array<string>(kernel[0]).fill(x), xLength, xs, length),
    stacked(context, [parts, outputs], columns, yLength, ys, length),
  ];
}

/** How many places the sides have: those of the image, and as many zeros around as it is moved by. */
export function lengthOf(wrapping: Wrapping): number {
  const { image, size } = wrapping;
  const [xs, ys] = startsOf(wrapping);
  return Math.max(xs[0]! + image[0] * image[1], ys.at(-1)! + size[0] * size[1]);
}

/**
 * Where x starts for each row of the kernel and y for each column: as far apart that the element of y at one place meets the
 * element of x that they multiply. The first row moves x furthest to the end, the last column y.
 */
function startsOf({ kernel, image, geometry: { dilations, pads } }: Wrapping): readonly [number[], number[]] {
  const width = image[1];
  const rows = Array.from({ length: kernel[0] }, (_, row) => (pads[0] - row * dilations[0]) * width);
  const columns = Array.from({ length: kernel[1] }, (_, column) => column * dilations[1] - pads[1]);
  const first = Math.min(rows.at(-1)!, columns[0]!, 0);
  return [rows.map((start) => start - first), columns.map((start) => start - first)];
}

/** 1 where y, so many columns to the right, still lies in its row of x, else 0. */
function insideMask(
  { node, ints, constant }: EmitContext<Geometry>,
  [height, width]: Pair,
  moved: number,
): string {
  const row = Array.from({ length: width }, (_, at) => (at + moved >= 0 && at + moved < width ? 1 : 0));
  // Both are computed once, when the program is loaded.
  return node("Reshape", [
    node("Expand", [constant(row, [width]), ints([height, width])]),
    ints([height * width]),
  ]);
}

/** The pieces, each at its start in a length of its own, zeros elsewhere: one Concat, which is cut into lengths for nothing. */
function stacked(
  { node, ints, constant, shape }: EmitContext<Geometry>,
  [parts, channels]: readonly [Dim, number],
  pieces: readonly string[],
  pieceLength: number,
  starts: readonly number[],
  length: number,
): string {
  const list: string[] = [];
  let end = 0;
  const fillUpTo = (place: number) => {
    if (place > end) list.push(node("Expand", [constant([0]), shape([parts, channels, place - end])]));
  };
  pieces.forEach((piece, index) => {
    fillUpTo(index * length + starts[index]!);
    list.push(piece);
    end = index * length + starts[index]! + pieceLength;
  });
  fillUpTo(pieces.length * length);
  return node("Reshape", [node("Concat", list, { axis: 2 }), ints([-1, channels * pieces.length, length])]);
}
