/** A source's samples in memory, as a dataset. */
import { allocate, type TypedArray } from "../array/dtype.ts";
import { elementCount } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { ColumnSpecs, Dataset } from "./dataset.ts";
import { type ColumnArray, memoryDataset } from "./memory.ts";
import type { Source } from "./source.ts";

/**
 * Reads a source once and keeps it in memory: 4 bytes for a number or a code, 1 for an element of uint8.
 * Throws what the source throws, and when it has no samples.
 */
export async function collect<Columns extends ColumnSpecs>(
  source: Source<Columns>,
): Promise<Dataset<Columns>> {
  const { name, columns, weight, schema } = source;
  const kept = new Map(
    Object.entries(columns).map(([column, spec]) => [
      column,
      new GrowingArray(spec.dtype, elementCount(spec.shape), source.size ?? 0),
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
  return memoryDataset<Columns>({
    name,
    size,
    columns: Object.fromEntries(entries),
    ...(weight !== undefined && { weight }),
    ...(schema !== undefined && { schema }),
  });
}

/** One column's numbers; grows by half where the source did not know its size. */
class GrowingArray {
  readonly #dtype: "float32" | "int32" | "uint8";
  readonly #elements: number;
  #data: TypedArray;
  #length = 0;

  constructor(dtype: "float32" | "int32" | "uint8", elements: number, samples: number) {
    this.#dtype = dtype;
    this.#elements = elements;
    this.#data = allocate(dtype, Math.max(samples, 256) * elements);
  }

  push(values: TypedArray, samples: number): void {
    const length = this.#length + samples * this.#elements;
    if (length > this.#data.length) {
      const grown = allocate(this.#dtype, Math.max(length, Math.ceil(this.#data.length * 1.5)));
      // Both hold the column's dtype.
      (grown as Float32Array).set(this.#data.subarray(0, this.#length) as Float32Array);
      this.#data = grown;
    }
    const added = values.subarray(0, samples * this.#elements);
    (this.#data as Float32Array).set(added as Float32Array, this.#length);
    this.#length = length;
  }

  /** The numbers, in an array of their own size. */
  take(): ColumnArray {
    const exact = this.#length === this.#data.length ? this.#data : this.#data.slice(0, this.#length);
    return exact as ColumnArray; // allocated for float32, int32 or uint8
  }
}
