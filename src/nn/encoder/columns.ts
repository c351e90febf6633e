/** The columns of a row, as an encoder takes them. */
import type { DType } from "../../array/dtype.ts";
import { formatShape, type Shape, sameShape } from "../../array/shape.ts";
import { fail } from "../../errors.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { reshape } from "../../ops/movement.ts";

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
