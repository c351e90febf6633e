/** A dataset whose samples lie in a file of records: only what is being drawn is in memory. */
import type { TypedArray } from "../../array/dtype.ts";
import type { TableSchema } from "../../array/schema.ts";
import { fail } from "../../errors.ts";
import type { ColumnSpecs, Dataset } from "../dataset.ts";
import { noSuchSample } from "../memory.ts";
import type { RecordFile } from "./record-file.ts";
import { type Field, RecordBuffer } from "./record-layout.ts";

/** What a cached dataset is made of. */
export interface CachedParts<Columns extends ColumnSpecs> {
  readonly name: string;
  readonly columns: Columns;
  readonly file: RecordFile;
  readonly fingerprint: string;
  readonly weight?: string;
  readonly schema?: TableSchema;
}

/**
 * The dataset. A read of samples that were read last, for another column, takes them from memory: a microbatch asks for
 * its columns one after the other. The weights, 4 bytes per sample, stay in memory, since whole batches ask for them.
 */
export function cachedDataset<Columns extends ColumnSpecs>(parts: CachedParts<Columns>): Dataset<Columns> {
  const { name, columns, file, weight, schema } = parts;
  const fields = new Map(file.layout.fields.map((field) => [field.name, field]));
  const rows = new RowReader(name, file);
  let weights: Float32Array | undefined;
  return Object.freeze({
    name,
    size: file.samples,
    columns,
    ...(weight !== undefined && { weight }),
    ...(schema !== undefined && { schema }),
    read(column: keyof Columns & string, samples: Uint32Array, into: TypedArray): void {
      const field = fields.get(column) ?? noSuchColumn(name, column, [...fields.keys()]);
      if (column === weight) {
        weights ??= rows.whole(field);
        for (const [at, sample] of samples.entries()) into[at] = weights[sample] ?? rows.refuse(sample);
      } else rows.take(field, samples, into);
    },
    fingerprint: async () => parts.fingerprint,
  } satisfies Dataset<Columns>);
}

/** Reads records, and remembers those it read last. */
class RowReader {
  readonly #name: string;
  readonly #file: RecordFile;
  #buffer: RecordBuffer;
  #last = new Uint32Array(0);

  constructor(name: string, file: RecordFile) {
    this.#name = name;
    this.#file = file;
    this.#buffer = RecordBuffer.of(file.layout, 0);
  }

  take(field: Field, samples: Uint32Array, into: TypedArray): void {
    if (!isSame(samples, this.#last)) this.#read(samples);
    this.#buffer.take(field, 0, samples.length, into);
  }

  /** A column of all samples. */
  whole(field: Field): Float32Array {
    const values = new Float32Array(this.#file.samples);
    const some = RecordBuffer.of(this.#file.layout, 4096);
    for (let from = 0; from < values.length; from += 4096) {
      const count = Math.min(4096, values.length - from);
      const { stride } = this.#file.layout;
      this.#file.readBytes(some.bytes, from * stride, count * stride);
      some.take(field, 0, count, values, from);
    }
    return values;
  }

  refuse(sample: number): never {
    return noSuchSample(this.#name, sample, this.#file.samples);
  }

  #read(samples: Uint32Array): void {
    const { layout } = this.#file;
    for (const sample of samples) if (sample >= this.#file.samples) this.refuse(sample);
    if (this.#buffer.bytes.length < samples.length * layout.stride) {
      this.#buffer = RecordBuffer.of(layout, samples.length);
    }
    this.#last = new Uint32Array(0); // what is half read is not remembered
    this.#file.read(samples, this.#buffer.bytes);
    this.#last = samples.slice(); // the caller may use its array again
  }
}

function isSame(a: Uint32Array, b: Uint32Array): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

function noSuchColumn(where: string, column: string, columns: readonly string[]): never {
  return fail(where, {
    expected: `one of the columns ${columns.join(", ")}`,
    got: `"${column}"`,
    fix: "read one of those",
  });
}
