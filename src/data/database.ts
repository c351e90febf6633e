/** The embedded database that reads tables: DuckDB, which stays off the network and within its memory. */
import { type DuckDBConnection, DuckDBInstance, type DuckDBValue } from "@duckdb/node-api";

/** An open database. It computes on threads of its own, so the event loop goes on. */
export interface Database {
  /** Runs a statement without looking at what it returns. */
  run(statement: string): Promise<void>;
  /** The rows of a small result. Cast counts to double: whole numbers come as bigint. */
  rows(query: string): Promise<readonly (readonly DuckDBValue[])[]>;
  /** Calls `visit` for every value of a large result, in the order of the rows, column after column of each piece. */
  visit(query: string, visit: (column: number, row: number, value: DuckDBValue) => void): Promise<void>;
}

/** What openDatabase may use. */
export interface DatabaseOptions {
  readonly threads: number;
  /** A folder, made when needed, for what does not fit in memory. */
  readonly temporaryFolder: string;
  /** Default "1GB"; the process needs about 200 MB more. */
  readonly memoryLimit?: string;
}

/** Opens an empty database in memory, hands it to `use`, and closes it whatever happens. */
export async function withDatabase<Result>(
  options: DatabaseOptions,
  use: (database: Database) => Promise<Result>,
): Promise<Result> {
  const instance = await DuckDBInstance.create(":memory:", {
    threads: String(options.threads),
    memory_limit: options.memoryLimit ?? "1GB",
    temp_directory: options.temporaryFolder,
    // Otherwise it downloads extensions when a query seems to want one.
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
  });
  try {
    const connection = await instance.connect();
    try {
      return await use(databaseOf(connection));
    } finally {
      connection.closeSync();
    }
  } finally {
    instance.closeSync();
  }
}

function databaseOf(connection: DuckDBConnection): Database {
  return {
    async run(statement) {
      await connection.run(statement);
    },
    rows: async (query) => (await connection.runAndReadAll(query)).getRows(),
    async visit(query, visit) {
      const result = await connection.stream(query); // in insertion order, which DuckDB keeps by default
      let first = 0;
      for (;;) {
        const chunk = await result.fetchChunk();
        const rows = chunk?.rowCount ?? 0; // asks the database, so once only
        if (chunk === null || rows === 0) return;
        for (let column = 0; column < chunk.columnCount; column++) {
          const vector = chunk.getColumnVector(column);
          for (let row = 0; row < rows; row++) visit(column, first + row, vector.getItem(row));
        }
        first += rows;
      }
    },
  };
}

/** A text as SQL writes it. */
export function sqlText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A path as DuckDB reads it: brackets, stars and question marks would be a pattern of many files. */
export function sqlPath(path: string): string {
  return sqlText(path.replace(/[[*?]/g, "[$&]"));
}
