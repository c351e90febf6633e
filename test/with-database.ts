/** A database for a test. */
import { type Database, type DatabaseOptions, openDatabase } from "../src/data/table/cells/database.ts";

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
