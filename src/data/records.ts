/** Objects as samples: whatever can be iterated. */
import { allocate, bytesPerElement, type TypedArray } from "../array/dtype.ts";
import { sha256, sha256OfParts } from "../array/sha256.ts";
import { elementCount } from "../array/shape.ts";
import { fail, kindOf } from "../errors.ts";
import type { ColumnsOf } from "./arrays.ts";
import { collect } from "./collect.ts";
import type { ColumnSpec, ColumnSpecs, Dataset } from "./dataset.ts";
import { type ValueWriter, valueWriter } from "./record-value.ts";
import type { Piece, Source } from "./source.ts";
import { requireWeightColumn } from "./weight-column.ts";

/** What a column holds. */
export interface RecordColumn {
  readonly dtype: ColumnSpec["dtype"];
  /** Of one sample's value. Default [], a single number. */
  readonly shape?: readonly number[];
  /** For texts: what they may be. The column holds their places in this list as int32. */
  readonly categories?: readonly string[];
}

/** Options of `records`. */
export interface RecordsOptions<Columns extends Readonly<Record<string, RecordColumn>>> {
  /** The properties to read and what they hold; others are not looked at. */
  readonly columns: Columns;
  /** The column of sample weights: float32 []. Default: no weights. */
  readonly weight?: keyof Columns & string;
  /** What errors call the samples. Default "records". */
  readonly name?: string;
}

/** Objects with a property for each column. */
export type RecordsOf<Names extends PropertyKey> =
  | Iterable<{ readonly [Name in Names]: unknown }>
  | AsyncIterable<{ readonly [Name in Names]: unknown }>;

/**
 * The samples that objects hold, in memory: a list, a generator, a stream, rows of a database.
 *
 *   const data = await records(rows, {
 *     columns: {
 *       size: { dtype: "float32" },
 *       pixels: { dtype: "uint8", shape: [28, 28] },
 *       kind: { dtype: "int32", categories: ["cat", "dog"] },
 *     },
 *   });
 *
 * A value is a number; for a shape lists within each other, or one flat list or typed array; for categories a text.
 * float32 takes any number that fits, NaN for a missing one included.
 * Throws, naming sample (from 0) and column, for a value of another kind, out of range, or missing; and for columns
 * that are declared wrongly.
 */
export async function records<const Columns extends Readonly<Record<string, RecordColumn>>>(
  rows: RecordsOf<keyof Columns> | (() => RecordsOf<keyof Columns>),
  options: RecordsOptions<Columns>,
): Promise<Dataset<ColumnsOf<keyof Columns>>> {
  return collect(recordsSource(rows, options));
}

/**
 * The same, piece by piece: a source for who keeps the samples elsewhere. A source is read more than once, for its
 * fingerprint too: pass a list, or a function that returns the objects anew, `() => readRows()`; the same ones in the
 * same order every time. Anything else gives its samples once and throws at the second time.
 */
export function recordsSource<const Columns extends Readonly<Record<string, RecordColumn>>>(
  rows: RecordsOf<keyof Columns> | (() => RecordsOf<keyof Columns>),
  options: RecordsOptions<Columns>,
): Source<ColumnsOf<keyof Columns>> {
  const { name = "records", weight } = options;
  const columns = columnSpecs<Columns>(name, options.columns);
  requireWeightColumn(name, columns, weight);
  const open = opener(name, rows);
  const pieces = () => readPieces<ColumnsOf<keyof Columns>>(name, columns, open());
  return {
    name,
    columns,
    ...(Array.isArray(rows) && { size: rows.length }),
    ...(weight !== undefined && { weight }),
    fingerprint: () => fingerprintOf(columns, weight, pieces()),
    pieces,
  };
}

function columnSpecs<Columns extends Readonly<Record<string, RecordColumn>>>(
  name: string,
  given: Columns,
): ColumnsOf<keyof Columns> {
  const entries = typeof given === "object" && given !== null ? Object.entries<RecordColumn>(given) : [];
  if (entries.length === 0) {
    const fix = 'for example columns: { x: { dtype: "float32" } }';
    fail(name, { expected: "at least one column", got: kindOf(given), fix });
  }
  const specs = entries.map(([column, declared]) => {
    const { dtype, shape = [], categories } = declared ?? {};
    requireColumn(`${name}, column "${column}"`, { dtype, shape, categories });
    return [column, { dtype, shape, ...(categories !== undefined && { categories }) }] as const;
  });
  // Object.fromEntries forgets which keys there are; they are those of `given`.
  return Object.fromEntries(specs) as unknown as ColumnsOf<keyof Columns>;
}

function requireColumn(
  where: string,
  { dtype, shape, categories }: { readonly [Part in keyof Required<RecordColumn>]: unknown },
): void {
  const refuse = (expected: string, got: string, fix: string) => fail(where, { expected, got, fix });
  if (dtype !== "float32" && dtype !== "int32" && dtype !== "uint8") {
    refuse('the dtype "float32", "int32" or "uint8"', kindOf(dtype), "choose one");
  }
  const isShape = Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size > 0);
  if (isShape && elementCount(shape) > largestSample) {
    refuse(
      `at most ${largestSample} elements`,
      JSON.stringify(shape),
      "make parts of the value samples of their own",
    );
  }
  if (!isShape) refuse("a shape of whole numbers from 1 on", kindOf(shape), "for example shape: [28, 28]");
  if (categories === undefined) return;
  const isList = Array.isArray(categories) && categories.every((category) => typeof category === "string");
  if (!isList || categories.length === 0 || new Set(categories).size < categories.length) {
    refuse("categories as a list of different texts", kindOf(categories), 'for example ["cat", "dog"]');
  }
  if (dtype === "int32" && Array.isArray(shape) && shape.length === 0) return;
  refuse(
    "int32 and no shape for a column of categories",
    `${dtype} ${JSON.stringify(shape)}`,
    'dtype: "int32"',
  );
}

const largestSample = 2 ** 28;

type Rows = Iterable<unknown> | AsyncIterable<unknown>;

/** What gives the objects: every time anew, or once. */
function opener(name: string, rows: unknown): () => Rows {
  const requireRows = (value: unknown): Rows =>
    isRows(value)
      ? value
      : fail(name, {
          expected: "objects that can be iterated, or a function that returns them",
          got: kindOf(value),
          fix: "pass a list of objects, or a generator of them",
        });
  if (typeof rows === "function") return () => requireRows(rows());
  const iterable = requireRows(rows);
  if (Array.isArray(rows)) return () => iterable;
  let isRead = false;
  return () => {
    if (isRead) {
      fail(name, {
        expected: "a list, or a function that returns the objects anew, to read them a second time",
        got: "one that gives them once",
        fix: "pass a function: () => readRows()",
      });
    }
    isRead = true;
    return iterable;
  };
}

/** Texts can be iterated too, and are no objects. */
function isRows(value: unknown): value is Rows {
  return (
    typeof value === "object" && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value)
  );
}

/** Bytes and samples of a piece at most. */
const [pieceBytes, pieceSamples] = [2 ** 20, 4096];

interface OpenColumn {
  readonly name: string;
  readonly elements: number;
  readonly allocate: (samples: number) => TypedArray;
  readonly write: ValueWriter;
}

async function* readPieces<Columns extends ColumnSpecs>(
  name: string,
  specs: Columns,
  rows: Rows,
): AsyncGenerator<Piece<Columns>, void> {
  const columns = Object.entries(specs).map(([column, spec]): OpenColumn => {
    const elements = elementCount(spec.shape);
    const ofSamples = (samples: number) => allocate(spec.dtype, samples * elements);
    return { name: column, elements, allocate: ofSamples, write: valueWriter(spec) };
  });
  const sampleBytes = Object.values(specs).reduce(
    (sum, { dtype, shape }) => sum + bytesPerElement(dtype) * elementCount(shape),
    0,
  );
  const most = Math.max(1, Math.min(pieceSamples, Math.floor(pieceBytes / sampleBytes)));
  let arrays = columns.map((column) => column.allocate(most));
  // Object.fromEntries forgets which keys there are; they are the columns'.
  const pieceOf = (samples: number) =>
    ({
      samples,
      columns: Object.fromEntries(columns.map((column, index) => [column.name, arrays[index]!])),
    }) as Piece<Columns>;
  let [first, filled] = [0, 0];
  for await (const row of rows) {
    writeRow(`${name}, sample ${first + filled}`, columns, row, arrays, filled);
    filled++;
    if (filled < most) continue;
    yield pieceOf(filled);
    first += filled;
    filled = 0;
    arrays = columns.map((column) => column.allocate(most));
  }
  if (filled > 0) yield pieceOf(filled);
}

function writeRow(
  where: string,
  columns: readonly OpenColumn[],
  row: unknown,
  arrays: readonly TypedArray[],
  sample: number,
): void {
  if (typeof row !== "object" || row === null) {
    fail(where, { expected: "an object", got: kindOf(row), fix: "give every sample as { column: value }" });
  }
  const values = row as Readonly<Record<string, unknown>>; // an object, see above
  for (const [index, { name, elements, write }] of columns.entries()) {
    write(values[name], arrays[index]!, sample * elements, () => `${where}, column "${name}"`);
  }
}

async function fingerprintOf(
  columns: ColumnSpecs,
  weight: string | undefined,
  pieces: AsyncGenerator<Piece, void>,
): Promise<string> {
  let hash = await sha256OfParts([JSON.stringify([columns, weight])]);
  for await (const piece of pieces) {
    const arrays = Object.entries(columns).map(([column, { shape }]) =>
      piece.columns[column]!.subarray(0, piece.samples * elementCount(shape)),
    );
    hash = await sha256(new TextEncoder().encode(hash + (await sha256OfParts(arrays))));
  }
  return hash;
}
