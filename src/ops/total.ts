/** The sum of the gradients that arrive at one tensor, in the fewest passes over memory. */
import { batchDim, type Dim, factorOf, isBatchDim, sameShape } from "../array/shape.ts";
import type { Tensor } from "../graph/tensor.ts";
import { add } from "./arithmetic.ts";
import { gemm, sumRows } from "./matmul.ts";
import { concat, pad, reshape } from "./movement.ts";

/**
 * The sum of tensors of one shape. What was cut apart by slices is put together again, instead of filled up
 * with zeros and added: of n slices each pass would be over all n. Weights that many steps share get one
 * product over the stacked steps instead of a sum of products.
 */
export function total(parts: readonly Tensor[]): Tensor {
  if (parts.length === 1) return parts[0]!;
  return joined(stacked(parts)).reduce((a, b) => add(a, b));
}

/** Zeros around a part: the gradient of a slice. */
interface Piece {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly value: Tensor;
}

/** The parts, where those that are pieces of one axis, none over another, are one. */
function joined(parts: readonly Tensor[]): readonly Tensor[] {
  const pieces = parts.map(pieceOf);
  const axis = pieces.find((piece) => piece !== undefined)?.axis;
  const along = pieces.filter((piece) => piece !== undefined && piece.axis === axis) as Piece[]; // filtered
  if (along.length < 2) return parts;
  const inOrder = sumEqual(along).sort((a, b) => a.start - b.start);
  if (inOrder.some(({ start }, index) => index > 0 && start < inOrder[index - 1]!.end)) return parts;
  const size = factorOf(parts[0]!.shape[axis!]!); // slices are of fixed axes
  const filled = inOrder.map(({ value, start }, index) => {
    const before = start - (inOrder[index - 1]?.end ?? 0);
    return pad(value, { before, after: index === inOrder.length - 1 ? size - inOrder.at(-1)!.end : 0 }, axis);
  });
  const others = parts.filter((_, index) => pieces[index] === undefined || pieces[index].axis !== axis);
  return [concat(filled, axis), ...joined(others)];
}

function pieceOf({ op, attributes, inputs }: Tensor): Piece | undefined {
  if (op.name !== "pad") return undefined;
  const { axis, before, value } = attributes as { axis: number; before: number; value: number }; // a pad's
  if (value !== 0) return undefined;
  const size = factorOf(inputs[0]!.shape[axis]!); // pads are of fixed axes
  return { axis, start: before, end: before + size, value: inputs[0]! };
}

/** Pieces of one place as their sum: a slice that is used twice, or taken twice. */
function sumEqual(pieces: readonly Piece[]): Piece[] {
  const places = new Map<string, Piece[]>();
  for (const piece of pieces) {
    const place = `${piece.start} ${piece.end}`;
    const known = places.get(place);
    if (known === undefined) places.set(place, [piece]);
    else known.push(piece);
  }
  return [...places.values()].map((same) => ({ ...same[0]!, value: total(same.map(({ value }) => value)) }));
}

/** From how many products on: below, copying what is stacked costs more than adding the sums. */
const worthStacking = 3;

/** The parts, where products aᵀ · b over the samples are one product of the stacked a and b. */
function stacked(parts: readonly Tensor[]): readonly Tensor[] {
  const [first] = parts;
  const factors = parts.map(factorsOf);
  const like = factors.find((pair) => pair !== undefined);
  if (like === undefined) return parts;
  const isStacked = factors.map((pair) => pair !== undefined && areAlike(pair, like));
  // Gradients arrive from the last step back: turned, they lie as the steps do.
  const same = factors.filter((_, index) => isStacked[index]).toReversed() as Factors[]; // filtered
  if (same.length < worthStacking) return parts;
  const right = stack(same.map(({ b }) => b));
  const product =
    like.a === undefined ? sumRows(right) : gemm(stack(same.map(({ a }) => a!)), right, { transposeA: true });
  return [reshape(product, first!.shape), ...parts.filter((_, index) => !isStacked[index])];
}

/** aᵀ · b over rows that grow with the microbatch; without a: the sum of b's rows. */
interface Factors {
  readonly a: Tensor | undefined;
  readonly b: Tensor;
}

function factorsOf(part: Tensor): Factors | undefined {
  const product = part.op.name === "reshape" ? part.inputs[0]! : part;
  if (product.op.name !== "gemm" || product.inputs.length !== 2) return undefined;
  const [a, b] = product.inputs as readonly [Tensor, Tensor];
  const { transposeA, transposeB } = product.attributes;
  if (transposeB || !isBatchDim(b.shape[0]!)) return undefined;
  if (transposeA) return { a, b };
  const ones = a.op.name === "cast" ? a.inputs[0]! : a; // sumRows casts them for float64
  const isSum = ones.op.name === "fill" && ones.attributes.value === 1 && a.shape[0] === 1;
  return isSum ? { a: undefined, b } : undefined;
}

const areAlike = (one: Factors, other: Factors) =>
  sameShape(one.b.shape, other.b.shape) &&
  one.b.dtype === other.b.dtype &&
  (one.a === undefined || other.a === undefined
    ? one.a === other.a
    : sameShape(one.a.shape, other.a.shape) && one.a.dtype === other.a.dtype);

/** [rows, columns] each → all of them, [rows · count, columns]; the steps of a sample lie side by side. */
function stack(steps: readonly Tensor[]): Tensor {
  const [rows, columns] = steps[0]!.shape as readonly [Dim, Dim];
  const each = factorOf(rows);
  const together = concat(
    steps.map((step) => reshape(step, ["batch", each, columns])),
    1,
  );
  return reshape(together, [batchDim(each * steps.length), columns]);
}
