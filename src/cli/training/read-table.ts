/** A table for training: in memory, or from the cache where it is large or a cache was asked for. */
import { stat } from "node:fs/promises";
import { cachedTable } from "../../data/table/cached-table.ts";
import { filesOf, type TableInput } from "../../data/table/formats/input.ts";
import { type Table, type TableOptions, table } from "../../data/table/table.ts";
import { say } from "../say.ts";
import { tableInput } from "../table-input.ts";

/**
 * Larger files are read once into the cache: in memory they would take several times their size while they
 * are read.
 */
const largestInMemory = 2 ** 28;

/** Reads the table. folder: where its cache shall lie; asking for one makes one. */
export async function readTable(
  path: string,
  options: TableOptions,
  folder: string | undefined,
): Promise<Table> {
  const input = await tableInput(path);
  if (folder === undefined && (await bytesOf(input)) <= largestInMemory) return table(input, options);
  return cachedTable(input, options, {
    ...(folder !== undefined && { folder }),
    onBuild: () =>
      say(`${path}: reading it once into the cache, from which it is opened at once the next time`),
    onRebuild: (reason) => say(reason),
  });
}

/** True for what is kept in the cache. */
export async function isLarge(path: string): Promise<boolean> {
  return (await bytesOf(path)) > largestInMemory;
}

/** Of all its files. What is wrong with them is told where they are read. */
async function bytesOf(input: TableInput): Promise<number> {
  const sizes = (await filesOf(input).catch(() => [])).map((file) =>
    stat(file).then(
      ({ size }) => size,
      () => 0,
    ),
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
