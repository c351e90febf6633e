/** Numbers that are already in memory as a dataset. */
import { elementCount, formatShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { ColumnSpec, Dataset } from "./dataset.ts";
import { type ColumnArray, type MemoryColumn, memoryDataset } from "./memory.ts";

/** Numbers of one column, one value per sample, in one of four forms. */
export type ColumnValues = readonly number[] | readonly (readonly number[])[] | ColumnArray | ShapedValues;

/** A flat typed array with its shape; the first dimension counts samples, the others are one sample's shape. */
export interface ShapedValues {
  readonly data: ColumnArray;
  readonly shape: readonly number[];
}

/** Options of `arrays`. */
export interface ArraysOptions<Name extends string = string> {
  /** The column of sample weights: one finite number per sample, none negative, not all 0. Default: no weights. */
  readonly weight?: Name;
  /** What errors call the dataset. Default "arrays". */
  readonly name?: string;
}

/** One spec per column, under the column's literal name. */
export type ColumnsOf<Names extends PropertyKey> = { readonly [Name in Names]: ColumnSpec };

/**
 * A dataset over numbers in memory; the names of the columns become part of its type.
 *
 *   const data = arrays({ x: [[1, 2], [3, 4]], label: Int32Array.of(0, 1) });
 *
 * number[] → float32, shape [] per sample. number[][] → float32, shape [k]. Float32Array, Int32Array and Uint8Array →
 * their own dtype, shape []. { data, shape: [samples, ...shape] } → shape. Plain numbers are always float32: pass an
 * Int32Array for labels and codes. Typed arrays are not copied, so do not change them afterwards.
 * NaN and infinities are kept, since NaN means missing; weights must be finite.
 *
 * Throws when there is no column or no sample, when columns differ in length, when rows are ragged (naming the sample),
 * and when a number does not fit float32.
 */
export function arrays<const Values extends Readonly<Record<string, ColumnValues>>>(
  values: Values,
  options: ArraysOptions<keyof Values & string> = {},
): Dataset<ColumnsOf<keyof Values>> {
  const { name = "arrays", weight } = options;
  if (typeof values !== "object" || values === null) {
    fail(name, {
      expected: "an object of columns",
      got: describe(values),
      fix: "for example arrays({ x: [1, 2], y: [3, 4] })",
    });
  }
  const columns = Object.entries(values).map(
    ([column, given]) => [column, readColumn(`${name}, column "${column}"`, given)] as const,
  );
  const size = commonLength(name, columns);
  if (weight !== undefined)
    checkWeights(name, weight, columns.find(([column]) => column === weight)?.[1], columns);
  return memoryDataset<ColumnsOf<keyof Values>>({
    name,
    size,
    // Object.fromEntries forgets which keys there are; they are those of `values`.
    columns: Object.fromEntries(columns) as { readonly [Name in keyof Values]: Column },
    ...(weight !== undefined && { weight }),
  });
}

interface Column extends MemoryColumn {
  readonly samples: number;
}

function readColumn(where: string, given: ColumnValues): Column {
  if (isColumnArray(given)) return { ...plain(given, []), samples: given.length };
  if (Array.isArray(given)) {
    // Array.isArray does not narrow a readonly array away from the other forms.
    const list = given as readonly number[] | readonly (readonly number[])[];
    return list.length > 0 && Array.isArray(list[0])
      ? fromRows(where, list as readonly (readonly number[])[]) // the first decides; fromRows checks the others
      : { ...plain(fromNumbers(where, list as readonly number[]), []), samples: list.length };
  }
  return fromShaped(where, given as ShapedValues); // checked there, since JavaScript may pass anything
}

function isColumnArray(value: unknown): value is ColumnArray {
  return value instanceof Float32Array || value instanceof Int32Array || value instanceof Uint8Array;
}

function plain(data: ColumnArray, shape: readonly number[]): MemoryColumn {
  const dtype = data instanceof Float32Array ? "float32" : data instanceof Int32Array ? "int32" : "uint8";
  return { spec: { dtype, shape: Object.freeze([...shape]) }, data };
}

function fromNumbers(where: string, numbers: readonly number[]): Float32Array {
  const data = new Float32Array(numbers.length);
  for (let sample = 0; sample < data.length; sample++) data[sample] = number(where, sample, numbers[sample]);
  return data;
}

function fromRows(where: string, rows: readonly (readonly number[])[]): Column {
  const width = rows[0]!.length;
  const data = new Float32Array(rows.length * width);
  rows.forEach((row, sample) => {
    if (!Array.isArray(row) || row.length !== width || width === 0) {
      fail(where, {
        expected:
          width === 0 ? "at least one number per sample" : `${width} numbers in every sample, as in sample 0`,
        got: Array.isArray(row)
          ? `${row.length} in sample ${sample}`
          : `${describe(row)} as sample ${sample}`,
        fix: "give every sample the same number of numbers",
      });
    }
    for (let at = 0; at < width; at++) data[sample * width + at] = number(where, sample, row[at]);
  });
  return { ...plain(data, [width]), samples: rows.length };
}

function number(where: string, sample: number, value: unknown): number {
  if (typeof value === "number" && (Number.isFinite(Math.fround(value)) || !Number.isFinite(value)))
    return value;
  return fail(where, {
    expected: "numbers that fit float32",
    got: `${describe(value)} in sample ${sample}`,
    fix: typeof value === "number" ? "scale the column" : "use NaN for a missing number",
  });
}

function fromShaped(where: string, given: ShapedValues): Column {
  const { data, shape } = given ?? {};
  if (!isColumnArray(data) || !Array.isArray(shape)) {
    fail(where, {
      expected:
        "number[], number[][], a Float32Array, Int32Array or Uint8Array, or { data, shape } with one of those",
      got: describe(data ?? given),
      fix: "for other typed arrays: Float32Array.from(values)",
    });
  }
  const [samples = 0, ...rest] = shape;
  const isWhole = shape.length > 0 && shape.every((dim) => Number.isInteger(dim) && dim >= 1);
  if (data.length > 0 && (!isWhole || elementCount(shape) !== data.length)) {
    fail(where, {
      expected: `a shape of ${data.length} elements whose first dimension counts samples`,
      got: formatShape(shape),
      fix: `for example [${data.length}] for single numbers`,
    });
  }
  return { ...plain(data, rest), samples };
}

function commonLength(where: string, columns: readonly (readonly [string, Column])[]): number {
  const [first, ...others] = columns;
  if (first === undefined || first[1].samples === 0) {
    fail(where, {
      expected: "at least one column with at least one sample",
      got: first === undefined ? "no columns" : `no samples in column "${first[0]}"`,
      fix: "for example arrays({ x: [1, 2], y: [3, 4] })",
    });
  }
  const size = first[1].samples;
  for (const [name, { samples }] of others) {
    if (samples !== size) {
      fail(where, {
        expected: `${size} samples in every column, as in "${first[0]}"`,
        got: `${samples} in "${name}"`,
        fix: "pass one value per sample in every column",
      });
    }
  }
  return size;
}

function checkWeights(
  name: string,
  weight: string,
  column: Column | undefined,
  columns: readonly (readonly [string, Column])[],
): void {
  const where = `${name}, weight "${weight}"`;
  if (column === undefined || column.spec.dtype !== "float32" || column.spec.shape.length > 0) {
    fail(where, {
      expected: "the name of a column with one float32 number per sample",
      got:
        column === undefined
          ? `no such column among ${columns.map(([name]) => name).join(", ")}`
          : `${column.spec.dtype} of shape ${formatShape(column.spec.shape)}`,
      fix: "pass the weights as number[] or Float32Array",
    });
  }
  const { data } = column;
  const wrong = data.findIndex((value) => !(value >= 0 && value < Number.POSITIVE_INFINITY));
  if (wrong >= 0 || !data.some((value) => value > 0)) {
    fail(where, {
      expected: "finite weights from 0 on, not all 0",
      got: wrong >= 0 ? `${data[wrong]} in sample ${wrong}` : "0 in every sample",
      fix:
        wrong >= 0 ? "give that sample the weight 0 to leave it out" : "give some samples a weight above 0",
    });
  }
}

function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" && value !== null
    ? `a ${value.constructor?.name ?? "object"}`
    : String(value);
}
