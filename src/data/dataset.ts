/** CONTRACT of a dataset: named, typed columns of samples, each readable at random. */
import type { TypedArray } from "../array/dtype.ts";
import type { TableSchema } from "../array/schema.ts";

/** One column: what a sample holds under this name. */
export interface ColumnSpec {
  readonly dtype: "float32" | "int32" | "uint8";
  /** Shape of one sample's value: [] a number, [1] a column vector of one, [28, 28] an image. */
  readonly shape: readonly number[];
  /**
   * For codes: what each code means. Codes are 0 … categories.length − 1. In a feature of a table −1 is a missing value, and
   * categories.length a category that is not listed; a target has neither.
   */
  readonly categories?: readonly string[];
  /** For codes of a text: true where they are those of its words (`splitWords`). A saved model then takes the text itself. */
  readonly isWords?: true;
}

/** Columns by name. */
export type ColumnSpecs = Readonly<Record<string, ColumnSpec>>;

/** Samples 0 … size − 1. Reading is pure: the same samples give the same numbers, at any time and in any order. */
export interface Dataset<Columns extends ColumnSpecs = ColumnSpecs> {
  /** What to call it in errors: a file name, or "arrays". */
  readonly name: string;
  readonly size: number;
  readonly columns: Columns;
  /** Name of the float32 column [] with one weight per sample, if samples are weighted. */
  readonly weight?: string;
  /** For tables: what the columns mean. A saved model then takes raw rows, texts included. */
  readonly schema?: TableSchema;
  /**
   * Copies column `column` of the given samples, in order, to the front of `into`. Synchronous where the numbers are in
   * memory. `into` has room for samples.length values of the column.
   */
  read(column: keyof Columns & string, samples: Uint32Array, into: TypedArray): void | Promise<void>;
  /** Where reading copies from memory and does nothing else, so that all samples can be read once more at no cost. */
  readonly isInMemory?: true;
  /**
   * Where reading takes long: these samples will be read next, in this order, some perhaps not at all. A hint, which changes
   * how soon numbers come and never which.
   */
  prefetch?(samples: Uint32Array): void;
  /**
   * Where samples are read from a disk that is slow at random: how many neighbours are read at once. A plan without a sampler
   * then draws with `blockShuffled`.
   */
  readonly samplesPerBlock?: number;
  /** SHA-256 of what the numbers come from, for the record of a run. */
  fingerprint(): Promise<string>;
}
