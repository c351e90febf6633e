/** A table for training: in memory, or from the cache where it is large or a cache was asked for. */
import { stat } from "node:fs/promises";
import { cachedTable } from "../../data/table/cached-table.ts";
import { type Table, type TableOptions, table } from "../../data/table/table.ts";
import { say } from "../say.ts";

/** Larger files are read once into the cache: in memory they would take several times their size while they are read. */
const largestInMemory = 2 ** 28;

/** Reads the table. folder: where its cache shall lie; asking for one makes one. */
export async function readTable(
  path: string,
  options: TableOptions,
  folder: string | undefined,
): Promise<Table> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0, // told where it is read
  );
  if (folder === undefined && size <= largestInMemory) return table(path, options);
  return cachedTable(path, options, {
    ...(folder !== undefined && { folder }),
    onBuild: () =>
      say(`${path}: reading it once into the cache, from which it is opened at once the next time`),
    onRebuild: (reason) => say(reason),
  });
}
