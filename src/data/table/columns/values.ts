/** The values of a table's columns as typed arrays. */
import type { FeatureColumn, TargetColumn } from "../../../array/schema.ts";
import { elementCount } from "../../../array/shape.ts";
import type { ColumnSpec } from "../../dataset.ts";
import type { ColumnArray, MemoryColumn } from "../../memory.ts";
import type { Cells } from "../cells/cells.ts";
import type { PieceColumn } from "../cells/vectors.ts";
import { codesOf } from "./categories.ts";
import { datePartValues } from "./dates.ts";
import { classText } from "./targets.ts";
import type { TextCodes } from "./texts.ts";

/** A column of the dataset and the SQL of its numbers. */
export interface ValueColumn {
  readonly name: string;
  readonly spec: ColumnSpec;
  readonly sql: string;
  /** True where a value is a list: the bytes of its float32 numbers. */
  readonly isList?: boolean;
  /** Where a value is a text: how it becomes codes. */
  readonly text?: TextCodes;
}

/** Numbers with NaN where they are missing, codes (see codesOf), or a part of dates in either form. */
export async function featureValues(cells: Cells, feature: FeatureColumn): Promise<ValueColumn> {
  const { name, ofDate } = feature;
  if (ofDate !== undefined) return datePartValues(cells, feature, ofDate);
  if (feature.kind === "number") {
    return { name, spec: { dtype: "float32", shape: [1] }, sql: floatOf(cells, name) };
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
    return { name, spec: { dtype: "float32", shape: [1] }, sql: floatOf(cells, name) };
  }
  const { categories } = target;
  const sql = await codesOf(cells, name, categories, classText(cells, target));
  return { name, spec: { dtype: "int32", shape: [], categories }, sql };
}

/** One number per sample. */
export function weightValues(cells: Cells, name: string): ValueColumn {
  return { name, spec: { dtype: "float32", shape: [] }, sql: floatOf(cells, name) };
}

/**
 * The SQL of a column's numbers in float32, NaN where they are missing, once all its values are known to be
 * numbers.
 */
export function floatOf(cells: Cells, name: string): string {
  const number = cells.isNumbers(name) ? (cells.raw?.(name) ?? cells.number(name)) : cells.number(name);
  return `coalesce((${number})::float, 'nan'::float)`;
}

/** What readValues gives. */
export interface TableValues {
  readonly columns: Readonly<Record<string, MemoryColumn>>;
  /** How many samples have a category that is not in the column's list, where there are any. */
  readonly unlisted: Readonly<Record<string, number>>;
}

/** Columns per query: the database's time to plan one grows with the square of its columns. */
const columnsPerQuery = 64;

/** Reads the columns of all samples, each in one pass. */
export async function readValues(cells: Cells, columns: readonly ValueColumn[]): Promise<TableValues> {
  const arrays = columns.map((column) => allocateValues(column, cells.samples));
  for (let start = 0; start < columns.length; start += columnsPerQuery) {
    const some = columns.slice(start, start + columnsPerQuery);
    let first = 0;
    for await (const piece of cells.database.pieces(
      `select ${some.map(({ sql }) => sql).join(", ")} from ${cells.kept}`,
    )) {
      piece.columns.forEach((values, place) => {
        store(some[place]!, values, arrays[start + place]!, first);
      });
      first += piece.rows;
    }
  }
  return {
    columns: Object.fromEntries(
      columns.map(({ name, spec }, index) => [name, { spec, data: arrays[index]! }]),
    ),
    unlisted: Object.fromEntries(
      columns
        .map(({ name, spec }, index) => [name, countUnlisted(arrays[index]!, spec)] as const)
        .filter(([, count]) => count > 0),
    ),
  };
}

/** How many codes say that a category is not listed. The codes of a text have no such. */
export function countUnlisted(codes: ColumnArray, { shape, categories }: ColumnSpec): number {
  const unlisted = shape.length === 0 ? categories?.length : undefined;
  let count = 0;
  if (unlisted !== undefined) for (const code of codes) if (code === unlisted) count++;
  return count;
}

/** Room for a column of so many samples. */
export function allocateValues({ spec }: ValueColumn, samples: number): ColumnArray {
  const length = samples * elementCount(spec.shape);
  return spec.dtype === "float32" ? new Float32Array(length) : new Int32Array(length);
}

/** Writes the values of samples into the array from sample `first` on. */
export function store(column: ValueColumn, values: PieceColumn, array: ColumnArray, first: number): void {
  if (column.isList) storeLists(values, array, first, elementCount(column.spec.shape));
  else if (column.text) storeTexts(values, array, first, elementCount(column.spec.shape), column.text);
  else if (ArrayBuffer.isView(values)) array.set(values, first);
  else for (let row = 0; row < values.length; row++) array[first + row] = Number(values[row]);
}

/** A text that is missing is padding throughout. */
function storeTexts(
  values: PieceColumn,
  array: ColumnArray,
  first: number,
  length: number,
  { padding, encode }: TextCodes,
): void {
  for (let row = 0; row < values.length; row++) {
    const text = values[row] ?? null;
    const at = (first + row) * length;
    array.fill(padding, at, at + length);
    if (text !== null) array.set(encode(String(text)), at);
  }
}

/** A list that is missing is NaN throughout. */
function storeLists(values: PieceColumn, array: ColumnArray, first: number, elements: number): void {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  for (let row = 0; row < values.length; row++) {
    const list = values[row] as { readonly bytes: Uint8Array } | null; // what the database gives for a blob
    const at = (first + row) * elements;
    if (list === null) array.fill(Number.NaN, at, at + elements);
    else bytes.set(list.bytes, 4 * at);
  }
}
