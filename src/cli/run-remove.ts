/** microbatch runs remove. */
import { readdir, rm, rmdir } from "node:fs/promises";
import { basename, join } from "node:path";
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
  await requireOwnFiles(where, folder);
  const release = await acquireLock(folder); // a run that begins now would lose its files
  try {
    for (const name of [...Object.values(runFiles), "checkpoints"])
      await rm(join(folder, name), { recursive: true, force: true });
  } finally {
    await release();
  }
  await rmdir(folder).catch((error) => failToAccess(where, error, folder));
  print(json === true ? JSON.stringify({ removed: folder }) : `Removed ${folder}.`);
}

/** Somebody's own notes beside a run are not ours to remove. */
async function requireOwnFiles(where: string, folder: string): Promise<void> {
  const own = new Set<string>([...Object.values(runFiles), "checkpoints", "lock"]);
  const isOurs = (name: string) => own.has(name) || /^(\.microbatch-.*\.tmp|lock\..*)$/.test(name);
  const isCheckpoint = (name: string) => /^(\d+\.(json|safetensors)|\.microbatch-.*\.tmp)$/.test(name);
  const others = [
    ...(await readdir(folder)).filter((name) => !isOurs(name)),
    ...(await readdir(join(folder, "checkpoints"))).filter((name) => !isCheckpoint(name)),
  ];
  if (others.length === 0) return;
  fail(where, {
    expected: "a folder that holds a run and nothing else",
    got: others.slice(0, 3).join(", "),
    fix: `move what is yours out of ${basename(folder)}`,
  });
}
