/**
 * All samples of a dataset in shared memory, where they lie in memory anyhow and are not many: whoever computes a microbatch then
 * gathers it. Else the thread that leads gathers all of them for all threads, and every thread copies its own once more: 5 % of a
 * LeNet's step on two threads.
 */
import { bytesPerElement, type NumericDType, type TypedArray, viewOf } from "../array/dtype.ts";
import { elementCount } from "../array/shape.ts";
import type { Dataset } from "../data/dataset.ts";
import { type ColumnArray, gather } from "../data/memory.ts";
import { bug } from "../errors.ts";

/** Samples as they are sent to threads. Plain data and shared memory. */
export interface HeldSamples {
  readonly name: string;
  readonly size: number;
  readonly columns: readonly HeldColumn[];
}

interface HeldColumn {
  readonly name: string;
  readonly dtype: NumericDType;
  /** Of one sample. */
  readonly elements: number;
  readonly memory: SharedArrayBuffer;
}

/** Bytes of these columns of all samples. */
export function heldBytes(
  { size, columns }: Pick<Dataset, "size" | "columns">,
  names: readonly string[],
): number {
  return names.reduce((sum, name) => {
    const { dtype, shape } = columns[name]!;
    return sum + size * elementCount(shape) * bytesPerElement(dtype);
  }, 0);
}

/** Holds these columns; undefined where they take more bytes than that, or are not in memory. */
export function holdSamples(
  dataset: Dataset,
  names: readonly string[],
  most: number,
): HeldSamples | undefined {
  const { name, size } = dataset;
  if (dataset.isInMemory !== true || heldBytes(dataset, names) > most) return undefined;
  const all = Uint32Array.from({ length: size }, (_, sample) => sample);
  const columns: HeldColumn[] = [];
  for (const column of names) {
    const { dtype, shape } = dataset.columns[column]!;
    const elements = elementCount(shape);
    const memory = new SharedArrayBuffer(size * elements * bytesPerElement(dtype));
    if (!readsAtOnce(dataset, column, all, viewOf(dtype, memory, 0, size * elements))) return undefined;
    columns.push({ name: column, dtype, elements, memory });
  }
  return { name, size, columns };
}

/** Someone may have made a dataset of one in memory with a way of reading of their own; what it throws is told in training. */
function readsAtOnce(dataset: Dataset, column: string, samples: Uint32Array, into: TypedArray): boolean {
  try {
    const reading = dataset.read(column, samples, into);
    reading?.catch(() => {});
    return reading === undefined;
  } catch {
    return false;
  }
}

/** A thread's view of held samples. */
export class HeldReader {
  readonly #held: HeldSamples;
  readonly #columns: ReadonlyMap<string, { readonly elements: number; readonly values: TypedArray }>;

  constructor(held: HeldSamples) {
    this.#held = held;
    this.#columns = new Map(
      held.columns.map(({ name, dtype, elements, memory }) => [
        name,
        { elements, values: viewOf(dtype, memory, 0, held.size * elements) },
      ]),
    );
  }

  read(column: string, samples: Uint32Array, into: TypedArray): void {
    const { elements, values } = this.#columns.get(column) ?? bug(`the column "${column}" is not held`);
    // Both of the column's dtype, which is one of a dataset's.
    gather(this.#held.name, values as ColumnArray, elements, this.#held.size, samples, into as ColumnArray);
  }
}
