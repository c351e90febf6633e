/**
 * CONTRACT of a source: typed samples in a fixed order, piece by piece, the same every time they are asked
 * for. A source knows a format; where its samples are kept, in memory or in a cache, is decided by who opens
 * it.
 */
import type { TypedArray } from "../array/dtype.ts";
import type { TableSchema } from "../array/schema.ts";
import type { ColumnSpecs, Dataset } from "./dataset.ts";

/** Consecutive samples: for every column `samples` values, one behind the other. */
export interface Piece<Columns extends ColumnSpecs = ColumnSpecs> {
  readonly samples: number;
  readonly columns: { readonly [Name in keyof Columns]: TypedArray };
}

/**
 * An opened source: its columns are known, nothing has been read but what was needed to know them. Data is
 * what its samples are where they are kept: a dataset, or one that knows more of them.
 */
export interface Source<
  Columns extends ColumnSpecs = ColumnSpecs,
  Data extends Dataset<Columns> = Dataset<Columns>,
> {
  /** What to call it in errors: a file name, a folder, a pattern. */
  readonly name: string;
  readonly columns: Columns;
  /** How many samples come, where that is known without reading them all. */
  readonly size?: number;
  /** Name of the float32 column [] with one weight per sample, if samples are weighted. */
  readonly weight?: string;
  /** For tables: what the columns mean. */
  readonly schema?: TableSchema;
  /** SHA-256 of what the samples are made from: the files' bytes or their names, sizes and times, and every option. */
  fingerprint(): Promise<string>;
  /** All samples in order. May be called again; what is open is closed when the reader stops early. */
  pieces(): AsyncGenerator<Piece<Columns>, void>;
  /** What the last reading that came to its end has found, as plain JSON, which a cache keeps. Default: nothing. */
  report?(): unknown;
  /** The kept samples with what else is known of them. report: what `report` gave when they were read. */
  dataOf?(dataset: Dataset<Columns>, report: unknown): Data;
}
