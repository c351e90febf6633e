/** The column of sample weights of a source. */
import { formatShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { ColumnSpecs } from "./dataset.ts";

/** Throws unless `weight` is undefined or the name of a column with one float32 number per sample. */
export function requireWeightColumn(name: string, columns: ColumnSpecs, weight: string | undefined): void {
  if (weight === undefined) return;
  const spec = Object.hasOwn(columns, weight) ? columns[weight] : undefined;
  if (spec?.dtype === "float32" && spec.shape.length === 0) return;
  fail(`${name}, weight "${weight}"`, {
    expected: "the name of a column with one float32 number per sample",
    got:
      spec === undefined
        ? `no such column among ${Object.keys(columns).join(", ")}`
        : `${spec.dtype} of shape ${formatShape(spec.shape)}`,
    fix: spec === undefined ? "name one of those" : "give the weights as floats, one per sample",
  });
}
