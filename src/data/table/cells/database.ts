/** The embedded database that reads tables: DuckDB, which stays off the network and within its memory. */
import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import {
  BLOB,
  blobValue,
  DOUBLE,
  DuckDBDataChunk,
  DuckDBDoubleVector,
  DuckDBFloatVector,
  DuckDBInstance,
  DuckDBIntegerVector,
  type DuckDBValue,
  type DuckDBVector,
  VARCHAR,
} from "@duckdb/node-api";
import { fail, messageOf, type Proof } from "../../../errors.ts";

/** An open database. It computes on threads of its own, so the event loop goes on. */
export interface Database {
  /** Runs a statement without looking at what it returns. */
  run(statement: string): Promise<void>;
  /** The rows of a small result. Cast counts to double: whole numbers come as bigint. */
  rows(query: string): Promise<readonly (readonly DuckDBValue[])[]>;
  /** A large result piece by piece, at most 2048 rows each, in the order of the rows. */
  pieces(query: string): AsyncGenerator<ResultPiece>;
  /**
   * Opens a table to add rows at its end. They are there when it is closed, which no other statement may come
   * before.
   */
  appender(table: string): Promise<Appender>;
}

/** Adds rows to a table. One appender for many rows: to close one takes as long as to add some ten thousand. */
export interface Appender {
  /** At most 2048 rows. The columns are all of the table's, in its order. */
  append(columns: readonly AppendedColumn[]): Promise<void>;
  close(): Promise<void>;
}

/** A column of rows to add: what each row has, or null. */
export interface AppendedColumn {
  readonly type: "double" | "varchar" | "blob";
  readonly values: readonly (number | string | Uint8Array | null)[];
}

/** Some rows of a result. */
export interface ResultPiece {
  readonly rows: number;
  /** The values of each column. */
  readonly columns: readonly PieceColumn[];
}

/** Floats, doubles and integers of which none is missing come as they are, which takes a third of the time. */
export type PieceColumn = readonly DuckDBValue[] | NumberArray;

type NumberArray = Float32Array | Float64Array | Int32Array;

/** What openDatabase may use. */
export interface DatabaseOptions {
  /** What errors call that which is read: the path of the table. */
  readonly name: string;
  readonly threads: number;
  /** A folder, made when needed, for what does not fit in memory. */
  readonly temporaryFolder: string;
  /** In DuckDB's words. Default "1GB"; the process needs about 200 MB more. */
  readonly memoryLimit?: string;
  /** What is said of input that the database cannot read. */
  readonly damaged: Omit<Proof, "got">;
}

/** A database for one table, and a folder for what does not fit in memory. Both are gone when it is closed. */
export interface TableDatabase {
  readonly database: Database;
  /** Made when needed. */
  readonly temporaryFolder: string;
  close(): Promise<void>;
}

/** Opens one. name: what errors call the table. */
export async function openTableDatabase(
  name: string,
  { memoryLimit, threads = Math.min(4, availableParallelism()), damaged }: TableDatabaseOptions,
): Promise<TableDatabase> {
  const temporaryFolder = join(tmpdir(), `microbatch-${randomUUID()}`);
  const limit = memoryLimit === undefined ? {} : { memoryLimit };
  const { database, close } = await openDatabase({ name, threads, temporaryFolder, damaged, ...limit });
  return {
    database,
    temporaryFolder,
    async close() {
      close();
      await rm(temporaryFolder, { recursive: true, force: true });
    },
  };
}

/** What it may use. */
export interface TableDatabaseOptions {
  /** In the database's words; what does not fit goes to temporary files. */
  readonly memoryLimit?: string;
  /** Default: as many as there are cores, at most 4. */
  readonly threads?: number;
  /** What is said of input that the database cannot read. */
  readonly damaged: Omit<Proof, "got">;
}

/** Opens an empty database in memory, hands it to `use`, and closes it whatever happens. */
export async function withDatabase<Result>(
  options: DatabaseOptions,
  use: (database: Database) => Promise<Result>,
): Promise<Result> {
  const { database, close } = await openDatabase(options);
  try {
    return await use(database);
  } finally {
    close();
  }
}

/** Opens an empty database in memory, for who closes it. */
export async function openDatabase(
  options: DatabaseOptions,
): Promise<{ readonly database: Database; close(): void }> {
  const { threads, temporaryFolder, memoryLimit = defaultMemoryLimit } = options;
  const instance = await DuckDBInstance.create(":memory:", {
    threads: String(threads),
    memory_limit: memoryLimit,
    temp_directory: temporaryFolder,
    // Otherwise it downloads extensions when a query seems to want one.
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
  });
  const connection = await instance.connect();
  const explained = async <Result>(work: Promise<Result>) => {
    try {
      return await work;
    } catch (error) {
      return explain(options, error);
    }
  };
  const database: Database = {
    async run(statement) {
      await explained(connection.run(statement));
    },
    rows: async (query) => (await explained(connection.runAndReadAll(query))).getRows(),
    async *pieces(query) {
      const result = await explained(connection.stream(query)); // in insertion order, which DuckDB keeps by default
      let isLast = false;
      try {
        for (;;) {
          const chunk = await explained(result.fetchChunk());
          const rows = chunk?.rowCount ?? 0; // asks the database, so once only
          isLast = rows === 0;
          if (chunk === null || isLast) return;
          const columns = Array.from({ length: chunk.columnCount }, (_, column) =>
            valuesOf(chunk.getColumnVector(column), rows),
          );
          yield { rows, columns };
        }
      } finally {
        // A result that was not read to its end holds its files until it is collected, or until the next statement.
        if (!isLast) await connection.run("select 0").catch(() => {}); // an earlier error is the one to tell
      }
    },
    async appender(table) {
      const appender = await explained(connection.createAppender(table));
      return {
        append: (columns) => explained((async () => appender.appendDataChunk(chunkOf(columns)))()),
        close: () => explained((async () => appender.closeSync())()),
      };
    },
  };
  const close = () => {
    connection.closeSync();
    instance.closeSync();
  };
  return { database, close };
}

/** The numbers are a copy that the database makes for every piece, so they stay as they are. */
function valuesOf(vector: DuckDBVector, rows: number): PieceColumn {
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

function chunkOf(columns: readonly AppendedColumn[]): DuckDBDataChunk {
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

const defaultMemoryLimit = "1GB";

/** What the machine lacks is no mistake of this package: throws it as a proof, and anything else as it is. */
function explain(
  { name, temporaryFolder, memoryLimit = defaultMemoryLimit, damaged }: DatabaseOptions,
  error: unknown,
): never {
  const message = messageOf(error);
  const cause = { cause: error };
  const folder = temporaryFolder.replace(/[\\/][^\\/]*$/, "");
  if (/max_temp_directory_size|No space left on device/.test(message)) {
    const expected = `room for temporary files in ${folder}`;
    fail(
      name,
      { expected, got: "a full disk", fix: "make room there, or name another folder: TMPDIR=…" },
      cause,
    );
  }
  if (message.startsWith("Out of Memory Error")) {
    fail(
      name,
      {
        expected: `a table that ${memoryLimit} of memory and temporary files can hold`,
        got: "a larger one",
        fix: "leave columns out that are no features, or read fewer lines",
      },
      cause,
    );
  }
  if (message.startsWith("IO Error")) {
    fail(
      name,
      {
        expected: "a file, and a folder for temporary files, that can be used to the end",
        got: message.slice("IO Error: ".length).split("\n")[0]!,
        fix: `check the file and the folder ${folder}`,
      },
      cause,
    );
  }
  if (unreadable.test(message)) fail(name, { ...damaged, got: whatItSays(message) }, cause);
  throw error;
}

/** What the database says of its input, without the kind of error in front and the statement behind, which is ours. */
export function whatItSays(message: string, mostLines = 3): string {
  const [told] = message.replace(/^[A-Z][A-Za-z ]* (Error|Exception): /, "").split(/\n\s*LINE \d+:/);
  const lines = told!.split("\n").map((line) => line.trim());
  return lines
    .filter((line) => line !== "")
    .slice(0, mostLines)
    .join(" | ");
}

/** How messages begin, or what is in them, where the fault is the input's; others are faults of the SQL here. */
const unreadable =
  /CSV Error|^(Invalid Input|Invalid|Conversion|Serialization|Not implemented|Out of Range|Missing Extension|TProtocol|Parquet|INTERNAL|Internal)[A-Za-z ]* ?(Error|Exception)/;

/** A text as SQL writes it. */
export function sqlText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A path as DuckDB reads it: brackets, stars and question marks would be a pattern of many files. */
export function sqlPath(path: string): string {
  return sqlText(path.replace(/[[*?]/g, "[$&]"));
}
