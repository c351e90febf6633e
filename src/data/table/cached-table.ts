/**
 * A table in a cache on disk: read once by a process of its own, larger than memory if need be, opened at
 * once from then on.
 */
import { type CacheOptions, datasetOf, openOrMake } from "../cache/cache.ts";
import { makeInOwnProcess } from "../cache/own-process.ts";
import { fingerprintOfFiles } from "../file-ranges.ts";
import { moduleBeside } from "../module-beside.ts";
import type { BuildTask } from "./build-table.ts";
import { tokenizersOf } from "./columns/texts.ts";
import { fingerprintOfTable, identityOf, inputName, type TableInput } from "./formats/input.ts";
import { checkOptions, type TableOptions } from "./options.ts";
import { type Table, type TableReport, tableOf } from "./table-data.ts";

/**
 * The same as `table`, with its samples in a cache on disk (see `cached`): the first time a process of its
 * own reads the file, in about 400 MB of memory whatever its size, and from then on it is opened at once,
 * until the file changes.
 * Throws what `table` throws.
 */
export async function cachedTable(
  input: TableInput,
  options: TableOptions,
  cache: CacheOptions = {},
): Promise<Table> {
  const name = inputName(input);
  checkOptions(name, options);
  const file = identityOf(input);
  const opened = await openOrMake(
    {
      name,
      identity: JSON.stringify({ kind: "table", file, options }),
      fingerprint: await fingerprintOf(input, options),
      make: (out) => {
        const task: BuildTask = { input, options, out };
        return makeInOwnProcess(name, moduleBeside(import.meta.url, "./build-table"), task);
      },
    },
    cache,
  );
  // Written by build-table.ts, which is part of this package; the manifest's version says so.
  const report = opened.manifest.extra as TableReport;
  return tableOf(datasetOf(opened, cache), report);
}

/** Of the files, and of those that texts are encoded by. */
async function fingerprintOf(input: TableInput, { texts }: TableOptions): Promise<string> {
  const table = await fingerprintOfTable(input);
  const tokenizers = tokenizersOf(texts);
  return tokenizers.length === 0 ? table : fingerprintOfFiles(tokenizers, table);
}
