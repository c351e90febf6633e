/** The place that --out names, and files by whatever name. */
import { stat } from "node:fs/promises";
import { requireWritable } from "../data/files.ts";
import { fail } from "../errors.ts";

/** Throws where nothing can be written, and for a file that the command reads: it would be gone, by whatever name. */
export async function requireOut(out: string, read: readonly string[]): Promise<void> {
  await requireWritable(out);
  for (const path of read) {
    if (!(await isSameFile(path, out))) continue;
    fail("--out", {
      expected: "another file than those that are read",
      got: path === out ? out : `${out}, which is ${path}`,
      fix: "name a new file",
    });
  }
}

/** True for two names of one file. */
export async function isSameFile(one: string, other: string): Promise<boolean> {
  const identity = await identityOf(one);
  return identity !== undefined && identity === (await identityOf(other));
}

/** The same for every name and link of a file; undefined where there is none. */
async function identityOf(path: string): Promise<string | undefined> {
  return stat(path, { bigint: true }).then(
    ({ dev, ino }) => `${dev} ${ino}`,
    () => undefined, // what is not there is told when it is read
  );
}
