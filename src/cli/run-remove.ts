/** microbatch runs remove. */
import { lstat, readdir, readlink, rm, rmdir } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { failToAccess } from "../data/files.ts";
import { fail } from "../errors.ts";
import { acquireLock } from "../train/run-lock.ts";
import { runFiles } from "./run-files.ts";
import { requireRun } from "./run-look.ts";
import type { RunsFlags } from "./runs.ts";
import { print } from "./say.ts";

/** Removes a run's folder. Throws for one that is running, for what is no run, and where files lie in it that are not the run's. */
export async function runRemove(folder: string, { json }: RunsFlags): Promise<void> {
  const where = `runs remove ${folder}`;
  await requireRun(where, folder);
  const path = resolve(folder); // "." cannot be removed, and behind a link's last / lies what it leads to
  await requireNoLink(where, path);
  await requireOwnFiles(where, path);
  const release = await acquireLock(path); // a run that begins now would lose its files
  try {
    for (const name of await readdir(path)) {
      if (!/^lock(\..*)?$/.test(name)) await rm(join(path, name), { recursive: true, force: true });
    }
  } catch (error) {
    failToAccess(where, error, path);
  } finally {
    await release();
  }
  await rmdir(path).catch((error) => failToAccess(where, error, path));
  print(json === true ? JSON.stringify({ removed: folder }) : `Removed ${folder}.`);
}

/** The run that a link leads to may be somebody else's. */
async function requireNoLink(where: string, path: string): Promise<void> {
  if (!(await lstat(path)).isSymbolicLink()) return;
  const target = await readlink(path);
  fail(where, {
    expected: "the folder of a run",
    got: `a link to ${target}`,
    fix: "name the folder itself",
  });
}

/** Somebody's own notes beside a run are not ours to remove. */
async function requireOwnFiles(where: string, folder: string): Promise<void> {
  const own = new Set<string>([...Object.values(runFiles), "checkpoints", "lock"]);
  const isOurs = (name: string) => own.has(name) || /^(\.microbatch-.*\.tmp|lock\..*)$/.test(name);
  const isCheckpoint = (name: string) => /^(\d+\.(json|safetensors)|\.microbatch-.*\.tmp)$/.test(name);
  const others = [
    ...(await readdir(folder)).filter((name) => !isOurs(name)),
    ...(await checkpointFiles(folder)).filter((name) => !isCheckpoint(name)),
  ];
  if (others.length === 0) return;
  fail(where, {
    expected: "a folder that holds a run and nothing else",
    got: others.slice(0, 3).join(", "),
    fix: `move what is yours out of ${basename(folder)}`,
  });
}

/** Empty where "checkpoints" is a file: then it is nobody's. */
async function checkpointFiles(folder: string): Promise<readonly string[]> {
  const path = join(folder, "checkpoints");
  if ((await lstat(path)).isSymbolicLink()) return []; // only the link is removed
  return readdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOTDIR") return [];
    return failToAccess(`read ${path}`, error, path);
  });
}
