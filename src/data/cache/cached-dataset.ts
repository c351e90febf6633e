/** A dataset whose samples lie in a file of records: only what is being drawn is in memory. */
import type { TypedArray } from "../../array/dtype.ts";
import type { TableSchema } from "../../array/schema.ts";
import type { ColumnSpecs, Dataset } from "../dataset.ts";
import { noSuchColumn, noSuchSample } from "../memory.ts";
import { samplesPerBlock } from "./block-reader.ts";
import { Prefetcher } from "./prefetch.ts";
import type { RecordFile } from "./record-file.ts";
import { type Field, RecordBuffer, type RecordLayout } from "./record-layout.ts";

/** What a cached dataset is made of. */
export interface CachedParts<Columns extends ColumnSpecs> {
  readonly name: string;
  readonly columns: Columns;
  readonly file: RecordFile;
  readonly fingerprint: string;
  readonly weight?: string;
  readonly schema?: TableSchema;
}

/** How large a file may be for what. */
export interface CacheLimits {
  /** To be held in memory as it is. */
  readonly bytesInMemory: number;
  /** To be read at random without waiting for the disk. */
  readonly bytesInPageCache: number;
}

/** The dataset: its file is held in memory as it is where it has at most so many bytes, and else read as it is drawn from. */
export function cachedDataset<Columns extends ColumnSpecs>(
  parts: CachedParts<Columns>,
  { bytesInMemory, bytesInPageCache }: CacheLimits,
): Dataset<Columns> {
  const { name, columns, file, weight, schema } = parts;
  const { stride } = file.layout;
  const bytes = file.samples * stride;
  const fits = bytes <= bytesInMemory;
  const isSlow = !fits && bytes > bytesInPageCache;
  return Object.freeze({
    name,
    size: file.samples,
    columns,
    ...(weight !== undefined && { weight }),
    ...(schema !== undefined && { schema }),
    ...(isSlow && { samplesPerBlock: samplesPerBlock(stride) }),
    ...(fits ? fromMemory(parts) : fromDisk(parts)),
    fingerprint: async () => parts.fingerprint,
  });
}

type Reading<Columns extends ColumnSpecs> = Pick<Dataset<Columns>, "read" | "prefetch">;

function fromMemory<Columns extends ColumnSpecs>({ name, file }: CachedParts<Columns>): Reading<Columns> {
  const { layout, samples } = file;
  const records = RecordBuffer.of(layout, samples);
  const bytesAtOnce = 2 ** 30; // Node reads at most 2 GiB in one call
  for (let from = 0; from < records.bytes.length; from += bytesAtOnce) {
    const part = records.bytes.subarray(from, from + bytesAtOnce);
    file.readBytes(part, from, part.length);
  }
  file.close();
  const fieldOf = fieldFinder(name, layout);
  return {
    read(column, wanted, into) {
      for (const sample of wanted) if (sample >= samples) noSuchSample(name, sample, samples);
      records.gather(fieldOf(column), wanted, into);
    },
  };
}

/**
 * A read of samples that were read last, for another column, takes them from memory: a microbatch asks for its columns one
 * after the other. The weights, 4 bytes per sample, stay in memory, since whole batches ask for them.
 */
function fromDisk<Columns extends ColumnSpecs>(parts: CachedParts<Columns>): Reading<Columns> {
  const { name, columns, file, weight } = parts;
  const fieldOf = fieldFinder(name, file.layout);
  const rows = new RowReader(name, file);
  let ahead: Prefetcher | undefined;
  let weights: Float32Array | undefined;
  return {
    read(column, samples, into) {
      const field = fieldOf(column);
      if (column === weight) {
        weights ??= rows.whole(field);
        for (const [at, sample] of samples.entries()) into[at] = weights[sample] ?? rows.refuse(sample);
        return;
      }
      return rows.take(field, samples, into);
    },
    /** A thread of its own reads from now on what is hinted. */
    prefetch(samples) {
      ahead ??= rows.prefetchBy(new Prefetcher(file, columns));
      ahead.hint(samples);
    },
  };
}

function fieldFinder(name: string, { fields }: RecordLayout): (column: string) => Field {
  const known = new Map(fields.map((field) => [field.name, field]));
  return (column) => known.get(column) ?? noSuchColumn(name, column, [...known.keys()]);
}

/** Reads records, and remembers those it read last. */
class RowReader {
  readonly #name: string;
  readonly #file: RecordFile;
  #buffer: RecordBuffer;
  /** Whose records are in the buffer, and whose shall be. */
  #last = new Uint32Array(0);
  #next = new Uint32Array(0);
  #pending: Promise<void> | undefined;
  #prefetcher: Prefetcher | undefined;

  constructor(name: string, file: RecordFile) {
    this.#name = name;
    this.#file = file;
    this.#buffer = RecordBuffer.of(file.layout, 0);
  }

  take(field: Field, samples: Uint32Array, into: TypedArray): void | Promise<void> {
    const finish = () => this.#buffer.take(field, 0, samples.length, into);
    // One after the other: there is one buffer.
    if (this.#pending !== undefined) {
      const wanted = samples.slice();
      return this.#pending.then(() => this.take(field, wanted, into));
    }
    if (isSame(samples, this.#last)) return finish();
    const reading = this.#read(samples);
    return reading === undefined ? finish() : reading.then(finish);
  }

  /** Looks there first from now on. */
  prefetchBy(prefetcher: Prefetcher): Prefetcher {
    this.#prefetcher = prefetcher;
    return prefetcher;
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

  /** Reads the records, at once or, where they are on their way, as soon as they are there. */
  #read(samples: Uint32Array): void | Promise<void> {
    const { layout } = this.#file;
    for (const sample of samples) if (sample >= this.#file.samples) this.refuse(sample);
    if (this.#buffer.bytes.length < samples.length * layout.stride) {
      this.#buffer = RecordBuffer.of(layout, samples.length);
    }
    this.#last = nothing; // what is half read is not remembered
    this.#next = samples.slice(); // the caller may use its array again
    const taken = this.#prefetcher?.take(this.#next, this.#buffer.bytes) ?? false;
    if (typeof taken === "boolean") return this.#finish(taken);
    this.#pending = taken.then((isTaken) => {
      this.#pending = undefined;
      this.#finish(isTaken);
    });
    return this.#pending;
  }

  #finish(isTaken: boolean): void {
    if (!isTaken) this.#file.read(this.#next, this.#buffer.bytes);
    this.#last = this.#next;
  }
}

const nothing = new Uint32Array(0);

function isSame(a: Uint32Array, b: Uint32Array): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}
