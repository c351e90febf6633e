/** What stands in for the missing values of a feature, as it was asked for: checked against what the column is. */
import type { CategoryColumn, FeatureColumn, NumberColumn } from "../../../array/schema.ts";
import { fail, kindOf } from "../../../errors.ts";
import { parseNumber } from "../../numbers.ts";
import type { Filling, MissingPolicy } from "./cleaning.ts";

type Policies = Readonly<Record<string, MissingPolicy>>;

/** The feature with what fills it, where that was asked for. Throws for what cannot fill a column of its kind. */
export function withFilling(path: string, feature: FeatureColumn, policies: Policies = {}): FeatureColumn {
  const { name } = feature;
  const policy = Object.hasOwn(policies, name) ? policies[name] : undefined;
  if (typeof policy !== "object") return feature;
  const where = `${path}, option clean.missing, "${name}"`;
  return feature.kind === "number"
    ? filledNumber(where, feature, policy)
    : filledCategory(where, feature, policy);
}

/** Throws for a target and a weight: no sample without one is trained on. */
export function requireFillable(
  path: string,
  { targets, weights }: { readonly targets: readonly string[]; readonly weights: readonly string[] },
  policies: Policies = {},
): void {
  const name = [...targets, ...weights].find(
    (one) => Object.hasOwn(policies, one) && typeof policies[one] === "object",
  );
  if (name === undefined) return;
  fail(`${path}, option clean.missing`, {
    expected: "features to fill",
    got: `the ${targets.includes(name) ? "target" : "weight"} "${name}"`,
    fix: "remove it",
  });
}

function filledNumber(where: string, feature: NumberColumn, { fill, ...indicator }: Filling): NumberColumn {
  const value =
    fill === "mean" || fill === "median" || fill === "mode" || typeof fill === "number"
      ? fill
      : parseNumber(fill);
  if (value !== undefined) return { ...feature, whenMissing: { fill: value, ...indicator } };
  return fail(where, {
    expected: 'fill to be "mean", "median", "mode" or a number that fits float32: the column has numbers',
    got: kindOf(fill),
    fix: 'for example { fill: "median" }',
  });
}

/** A text that no row has becomes a category of its own; in a column whose order was said it would have no place. */
function filledCategory(where: string, feature: CategoryColumn, filling: Filling): CategoryColumn {
  const { fill, ...indicator } = filling;
  const { categories, isOrdered } = feature;
  const isKnown = categories.some((category) => category === fill);
  if (
    typeof fill !== "string" ||
    fill === "mean" ||
    fill === "median" ||
    (isOrdered && fill !== "mode" && !isKnown)
  ) {
    const listed = categories.map((category) => JSON.stringify(category)).join(", ");
    return fail(where, {
      expected: isOrdered
        ? `fill to be "mode" or one of the column's categories: ${listed}`
        : 'fill to be "mode" or a text: the column has categories',
      got: kindOf(fill),
      fix: 'for example { fill: "mode" }',
    });
  }
  const whenMissing = { fill, ...indicator };
  if (fill === "mode" || isKnown) return { ...feature, whenMissing };
  return { ...feature, categories: [...categories, fill].sort(byCodePoints), whenMissing };
}

/** JavaScript compares halves of surrogate pairs, which stand before other characters that come first. */
function byCodePoints(a: string, b: string): number {
  const [left, right] = [Array.from(a), Array.from(b)];
  const at = left.findIndex((character, index) => character !== right[index]);
  if (at < 0) return left.length - right.length;
  return at >= right.length ? 1 : left[at]!.codePointAt(0)! - right[at]!.codePointAt(0)!;
}
