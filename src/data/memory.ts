/** A dataset whose columns lie in memory, one typed array each. */
import { holds, type TypedArray } from "../array/dtype.ts";
import type { TableSchema } from "../array/schema.ts";
import { sha256OfParts } from "../array/sha256.ts";
import { elementCount } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { ColumnSpec, ColumnSpecs, Dataset } from "./dataset.ts";

/** The typed arrays that hold a column's numbers. */
export type ColumnArray =
  | Float32Array<ArrayBufferLike>
  | Int32Array<ArrayBufferLike>
  | Uint8Array<ArrayBufferLike>;

/** A column and its numbers, sample after sample. */
export interface MemoryColumn {
  readonly spec: ColumnSpec;
  readonly data: ColumnArray;
}

/** What memoryDataset is made of. */
export interface MemoryDatasetParts<Columns extends ColumnSpecs> {
  readonly name: string;
  readonly size: number;
  readonly columns: { readonly [Name in keyof Columns]: MemoryColumn };
  readonly weight?: string;
  readonly schema?: TableSchema;
}

/** The dataset; the arrays are not copied, so they must stay as they are. */
export function memoryDataset<Columns extends ColumnSpecs>(
  parts: MemoryDatasetParts<Columns>,
): Dataset<Columns> {
  const { name, size, weight, schema } = parts;
  const held = new Map<string, MemoryColumn>(Object.entries(parts.columns));
  const specs = Object.fromEntries([...held].map(([column, { spec }]) => [column, Object.freeze(spec)]));
  return Object.freeze({
    name,
    size,
    // Object.fromEntries forgets which keys there are; they are those of parts.columns.
    columns: Object.freeze(specs) as Columns,
    ...(weight !== undefined && { weight }),
    ...(schema !== undefined && { schema }),
    isInMemory: true,
    read(column: keyof Columns & string, samples: Uint32Array, into: TypedArray): void {
      const from = held.get(column) ?? noSuchColumn(name, column, [...held.keys()]);
      const stride = elementCount(from.spec.shape);
      requireRoom(`${name}, column "${column}"`, from.spec, samples.length * stride, into);
      // The check above says that both hold the same element type, which is not bigint.
      gather(name, from.data, stride, size, samples, into as ColumnArray);
    },
    fingerprint: () =>
      sha256OfParts(
        [...held].flatMap(([column, { spec, data }]) => [
          JSON.stringify([column, spec, column === weight]),
          data,
        ]),
      ),
  });
}

/**
 * Copies samples of `stride` elements each to the front of `into`. Throws for one that is not there. Short values are copied number
 * by number, long ones in one call each: measured, the two meet near 1 KB.
 */
export function gather(
  name: string,
  data: ColumnArray,
  stride: number,
  size: number,
  samples: Uint32Array,
  into: ColumnArray,
): void {
  for (let at = 0; at < samples.length; at++) {
    const sample = samples[at]!;
    if (sample >= size) noSuchSample(name, sample, size);
    if (stride === 1) into[at] = data[sample]!;
    else if (stride >= 128) into.set(data.subarray(sample * stride, (sample + 1) * stride), at * stride);
    else {
      const [from, to] = [sample * stride, at * stride];
      for (let element = 0; element < stride; element++) into[to + element] = data[from + element]!;
    }
  }
}

function requireRoom(where: string, spec: ColumnSpec, count: number, into: TypedArray): void {
  if (holds(into, spec.dtype) && into.length >= count) return;
  fail(where, {
    expected: `room for ${count} ${spec.dtype} elements`,
    got: `${into.length} elements in a ${into.constructor.name}`,
    fix: `read into a typed array of ${count} ${spec.dtype} elements`,
  });
}

/** Throws for a column that is not in a dataset. */
export function noSuchColumn(where: string, column: string, columns: readonly string[]): never {
  return fail(where, {
    expected: `one of the columns ${columns.join(", ")}`,
    got: `"${column}"`,
    fix: "read one of those",
  });
}

/** Throws for a sample that is not in a dataset. */
export function noSuchSample(where: string, sample: number, size: number): never {
  return fail(where, {
    expected: `samples from 0 to ${size - 1}`,
    got: String(sample),
    fix: "draw samples below the dataset's size",
  });
}
