/** What ops ask of their inputs. */
import type { DType } from "../array/dtype.ts";
import { formatShape, type Shape, sameShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { asTensor, isTensor, type Tensor, type TensorLike } from "../graph/tensor.ts";

/** Dtypes for which ONNX Runtime has kernels, by kind of op. It would refuse others when the session is made. */
export const floats: readonly DType[] = ["float32", "float64"];
export const numbers: readonly DType[] = [...floats, "int32", "int64"];
export const numbersAndBytes: readonly DType[] = [...numbers, "uint8"];

/** Throws unless x has one of the dtypes. */
export function requireDType(where: string, x: Tensor, allowed: readonly DType[]): void {
  if (!allowed.includes(x.dtype)) {
    const [last, ...others] = allowed.toReversed();
    fail(where, {
      expected:
        others.length === 0 ? `a ${last} tensor` : `a ${others.toReversed().join(", ")} or ${last} tensor`,
      got: x.dtype,
      fix: `cast first: cast(x, "float32")`,
    });
  }
}

/** Both operands as tensors; a plain number takes the dtype of the other side. Throws for anything else. */
export function operands(where: string, a: TensorLike, b: TensorLike): readonly [Tensor, Tensor] {
  const wrong = [a, b].findIndex((value) => typeof value !== "number" && !isTensor(value));
  if (wrong >= 0) {
    fail(where, {
      expected: `a tensor or a number as argument ${wrong + 1}`,
      got: String([a, b][wrong]),
      fix: "pass a tensor, or a plain number for a constant",
    });
  }
  const dtype = typeof a !== "number" ? a.dtype : typeof b !== "number" ? b.dtype : "float32";
  const numeric = dtype === "string" ? "float32" : dtype; // a number is no string; the op's rule says so
  return [asTensor(a, numeric), asTensor(b, numeric)];
}

/**
 * Throws unless the tensor can be used as indices, of an axis of `size` elements where one is given. Fed indices are
 * checked before a run (indexBounds), constant ones here.
 */
export function requireIndices(where: string, indices: Tensor, size?: number): void {
  if (indices.dtype !== "int32" && indices.dtype !== "int64") {
    fail(where, {
      expected: "int32 or int64 indices",
      got: indices.dtype,
      fix: `cast them first: cast(x, "int32")`,
    });
  }
  if (size === undefined || indices.leaf?.kind !== "constant") return;
  const wrong = Array.from(indices.leaf.value.data, Number).find((index) => index < 0 || index >= size);
  if (wrong !== undefined) {
    fail(where, {
      expected: `indices from 0 to ${size - 1}`,
      got: String(wrong),
      fix: wrong < 0 ? "count from the start of the axis" : "leave it out, or make the axis longer",
    });
  }
}

/** Throws unless a shape is what another input makes it. */
export function requireShape(where: string, what: string, actual: Shape, expected: Shape): void {
  if (!sameShape(actual, expected)) {
    fail(where, {
      expected: `${what} of shape ${formatShape(expected)}`,
      got: formatShape(actual),
      fix: `reshape the ${what} to ${formatShape(expected)}`,
    });
  }
}

/** Throws unless a shape stretches to another: from the last axis on, each size is the same or 1. */
export function requireStretching(where: string, what: string, from: Shape, to: Shape): void {
  const extra = to.length - from.length;
  if (extra < 0 || !from.every((dim, axis) => dim === 1 || dim === to[axis + extra])) {
    fail(where, {
      expected: `${what} that stretches to ${formatShape(to)}`,
      got: formatShape(from),
      fix: "only axes of size 1 stretch; reshape or reduce it first",
    });
  }
}

/** Throws unless both have one dtype. */
export function requireSameDType(where: string, a: Tensor, b: Tensor): void {
  if (a.dtype !== b.dtype) {
    fail(where, {
      expected: "both sides of one dtype",
      got: `${a.dtype} and ${b.dtype}`,
      fix: `cast one side: cast(x, "${a.dtype}")`,
    });
  }
}
