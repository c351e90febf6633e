/** A lock on a folder: one living process at a time. What a dead one has left counts for nothing. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import * as fs from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { failToAccess } from "../data/files.ts";
import { fail } from "../errors.ts";

/** Who holds a lock. */
interface Holder {
  readonly id: string;
  readonly process: number;
  readonly host: string;
  /** When the process was started, as the system tells it: a later process may have the same number. */
  readonly started: string;
}

/** Locks a folder, which must be there. Throws where a living process has it. What is returned gives it back. */
export async function acquireLock(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, "lock");
  const own: Holder = {
    id: randomUUID(),
    process: process.pid,
    host: hostname(),
    started: startOf(process.pid),
  };
  for (;;) {
    if (await created(path, own, folder)) return () => released(path, own);
    const holder = await holderOf(path);
    if (holder === undefined) continue; // it was given back just now
    if (holder !== "damaged" && isAlive(holder)) {
      fail(folder, {
        expected: "a folder that no other run is using",
        got: `process ${holder.process} on ${holder.host}, which writes there`,
        fix: "wait for it, or name another folder",
      });
    }
    await putAway(path, holder);
  }
}

/** Who is writing in a folder, as errors call it; undefined where no living process is. */
export async function writerOf(folder: string): Promise<string | undefined> {
  const holder = await holderOf(join(folder, "lock"));
  if (holder === undefined || holder === "damaged" || !isAlive(holder)) return undefined;
  return `process ${holder.process} on ${holder.host}`;
}

async function created(path: string, own: Holder, folder: string): Promise<boolean> {
  // Linked into its place, so that nobody ever reads half of it.
  const whole = `${path}.${own.id}`;
  try {
    await fs.writeFile(whole, JSON.stringify(own), { flag: "wx" });
    await fs.link(whole, path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    return failToAccess(`lock ${folder}`, error, folder);
  } finally {
    await fs.rm(whole, { force: true });
  }
}

async function holderOf(path: string): Promise<Holder | "damaged" | undefined> {
  const text = await fs.readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Holder;
  } catch {
    return "damaged";
  }
}

/** A dead run's lock is moved, which only one of several can do, and looked at again: it may have been another's by then. */
async function putAway(path: string, dead: Holder | "damaged"): Promise<void> {
  const moved = `${path}.${randomUUID()}`;
  try {
    await fs.rename(path, moved);
  } catch {
    return; // somebody else was faster
  }
  const holder = await holderOf(moved);
  const isOther =
    holder !== undefined && holder !== "damaged" && (dead === "damaged" || holder.id !== dead.id);
  if (isOther) await fs.link(moved, path).catch(() => {});
  await fs.rm(moved, { force: true });
}

async function released(path: string, own: Holder): Promise<void> {
  const holder = await holderOf(path);
  if (holder !== undefined && holder !== "damaged" && holder.id === own.id)
    await fs.rm(path, { force: true });
}

/** A process of another machine may live, for all that is known here. */
function isAlive({ process: number, host, started }: Holder): boolean {
  if (host !== hostname()) return true;
  try {
    process.kill(number, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
  return startOf(number) === started;
}

/** When a process was started, in the system's own measure; empty where it does not tell. */
function startOf(number: number): string {
  try {
    const stat = readFileSync(`/proc/${number}/stat`, "utf8");
    // The name of the program stands in brackets and may hold anything; the 20th word behind it is the start.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}
