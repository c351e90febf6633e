/** Where the columns of a sample lie in its record: fixed-row storage, so that one read of a file gives a whole sample. */
import { bytesPerElement, type TypedArray } from "../../array/dtype.ts";
import { elementCount } from "../../array/shape.ts";
import type { ColumnSpec, ColumnSpecs } from "../dataset.ts";
import type { ColumnArray } from "../memory.ts";
import { encodeNpyHeader, npyRowLayout } from "../npy-header.ts";

/** One column of a record. */
export interface Field {
  readonly name: string;
  readonly spec: ColumnSpec;
  /** Elements per sample. */
  readonly elements: number;
  /** Bytes from the record's beginning, a multiple of the element's size. */
  readonly offset: number;
}

/** All of them. Records lie one behind the other. */
export interface RecordLayout {
  readonly fields: readonly Field[];
  /** Bytes from one record to the next, a multiple of 4. */
  readonly stride: number;
}

/** Columns of 4-byte elements first, so that none needs padding but the record's end. */
export function layoutOf(columns: ColumnSpecs): RecordLayout {
  const entries = Object.entries(columns);
  const isWide = ([, { dtype }]: (typeof entries)[number]) => bytesPerElement(dtype) === 4;
  const ordered = [...entries.filter(isWide), ...entries.filter((entry) => !isWide(entry))];
  const { rowBytes, offsets } = npyRowLayout(
    ordered.map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
  );
  const fields = ordered.map(
    ([name, spec], index): Field => ({
      name,
      spec,
      elements: elementCount(spec.shape),
      offset: offsets[index]!,
    }),
  );
  return { fields, stride: rowBytes };
}

/** The header of a file of so many records; its length is the same for any number. */
export function headerOf({ fields }: RecordLayout, samples: number): Uint8Array<ArrayBuffer> {
  const columns = fields.map(({ name, spec: { dtype, shape } }) => ({ name, dtype, shape }));
  return encodeNpyHeader({ fields: columns, rows: samples });
}

/** Records in memory, with a view for each size of element. */
export class RecordBuffer {
  readonly bytes: Uint8Array<ArrayBufferLike>;
  readonly layout: RecordLayout;
  readonly #float32: Float32Array<ArrayBufferLike>;
  readonly #int32: Int32Array<ArrayBufferLike>;

  constructor(layout: RecordLayout, buffer: ArrayBufferLike) {
    this.layout = layout;
    this.bytes = new Uint8Array(buffer);
    this.#float32 = new Float32Array(buffer);
    this.#int32 = new Int32Array(buffer);
  }

  /** Room for so many records, all zero. */
  static of(layout: RecordLayout, records: number): RecordBuffer {
    return new RecordBuffer(layout, new ArrayBuffer(layout.stride * records));
  }

  /** Writes `count` samples of a column, from sample `from` of `values` on, into the records from `record` on. */
  put(field: Field, values: TypedArray, from: number, record: number, count: number): void {
    const [view, step, start] = this.#place(field, record);
    const { elements } = field;
    const source = values as ColumnArray; // both hold the field's dtype, none of which is bigint
    for (let sample = 0, at = start; sample < count; sample++, at += step) {
      copy(source, (from + sample) * elements, view, at, elements);
    }
  }

  /** Reads a column of `count` records from `record` on to the front of `into`, at sample `to`. */
  take(field: Field, record: number, count: number, into: TypedArray, to = 0): void {
    const [view, step, start] = this.#place(field, record);
    const { elements } = field;
    const target = into as ColumnArray; // of the field's dtype, as in `put`
    for (let sample = 0, at = start; sample < count; sample++, at += step) {
      copy(view, at, target, (to + sample) * elements, elements);
    }
  }

  /** Reads a column of the given records to the front of `into`. */
  gather(field: Field, records: Uint32Array, into: TypedArray): void {
    const [view, step, start] = this.#place(field, 0);
    const { elements } = field;
    const target = into as ColumnArray; // of the field's dtype, as in `put`
    if (elements === 1) {
      for (let at = 0; at < records.length; at++) target[at] = view[start + records[at]! * step]!;
      return;
    }
    for (let at = 0; at < records.length; at++) {
      copy(view, start + records[at]! * step, target, at * elements, elements);
    }
  }

  #place({ spec, offset }: Field, record: number): [ColumnArray, number, number] {
    const { stride } = this.layout;
    if (spec.dtype === "uint8") return [this.bytes, stride, record * stride + offset];
    const view = spec.dtype === "float32" ? this.#float32 : this.#int32;
    return [view, stride / 4, (record * stride + offset) / 4];
  }
}

/** Short runs element by element, long ones in one call: measured, the two meet near 1 KB. */
function copy(from: ColumnArray, at: number, into: ColumnArray, to: number, elements: number): void {
  if (elements >= 128) into.set(from.subarray(at, at + elements), to);
  else for (let element = 0; element < elements; element++) into[to + element] = from[at + element]!;
}
