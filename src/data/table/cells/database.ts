/** The embedded database that reads tables: DuckDB, which stays off the network and within its memory. */
import { rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { type DuckDBConnection, DuckDBInstance, type DuckDBValue } from "@duckdb/node-api";
import type { Proof } from "../../../errors.ts";
import { removeTemporaries, temporaryFolderName } from "../../files.ts";
import { explain } from "./database-errors.ts";
import { type AppendedColumn, chunkOf, type PieceColumn, valuesOf } from "./vectors.ts";

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

/** Some rows of a result. */
export interface ResultPiece {
  readonly rows: number;
  /** The values of each column. */
  readonly columns: readonly PieceColumn[];
}

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

/** What openTableDatabase may use. */
export interface TableDatabaseOptions extends Pick<DatabaseOptions, "memoryLimit" | "damaged"> {
  /** Default: as many as there are cores, at most 4. */
  readonly threads?: number;
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
  await removeTemporaries(tmpdir()).catch(() => {}); // it may not be listed; what is wrong with it is told when it is needed
  const temporaryFolder = join(tmpdir(), temporaryFolderName());
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

/** Opens an empty database in memory, for who closes it. */
export async function openDatabase(
  options: DatabaseOptions,
): Promise<{ readonly database: Database; close(): void }> {
  const { threads, temporaryFolder, memoryLimit = "1GB" } = options;
  const instance = await DuckDBInstance.create(":memory:", {
    threads: String(threads),
    memory_limit: memoryLimit,
    temp_directory: temporaryFolder,
    // Otherwise it downloads extensions when a query seems to want one.
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
  });
  const connection = await instance.connect();
  await connection.run("set TimeZone = 'UTC'"); // else a query's times would be those of this machine's zone
  const explained: Explained = (work) => work.catch((error) => explain({ ...options, memoryLimit }, error));
  const close = () => {
    connection.closeSync();
    instance.closeSync();
  };
  return { database: databaseOf(connection, explained), close };
}

/** What comes of work for the database, whose errors are explained. */
type Explained = <Result>(work: Promise<Result>) => Promise<Result>;

function databaseOf(connection: DuckDBConnection, explained: Explained): Database {
  return {
    async run(statement) {
      await explained(connection.run(statement));
    },
    rows: async (query) => (await explained(connection.runAndReadAll(query))).getRows(),
    pieces: (query) => piecesOf(connection, explained, query),
    async appender(table) {
      const appender = await explained(connection.createAppender(table));
      return {
        append: (columns) => explained((async () => appender.appendDataChunk(chunkOf(columns)))()),
        close: () => explained((async () => appender.closeSync())()),
      };
    },
  };
}

async function* piecesOf(
  connection: DuckDBConnection,
  explained: Explained,
  query: string,
): AsyncGenerator<ResultPiece> {
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
}

/** A text as SQL writes it. */
export function sqlText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A path as DuckDB reads it: brackets, stars and question marks would be a pattern of many files. */
export function sqlPath(path: string): string {
  return sqlText(path.replace(/[[*?]/g, "[$&]"));
}
