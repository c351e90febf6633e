/** A lock on a folder: one living process at a time. What a dead one has left counts for nothing. */
import { randomUUID } from "node:crypto";
import * as fs from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { failToAccess } from "../data/files.ts";
import { isLiving, ownLife, type ProcessLife } from "../data/process-life.ts";
import { fail } from "../errors.ts";

/** Who holds a lock. */
interface Holder extends ProcessLife {
  readonly id: string;
  readonly host: string;
}

/** What stands in a lock's place. */
interface Found {
  /** Tells it from every other. */
  readonly id: string;
  /** None where it is damaged, or nothing that we write. */
  readonly holder?: Holder;
}

/** Locks a folder, which must be there. Throws where a living process has it. What is returned gives it back. */
export async function acquireLock(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, "lock");
  const own: Holder = { id: randomUUID(), ...ownLife(), host: hostname() };
  const other = await take(path, own).catch((error) => failToAccess(`lock ${folder}`, error, folder));
  if (other !== undefined) refuse(folder, path, other);
  await removeAbandoned(folder).catch(() => {}); // the lock is ours, whatever lies beside it
  return () => released(path, own);
}

/** Who is writing in a folder, as errors call it; undefined where no living process is. */
export async function writerOf(folder: string): Promise<string | undefined> {
  const found = await foundAt(join(folder, "lock")).catch(() => undefined); // what is no lock is nobody's
  const holder = livingHolder(found);
  return holder && `process ${holder.process} on ${holder.host}`;
}

function refuse(folder: string, path: string, { process: number, host }: Holder): never {
  const isHere = host === hostname();
  fail(folder, {
    expected: "a folder that no other run is using",
    got: `process ${number} on ${host}, which ${isHere ? "writes there" : "may be writing there"}`,
    fix: `wait for it, or name another folder${isHere ? "" : `; if that machine or its process is gone, remove ${path}`}`,
  });
}

/** Takes a lock, or says which living process has it. */
async function take(path: string, own: Holder): Promise<Holder | undefined> {
  for (let attempt = 0; ; attempt++) {
    if (await placeWhole(path, own, (whole) => fs.link(whole, path))) return undefined;
    const found = await foundAt(path);
    if (found === undefined) continue; // it was given back just now
    const holder = livingHolder(found);
    if (holder !== undefined) return holder;
    const other = await takeOver(path, found, own);
    if (other === undefined || (other !== "changed" && attempt > 500)) return other;
    await setTimeout(5);
  }
}

/**
 * Puts an own lock in the place of a dead one's. Several may find it at once, and one that is slow must not put away what
 * another has put there meanwhile: that is for whoever has the lock with the dead one's name, and it looks again first.
 */
async function takeOver(path: string, dead: Found, own: Holder): Promise<Holder | "changed" | undefined> {
  const claim = join(dirname(path), `lock.${dead.id}`);
  const other = await take(claim, own);
  if (other !== undefined) return other;
  try {
    if ((await foundAt(path))?.id !== dead.id) return "changed";
    const isOurs = await placeWhole(path, own, (whole) => fs.rename(whole, path));
    return isOurs ? undefined : "changed";
  } finally {
    await fs.rm(claim, { force: true });
  }
}

/**
 * Writes a file and puts it into its place whole: nobody ever reads half of one. False where the place is taken, and where
 * another has taken the half written file for one that was left behind.
 */
async function placeWhole(
  path: string,
  own: Holder,
  place: (whole: string) => Promise<void>,
): Promise<boolean> {
  const whole = join(dirname(path), `lock.${own.id}.${randomUUID()}`);
  try {
    await fs.writeFile(whole, JSON.stringify(own), { flag: "wx" });
    return await place(whole).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === "EEXIST" || error.code === "ENOENT") return false;
        throw error;
      },
    );
  } finally {
    await fs.rm(whole, { force: true });
  }
}

/** Throws for what can be neither read nor put away: waiting for it would never end. */
async function foundAt(path: string): Promise<Found | undefined> {
  try {
    const entry = await fs.lstat(path);
    const damaged = { id: `damaged-${entry.ino}` };
    if (entry.isSymbolicLink() || entry.size > 65_536) return damaged; // we write neither
    if (!entry.isFile()) {
      const got = entry.isDirectory() ? "a folder" : "a device or a pipe";
      fail(path, {
        expected: "the lock of a run, a file",
        got,
        fix: "move it away, or name another folder for the run",
      });
    }
    const holder = parseHolder(await fs.readFile(path, "utf8"));
    return holder === undefined ? damaged : { id: holder.id, holder };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    return failToAccess(`read ${path}`, error, path);
  }
}

function parseHolder(text: string): Holder | undefined {
  try {
    const { id, host, process: number, started }: Readonly<Record<string, unknown>> = JSON.parse(text) ?? {};
    // The name becomes part of a path. Numbers below 1 are groups of processes.
    if (typeof id !== "string" || !/^[\w-]{1,64}$/.test(id)) return undefined;
    if (typeof host !== "string" || typeof started !== "string") return undefined;
    if (typeof number !== "number" || !Number.isSafeInteger(number) || number < 1) return undefined;
    return { id, host, process: number, started };
  } catch {
    return undefined;
  }
}

/** What processes that were killed while they took a lock have left beside it. It is of no use while the lock is ours. */
async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await fs.readdir(folder)) {
    if (!/^lock\.[\w.-]+$/.test(name)) continue;
    const found = await foundAt(join(folder, name)).catch(() => undefined); // what is no file is not ours
    if (found === undefined || livingHolder(found) !== undefined) continue;
    await fs.rm(join(folder, name), { force: true });
  }
}

async function released(path: string, own: Holder): Promise<void> {
  if ((await foundAt(path))?.id === own.id) await fs.rm(path, { force: true });
}

/** A process of another machine may live, for all that is known here. */
const livingHolder = (found: Found | undefined) =>
  found?.holder !== undefined && (found.holder.host !== hostname() || isLiving(found.holder))
    ? found.holder
    : undefined;
