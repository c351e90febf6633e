/** microbatch cache list and clear. */
import { type CacheEntry, cacheFolder, clearCaches, listCaches } from "../data/cache/cache.ts";
import { digits } from "../report/console.ts";
import type { CacheFlags } from "./cache.ts";
import { print } from "./say.ts";

/** Prints what is in the cache, the latest first. */
export async function runCacheList(flags: CacheFlags): Promise<void> {
  const entries = await listCaches(flags);
  const folder = cacheFolder(flags);
  if (flags.json === true) return print(JSON.stringify({ folder, caches: entries }));
  if (entries.length === 0) return print(`${folder}: empty`);
  print(`${folder}: ${sizeOf(entries)}`);
  for (const line of linesOf(entries)) print(line);
}

/** Removes what was made from a table, or everything, and says what that was. */
export async function runCacheClear(table: string | undefined, flags: CacheFlags): Promise<void> {
  const removed = await clearCaches({ ...flags, ...(table !== undefined && { name: table }) });
  const folder = cacheFolder(flags);
  if (flags.json === true) return print(JSON.stringify({ folder, removed }));
  if (removed.length === 0) {
    return print(`${folder}: nothing ${table === undefined ? "to remove" : `was made from ${table}`}`);
  }
  for (const line of linesOf(removed)) print(line);
  print(`Removed ${sizeOf(removed)}.`);
}

function linesOf(entries: readonly CacheEntry[]): string[] {
  return entries.map(({ name, samples, bytes, made }) => {
    const count = `${samples.toLocaleString("en-US")} samples`;
    return `  ${megabytes(bytes).padStart(10)}  ${count.padStart(20)}  ${made.slice(0, 16).replace("T", " ")}  ${name}`;
  });
}

const sizeOf = (entries: readonly CacheEntry[]) =>
  `${entries.length} cache${entries.length === 1 ? "" : "s"}, ${megabytes(entries.reduce((sum, { bytes }) => sum + bytes, 0))}`;

const megabytes = (bytes: number) => `${digits(bytes / 2 ** 20)} MiB`;
