/** A source's samples in memory, as a dataset. */
import { allocate, bytesPerElement, type TypedArray } from "../array/dtype.ts";
import { elementCount } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { ColumnSpec, ColumnSpecs, Dataset } from "./dataset.ts";
import { type ColumnArray, memoryDataset } from "./memory.ts";
import type { Source } from "./source.ts";

/**
 * Reads a source once and keeps it in memory: 4 bytes for a number or a code, 1 for an element of uint8.
 * Throws what the source throws, when it has no samples, and when they do not fit in memory.
 */
export async function collect<Columns extends ColumnSpecs, Data extends Dataset<Columns> = Dataset<Columns>>(
  source: Source<Columns, Data>,
): Promise<Data> {
  const { name, columns, weight, schema } = source;
  const kept = new Map(
    Object.entries(columns).map(([column, spec]) => [
      column,
      new GrowingArray(`${name}, column "${column}"`, spec, source.size ?? 0),
    ]),
  );
  let size = 0;
  for await (const piece of source.pieces()) {
    size += piece.samples;
    for (const [column, array] of kept) array.push(piece.columns[column]!, piece.samples);
  }
  if (size === 0) {
    fail(name, {
      expected: "at least one sample",
      got: "none",
      fix: "check that the source was written to its end",
    });
  }
  const entries = Object.entries(columns).map(([column, spec]) => [
    column,
    { spec, data: kept.get(column)!.take() },
  ]);
  const dataset = memoryDataset<Columns>({
    name,
    size,
    columns: Object.fromEntries(entries),
    ...(weight !== undefined && { weight }),
    ...(schema !== undefined && { schema }),
  });
  return source.dataOf?.(dataset, source.report?.()) ?? (dataset as Data); // without dataOf that is what Data is
}

/** One column's numbers; grows by half where the source did not know its size. */
class GrowingArray {
  readonly #where: string;
  readonly #dtype: ColumnSpec["dtype"];
  readonly #elements: number;
  #data: TypedArray;
  #length = 0;

  constructor(where: string, { dtype, shape }: ColumnSpec, samples: number) {
    this.#where = where;
    this.#dtype = dtype;
    this.#elements = elementCount(shape);
    // No guess where the size is not known: a single sample may be large.
    this.#data = this.#allocate(samples * this.#elements);
  }

  push(values: TypedArray, samples: number): void {
    const length = this.#length + samples * this.#elements;
    if (length > this.#data.length) {
      const grown = this.#allocate(Math.max(length, Math.ceil(this.#data.length * 1.5)));
      // Both hold the column's dtype.
      (grown as Float32Array).set(this.#data.subarray(0, this.#length) as Float32Array);
      this.#data = grown;
    }
    const added = values.subarray(0, samples * this.#elements);
    (this.#data as Float32Array).set(added as Float32Array, this.#length);
    this.#length = length;
  }

  #allocate(length: number): TypedArray {
    try {
      return allocate(this.#dtype, length);
    } catch (error) {
      const got = `${length * bytesPerElement(this.#dtype)} bytes`;
      const fix = "keep them on disk: cached(source)";
      return fail(this.#where, { expected: "samples that fit in memory", got, fix }, { cause: error });
    }
  }

  /** The numbers, in an array of their own size. */
  take(): ColumnArray {
    const exact = this.#length === this.#data.length ? this.#data : this.#data.slice(0, this.#length);
    return exact as ColumnArray; // allocated for float32, int32 or uint8
  }
}
