/** Shapes that hold the same numbers but do not match: [batch] and [batch, 1]. */
import { formatShape, isBatchDim, type Shape, sameShape } from "../array/shape.ts";
import { fail } from "../errors.ts";

/**
 * Throws unless the shapes are equal; where only a trailing 1 differs, says which reshape to add. Without this,
 * [batch, 1] − [batch] would silently be [batch, batch].
 */
export function requireSame(where: string, what: string, expected: Shape, actual: Shape): void {
  if (sameShape(expected, actual)) return;
  fail(where, {
    expected: `${what} of shape ${formatShape(expected)}`,
    got: formatShape(actual),
    fix: areAlike(expected, actual)
      ? `reshape(${what}, ${JSON.stringify(expected)})`
      : "one target per number that the model predicts",
  });
}

/** Throws unless both hold the same numbers; [batch] and [batch, 1] do. */
export function requireAlike(where: string, predicted: Shape, target: Shape): void {
  if (areAlike(predicted, target)) return;
  fail(where, {
    expected: `targets of the predictions' shape ${formatShape(predicted)}`,
    got: formatShape(target),
    fix: "one target per number that the model predicts",
  });
}

const areAlike = (a: Shape, b: Shape) => sameShape(withoutLastOne(a), withoutLastOne(b));

/** [batch, 1] as [batch]; other shapes as they are. */
export function withoutLastOne(shape: Shape): Shape {
  return shape.at(-1) === 1 && shape.some(isBatchDim) ? shape.slice(0, -1) : shape;
}
