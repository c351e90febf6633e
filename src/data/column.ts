/** One value of every sample, all at once: what samplers and divisions go by. */
import { allocate } from "../array/dtype.ts";
import { elementCount, formatShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { ColumnSpec, Dataset } from "./dataset.ts";
import type { ColumnArray } from "./memory.ts";

/** Which column is wanted, of what kind, and what to say where it is not there. */
export interface ColumnRequest {
  readonly where: string;
  readonly data: Dataset;
  readonly column: string;
  /** Classes are whole numbers or categories; values are anything of which a sample has one. */
  readonly wanted: "classes" | "values";
  /** The fix where no column of the dataset would do. */
  readonly otherwise: string;
}

/** The column in memory: 1 byte per sample for uint8, else 4. Throws for a column that is not of the wanted kind. */
export async function readColumn(request: ColumnRequest): Promise<ColumnArray> {
  const { data, column } = request;
  const values = allocateColumn(request);
  for (const { start, samples } of piecesOf(data)) {
    await data.read(column, samples, values.subarray(start, start + samples.length));
  }
  return values;
}

/** Samples in pieces: their numbers would else take as much memory as the column, and records on disk all of theirs. */
function* piecesOf({ size }: Dataset): Generator<{ readonly start: number; readonly samples: Uint32Array }> {
  for (let start = 0; start < size; start += pieceSamples) {
    const length = Math.min(pieceSamples, size - start);
    yield { start, samples: Uint32Array.from({ length }, (_, index) => start + index) };
  }
}

const pieceSamples = 2 ** 16;

/** The same at once. Throws, saying `elsewhere`, for a dataset that is not in memory. */
export function columnInMemory(request: ColumnRequest, elsewhere: string): ColumnArray {
  const { where, data, column } = request;
  const values = allocateColumn(request);
  for (const { start, samples } of piecesOf(data)) {
    const reading = data.read(column, samples, values.subarray(start, start + samples.length));
    if (reading === undefined) continue;
    reading.catch(() => {}); // what it would say is not what is wrong
    fail(where, {
      expected: "a column in memory",
      got: "one that is read from elsewhere",
      fix: elsewhere,
    });
  }
  return values;
}

function allocateColumn(request: ColumnRequest): ColumnArray {
  const { where, data, column, wanted, otherwise } = request;
  const spec = Object.hasOwn(data.columns, column) ? data.columns[column] : undefined;
  if (spec === undefined || !suits(spec, wanted)) {
    const suited = Object.keys(data.columns).filter((name) => suits(data.columns[name]!, wanted));
    fail(where, {
      expected:
        wanted === "classes"
          ? "the name of a column of classes or categories"
          : "the name of a column with one value per sample",
      got: spec === undefined ? `no such column, "${column}"` : `"${column}", ${describe(spec)}`,
      fix: suited.length === 0 ? otherwise : `one of ${suited.join(", ")}`,
    });
  }
  return allocate(spec.dtype, data.size) as ColumnArray; // a column is float32, int32 or uint8
}

function suits({ dtype, shape }: ColumnSpec, wanted: ColumnRequest["wanted"]): boolean {
  return elementCount(shape) === 1 && (wanted === "values" || dtype !== "float32");
}

function describe({ shape }: ColumnSpec): string {
  return elementCount(shape) === 1 ? "a column of numbers" : `a column of shape ${formatShape(shape)}`;
}
