/** A table in a cache on disk: read once by a process of its own, larger than memory if need be, opened at once from then on. */
import { type ChildProcess, fork } from "node:child_process";
import { fail, MicrobatchError } from "../../errors.ts";
import { type CacheOptions, datasetOf, openOrMake } from "../cache/cache.ts";
import type { Made } from "../cache/manifest.ts";
import { moduleBeside } from "../module-beside.ts";
import type { BuildAnswer, BuildTask } from "./build-table.ts";
import { fingerprintOfTable, identityOf, inputName, type TableInput } from "./input.ts";
import type { TableOptions } from "./options.ts";
import { checkOptions } from "./options.ts";
import { type Table, type TableReport, tableOf } from "./table.ts";

/**
 * The same as `table`, with its samples in a cache on disk (see `cached`): the first time a process of its own reads the
 * file, in about 400 MB of memory whatever its size, and from then on it is opened at once, until the file changes.
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
      fingerprint: await fingerprintOfTable(input),
      make: (out) => inOwnProcess({ input, options, out }),
    },
    cache,
  );
  // Written by build-table.ts, which is part of this package; the manifest's version says so.
  const report = opened.manifest.extra as TableReport;
  return tableOf(datasetOf(opened, cache), report);
}

/** The file is read in a process of its own: what it takes is given back to the last byte, and it has its own limit. */
function inOwnProcess(task: BuildTask): Promise<Made> {
  const child = fork(moduleBeside(import.meta.url, "./build-table"), {
    serialization: "advanced",
    execArgv: ["--max-old-space-size=160"],
  });
  return new Promise<Made>((resolve, reject) => {
    let answer: BuildAnswer | undefined;
    child.once("message", (message) => {
      answer = message as BuildAnswer; // build-table.ts sends nothing else
    });
    child.once("error", reject);
    child.once("close", (code, signal) => settle(task, answer, code ?? signal, resolve, reject));
    child.send(task);
  }).finally(() => stop(child));
}

function settle(
  { input }: BuildTask,
  answer: BuildAnswer | undefined,
  end: number | string | null,
  resolve: (made: Made) => void,
  reject: (error: unknown) => void,
): void {
  if (answer !== undefined && "made" in answer) resolve(answer.made);
  else if (answer !== undefined && "proof" in answer) reject(new MicrobatchError(answer.where, answer.proof));
  else if (answer !== undefined) reject(new Error(answer.bug));
  else {
    try {
      fail(inputName(input), {
        expected: "the process that reads the table to finish",
        got: `its end (${end})`,
        fix: "free memory, or read fewer lines; if it happens again, report it",
      });
    } catch (error) {
      reject(error);
    }
  }
}

function stop(child: ChildProcess): void {
  if (child.connected) child.disconnect();
}
