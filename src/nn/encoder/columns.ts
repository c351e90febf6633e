/** The columns of a row, as an encoder takes them. */
import { int32 } from "../../array/array.ts";
import type { DType } from "../../array/dtype.ts";
import { formatShape, type Shape, sameShape } from "../../array/shape.ts";
import { fail } from "../../errors.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";
import { concat, reshape } from "../../ops/movement.ts";
import { less, where } from "../../ops/selection.ts";

/** A row of a table: its columns by name. */
export type EncoderInput = Readonly<Record<string, Tensor>>;

/** float32 [batch, 1], NaN where missing. */
export function numberIn(row: EncoderInput, name: string): Tensor {
  return columnIn(row, name, "float32", ["batch", 1]);
}

/** int32 [batch, 1], −1 where missing. */
export function codesIn(row: EncoderInput, name: string): Tensor {
  return reshape(columnIn(row, name, "int32", ["batch"]), ["batch", 1]);
}

/** As `codesIn` of several columns, [batch, columns], with these codes where one is missing; −1 stays missing. */
export function filledCodesIn(
  row: EncoderInput,
  columns: readonly { readonly name: string; readonly fillCode: number }[],
): Tensor {
  const codes = concat(columns.map(({ name }) => codesIn(row, name)));
  if (columns.every(({ fillCode }) => fillCode < 0)) return codes;
  const fills = constant(int32(columns.map(({ fillCode }) => fillCode)));
  return where(less(codes, 0), fills, codes);
}

function columnIn(row: EncoderInput, name: string, dtype: DType, shape: Shape): Tensor {
  const column = Object.hasOwn(row, name) ? row[name] : undefined;
  if (column?.dtype === dtype && sameShape(column.shape, shape)) return column;
  return fail(`encoder, column "${name}"`, {
    expected: `${dtype} ${formatShape(shape)}`,
    got:
      column === undefined
        ? `only ${Object.keys(row).join(", ")}`
        : `${column.dtype} ${formatShape(column.shape)}`,
    fix: "pass the whole row of the table the statistics were fitted on",
  });
}
