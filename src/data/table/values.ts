/** The values of a table's columns as typed arrays. */
import type { FeatureColumn, TargetColumn } from "../../array/schema.ts";
import { elementCount } from "../../array/shape.ts";
import type { ColumnSpec } from "../dataset.ts";
import type { ColumnArray, MemoryColumn } from "../memory.ts";
import { numberStatistics } from "../statistics.ts";
import { codesOf } from "./categories.ts";
import type { Cells } from "./cells.ts";
import type { PieceColumn } from "./database.ts";
import { classText } from "./targets.ts";

/** A column of the dataset and the SQL of its numbers. */
export interface ValueColumn {
  readonly name: string;
  readonly spec: ColumnSpec;
  readonly sql: string;
  /** True where a value is a list: the bytes of its float32 numbers. */
  readonly isList?: boolean;
}

/** Numbers with NaN where they are missing, or codes (see codesOf). */
export async function featureValues(cells: Cells, feature: FeatureColumn): Promise<ValueColumn> {
  const { name } = feature;
  if (feature.kind === "number") {
    const sql = `coalesce(${cells.number(name)}, 'nan'::double)`;
    return { name, spec: { dtype: "float32", shape: [1] }, sql };
  }
  const { categories } = feature;
  return {
    name,
    spec: { dtype: "int32", shape: [], categories },
    sql: await codesOf(cells, name, categories),
  };
}

/** Numbers or classes, none missing. */
export async function targetValues(cells: Cells, target: TargetColumn): Promise<ValueColumn> {
  const { name } = target;
  if (target.task === "regression") {
    return { name, spec: { dtype: "float32", shape: [1] }, sql: cells.number(name) };
  }
  const { categories } = target;
  const sql = await codesOf(cells, name, categories, classText(cells, target));
  return { name, spec: { dtype: "int32", shape: [], categories }, sql };
}

/** One number per sample. */
export function weightValues(cells: Cells, name: string): ValueColumn {
  return { name, spec: { dtype: "float32", shape: [] }, sql: cells.number(name) };
}

/** What readValues gives. */
export interface TableValues {
  readonly columns: Readonly<Record<string, MemoryColumn>>;
  /** Columns whose numbers lose more than a thousandth of their deviation in float32. */
  readonly imprecise: readonly string[];
  /** How many samples have a category that is not in the column's list, where there are any. */
  readonly unlisted: Readonly<Record<string, number>>;
}

/** Columns per query: the database's time to plan one grows with the square of its columns. */
const columnsPerQuery = 64;

/** Reads the columns of all samples, each in one pass. */
export async function readValues(cells: Cells, columns: readonly ValueColumn[]): Promise<TableValues> {
  const arrays = columns.map((column) => allocateValues(column, cells.samples));
  const errors = new Float64Array(columns.length); // the largest rounding error of each column
  for (let start = 0; start < columns.length; start += columnsPerQuery) {
    const some = columns.slice(start, start + columnsPerQuery);
    let first = 0;
    for await (const piece of cells.database.pieces(
      `select ${some.map(({ sql }) => sql).join(", ")} from ${cells.kept}`,
    )) {
      piece.columns.forEach((values, place) => {
        const error = store(some[place]!, values, arrays[start + place]!, first);
        errors[start + place] = Math.max(errors[start + place]!, error);
      });
      first += piece.rows;
    }
  }
  return {
    columns: Object.fromEntries(
      columns.map(({ name, spec }, index) => [name, { spec, data: arrays[index]! }]),
    ),
    imprecise: columns
      .map(({ name }) => name)
      .filter((name, index) => {
        const error = errors[index]!;
        return error > 0 && 1000 * error > numberStatistics(name, arrays[index]!).deviation;
      }),
    unlisted: Object.fromEntries(
      columns
        .map(
          ({ name, spec }, index) => [name, countUnlisted(arrays[index]!, spec.categories?.length)] as const,
        )
        .filter(([, count]) => count > 0),
    ),
  };
}

export function countUnlisted(codes: ColumnArray, unlisted: number | undefined): number {
  let count = 0;
  if (unlisted !== undefined) for (const code of codes) if (code === unlisted) count++;
  return count;
}

/** Room for a column of so many samples. */
export function allocateValues({ spec }: ValueColumn, samples: number): ColumnArray {
  const length = samples * elementCount(spec.shape);
  return spec.dtype === "float32" ? new Float32Array(length) : new Int32Array(length);
}

/** Writes the values of samples into the array from sample `first` on, and gives the largest rounding error. */
export function store(column: ValueColumn, values: PieceColumn, array: ColumnArray, first: number): number {
  if (column.isList) return storeLists(values, array, first, elementCount(column.spec.shape));
  // A loop for each kind of array: one for all of them takes several times as long.
  if (values instanceof Float64Array) return storeDoubles(values, array, first);
  if (!(values instanceof Int32Array)) return storeDoubles(Float64Array.from(values, Number), array, first);
  array.set(values, first);
  return 0;
}

/** A list that is missing is NaN throughout. They were rounded when they were read. */
function storeLists(values: PieceColumn, array: ColumnArray, first: number, elements: number): number {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  for (let row = 0; row < values.length; row++) {
    const list = values[row] as { readonly bytes: Uint8Array } | null; // what the database gives for a blob
    const at = (first + row) * elements;
    if (list === null) array.fill(Number.NaN, at, at + elements);
    else bytes.set(list.bytes, 4 * at);
  }
  return 0;
}

function storeDoubles(values: Float64Array, array: ColumnArray, first: number): number {
  array.set(values, first);
  let largest = 0;
  if (array instanceof Float32Array) {
    for (let row = 0; row < values.length; row++) {
      const error = Math.abs(values[row]! - array[first + row]!);
      if (error > largest) largest = error;
    }
  }
  return largest;
}
