/** A JSON Lines file in a cache on disk: read once by a process of its own, opened at once from then on. */
import { type CacheOptions, datasetOf, openOrMake } from "../cache/cache.ts";
import { makeInOwnProcess } from "../cache/own-process.ts";
import { fingerprintOfFiles } from "../file-ranges.ts";
import { moduleBeside } from "../module-beside.ts";
import { tokenizersOf } from "../table/columns/texts.ts";
import { identityOf } from "../table/formats/input.ts";
import { type Table, type TableReport, tableOf } from "../table/table-data.ts";
import type { LinesTask } from "./build-json-lines.ts";
import { checkLinesOptions, type JsonLinesOptions } from "./json-lines.ts";

/**
 * The same as `jsonLines`, with its samples in a cache on disk, as `cachedTable` keeps them: the first time a
 * process of its own reads the file, and from then on it is opened at once, without reading the file, until
 * that changes.
 * Throws what `jsonLines` throws.
 */
export async function cachedJsonLines(
  path: string,
  options: JsonLinesOptions = {},
  cache: CacheOptions = {},
): Promise<Table> {
  checkLinesOptions(path, options);
  const opened = await openOrMake(
    {
      name: path,
      identity: JSON.stringify({ kind: "json lines", file: identityOf(path), options }),
      fingerprint: await fingerprintOfFiles([path, ...tokenizersOf(options.texts)], ["json lines", options]),
      make: (out) => {
        const task: LinesTask = { path, options, out };
        return makeInOwnProcess(path, moduleBeside(import.meta.url, "./build-json-lines"), task);
      },
    },
    cache,
  );
  // Written by build-json-lines.ts, which is part of this package; the manifest's version says so.
  return tableOf(datasetOf(opened, cache), opened.manifest.extra as TableReport);
}
