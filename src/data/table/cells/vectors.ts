/** Columns of the database's results, and of rows to add: its vectors as arrays. */
import {
  BLOB,
  blobValue,
  DOUBLE,
  DuckDBDataChunk,
  DuckDBDoubleVector,
  DuckDBFloatVector,
  DuckDBIntegerVector,
  type DuckDBValue,
  type DuckDBVector,
  VARCHAR,
} from "@duckdb/node-api";

/** A column of rows to add: what each row has, or null. */
export interface AppendedColumn {
  readonly type: "double" | "varchar" | "blob";
  readonly values: readonly (number | string | Uint8Array | null)[];
}

/** Floats, doubles and integers of which none is missing come as they are, which takes a third of the time. */
export type PieceColumn = readonly DuckDBValue[] | NumberArray;

type NumberArray = Float32Array | Float64Array | Int32Array;

/** The values of a column of a piece. The numbers are a copy that the database makes for every piece, so they stay as they are. */
export function valuesOf(vector: DuckDBVector, rows: number): PieceColumn {
  const isNumbers =
    vector instanceof DuckDBFloatVector ||
    vector instanceof DuckDBDoubleVector ||
    vector instanceof DuckDBIntegerVector;
  if (!isNumbers) return vector.toArray();
  // Not in the documented surface of the library, but in its types; 1.5.5 is pinned.
  const { items, validity } = vector as unknown as NumberVector;
  return isWhole(validity.data, rows) ? items.subarray(0, rows) : vector.toArray();
}

/** Whether the bits of all rows are set. */
function isWhole(bits: BigUint64Array | null, rows: number): boolean {
  if (bits === null) return true;
  const words = new Uint32Array(bits.buffer, bits.byteOffset, 2 * bits.length); // numbers are faster than bigints
  for (let row = 0; row < rows; row += 32) {
    const wanted = rows - row >= 32 ? 0xffffffff : 2 ** (rows - row) - 1;
    if ((words[row / 32]! & wanted) >>> 0 !== wanted) return false;
  }
  return true;
}

interface NumberVector {
  readonly items: NumberArray;
  /** Null where no value is missing. */
  readonly validity: { readonly data: BigUint64Array | null };
}

const types = { double: DOUBLE, varchar: VARCHAR, blob: BLOB } as const;

/** Rows as the database takes them. */
export function chunkOf(columns: readonly AppendedColumn[]): DuckDBDataChunk {
  const chunk = DuckDBDataChunk.create(
    columns.map(({ type }) => types[type]),
    columns[0]!.values.length,
  );
  for (const [index, { values }] of columns.entries()) {
    const converted = values.map((value) => (value instanceof Uint8Array ? blobValue(value) : value));
    chunk.setColumnValues(index, converted);
  }
  return chunk;
}
