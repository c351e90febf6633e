/** What ops ask of their inputs. */
import { isFloat } from "../array/dtype.ts";
import { formatShape, type Shape, sameShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";

/** Throws unless x can have a gradient. */
export function requireFloat(where: string, x: Tensor): void {
  if (!isFloat(x.dtype)) {
    fail(where, { expected: "a float tensor", got: x.dtype, fix: `cast first: cast(x, "float32")` });
  }
}

export function requireIndices(where: string, indices: Tensor): void {
  if (indices.dtype !== "int32" && indices.dtype !== "int64") {
    fail(where, {
      expected: "int32 or int64 indices",
      got: indices.dtype,
      fix: `cast them first: cast(x, "int32")`,
    });
  }
}

export function requireShape(where: string, what: string, actual: Shape, expected: Shape): void {
  if (!sameShape(actual, expected)) {
    fail(where, {
      expected: `${what} of shape ${formatShape(expected)}`,
      got: formatShape(actual),
      fix: `reshape the ${what} to ${formatShape(expected)}`,
    });
  }
}

export function requireSameDType(where: string, a: Tensor, b: Tensor): void {
  if (a.dtype !== b.dtype) {
    fail(where, {
      expected: `${a.dtype} on both sides`,
      got: `${a.dtype} and ${b.dtype}`,
      fix: `cast one side: cast(x, "${a.dtype}")`,
    });
  }
}
