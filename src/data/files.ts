/** Files, on Node.js. In a browser `files-absent.ts` stands here. */
import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import * as fs from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { fail, kindOf } from "../errors.ts";
import { isLiving, ownLife } from "./process-life.ts";

/**
 * Writes a file so that at `path` there is always either the old content or the whole new one, also when the machine
 * stops in between: a temporary file in the same folder is written, flushed to the disk and renamed. What goes wrong
 * leaves nothing behind. A symbolic link is followed.
 * Throws when the folder does not exist, may not be written to, or is full, and when `path` is a read-only file, a folder,
 * a device or a pipe: the rename would put a file in the place of /dev/null.
 */
export function writeFileAtomically(path: string, bytes: Uint8Array): Promise<void> {
  return writeAtomically(path, (write) => write(bytes));
}

/** The same for what comes in pieces: `use` hands them over in order, and what it throws leaves nothing behind either. */
export async function writeAtomically(
  path: string,
  use: (write: (piece: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<void> {
  await throughTemporary(path, async (temporary, target) => {
    const mode = await modeOf(`write ${path}`, target);
    const file = await fs.open(temporary, "wx");
    try {
      if (mode !== undefined) await file.chmod(mode);
      await use((piece) => file.writeFile(piece)); // from where the last piece ended
      await file.sync();
    } finally {
      await file.close();
    }
    await fs.rename(temporary, target);
    await flushFolder(dirname(target));
  });
}

/**
 * Throws now what `writeFileAtomically` would throw after hours of work, as far as that can be known: it makes an empty
 * file in the folder and removes it, and what earlier processes have left there when they were killed.
 */
export async function requireWritable(path: string): Promise<void> {
  await throughTemporary(path, async (temporary, target) => {
    await modeOf(`write ${path}`, target);
    await (await fs.open(temporary, "wx")).close();
    await fs.rm(temporary);
    await removeTemporaries(dirname(target)).catch(() => {}); // a folder that may be written to, and not read
  });
}

/** Hands over a temporary name in the folder of what `path` leads to, and cleans up and explains what goes wrong. */
async function throughTemporary(
  path: string,
  use: (temporary: string, target: string) => Promise<void>,
): Promise<void> {
  requirePath("write", path);
  const target = await targetOf(path);
  const folder = dirname(target);
  const temporary = join(folder, temporaryName());
  try {
    await use(temporary, target);
  } catch (error) {
    await fs.rm(temporary, { force: true }).catch(() => {}); // the first error is the one to tell
    const isThere = await fs.stat(folder).then(
      () => true,
      () => false,
    );
    failToAccess(`write ${path}`, error, folder, isThere ? noNewFiles : noFolder);
  }
}

/**
 * Makes a folder and those above it; true where there was none. Node's own way never ends in a folder that takes none, such as
 * /proc, and says of a read-only disk that nothing of that name is there.
 */
export async function makeFolder(folder: string): Promise<boolean> {
  const make = () =>
    fs.mkdir(folder).then(
      () => true,
      async (error: NodeJS.ErrnoException) => {
        if (error.code !== "EEXIST" || !(await fs.stat(folder)).isDirectory()) throw error;
        return false;
      },
    );
  return make().catch(async (error: NodeJS.ErrnoException) => {
    const parent = dirname(resolve(folder));
    if (error.code !== "ENOENT" || parent === resolve(folder)) throw error;
    await makeFolder(parent);
    return make();
  });
}

/** Not made of the file's name, which may be at its limit. */
const temporaryName = () => `.${temporaryFolderName()}.tmp`;

/** Says whose it is, so that nobody else removes it, and `removeTemporaries` does once that process is gone. */
export function temporaryFolderName(): string {
  const { process: number, started } = ownLife();
  return `microbatch-${thisMachine()}-${number}.${started}-${randomUUID()}`;
}

const thisMachine = () => createHash("sha256").update(hostname()).digest("hex").slice(0, 8);

/**
 * Removes what `writeAtomically` has left in a folder, in processes that were killed, and their temporary folders. Of living ones
 * nothing is touched, nor of other machines, unless the folder is ours alone.
 */
export async function removeTemporaries(folder: string, isOurs = false): Promise<void> {
  for (const name of await fs.readdir(folder)) {
    const [, machine, number, started = ""] =
      /^\.?microbatch-([0-9a-f]{8})-(\d+)\.(\w*)-[^.]+(?:\.tmp)?$/.exec(name) ?? [];
    if (number === undefined && !(isOurs && /^\.microbatch-.*\.tmp$/.test(name))) continue;
    const mayLive = machine === thisMachine() ? isLiving({ process: Number(number), started }) : !isOurs;
    if (mayLive) continue;
    await fs.rm(join(folder, name), { recursive: true, force: true }).catch((error) => {
      if (isOurs) throw error; // else it may be another user's
    });
  }
}

/** What a path leads to, also where a symbolic link names what is not there yet. */
async function targetOf(path: string): Promise<string> {
  return fs.realpath(path).catch(async (error: NodeJS.ErrnoException) => {
    const next = error.code === "ENOENT" ? await fs.readlink(path).catch(() => undefined) : undefined;
    return next === undefined ? resolve(path) : targetOf(resolve(dirname(path), next));
  });
}

/**
 * The permissions of the file that is replaced: its successor must not be open to more readers. Throws for one that nobody
 * may write to, which the rename would put away all the same.
 */
async function modeOf(where: string, target: string): Promise<number | undefined> {
  const existing = await fs.stat(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined; // the usual case: a new file
    throw error;
  });
  if (existing === undefined) return undefined;
  requireFile(where, existing);
  const mode = existing.mode & 0o777;
  if ((mode & 0o222) === 0) {
    const [got, fix] = ["a read-only file", `name another one, or allow it: chmod u+w ${target}`];
    fail(where, { expected: "a file that may be replaced", got, fix });
  }
  return mode;
}

/** Throws for what is no path: callers without types may pass anything. */
export function requirePath(where: string, path: unknown): void {
  if (typeof path === "string" && path !== "") return;
  fail(where, { expected: "the path of a file", got: kindOf(path), fix: "pass a text that is not empty" });
}

/** Throws for what is no file: a pipe or a device might never end, and must not be replaced. */
export function requireFile(where: string, entry: { isFile(): boolean; isDirectory(): boolean }): void {
  if (entry.isFile()) return;
  if (entry.isDirectory()) {
    const [expected, got, fix] = folderInstead;
    fail(where, { expected, got, fix });
  }
  fail(where, { expected: "a file", got: "a device or a pipe", fix: "name a file" });
}

/** The rename itself reaches the disk only with its folder. Windows cannot open folders and does not need to. */
async function flushFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await fs.open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The whole content of a file. Throws when it does not exist, may not be read or is no file. */
export async function readFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  requirePath("read", path);
  try {
    requireFile(`read ${path}`, await fs.stat(path));
    const bytes = await fs.readFile(path);
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } catch (error) {
    return failToAccess(`read ${path}`, error, dirname(resolve(path)), noFile);
  }
}

/**
 * The content of a file that another file names as lying beside it, in its folder or deeper. The folder of what a link leads
 * to counts too: caches of models link every file to one folder of all. Throws like `readFile`, and where a symbolic link
 * leads elsewhere: a forged model must not read what it was not shipped with.
 */
export async function readFileBeside(path: string, location: string): Promise<Uint8Array<ArrayBuffer>> {
  const beside = `${path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf(sep)) + 1)}${location}`;
  try {
    const target = await fs.realpath(beside);
    const folders = [await fs.realpath(dirname(resolve(path))), dirname(await fs.realpath(path))];
    if (folders.some((folder) => isWithin(folder, target))) return await readFile(target);
    fail(path, {
      expected: "files beside it to lie in its folder",
      got: `"${location}", a link to ${target}`,
      fix: "copy the file there, if you trust both",
    });
  } catch (error) {
    return failToAccess(`read ${beside}`, error, dirname(resolve(beside)), noFile);
  }
}

function isWithin(folder: string, target: string): boolean {
  const way = relative(folder, target);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** The content of a file in pieces of 1 MiB (the last is shorter). Throws like `readFile`, and for what is no file. */
export async function* readPieces(path: string): AsyncGenerator<Uint8Array> {
  requirePath("read", path);
  const where = `read ${path}`;
  try {
    requireFile(where, await fs.stat(path));
    yield* createReadStream(path, { highWaterMark: 2 ** 20 });
  } catch (error) {
    failToAccess(where, error, dirname(resolve(path)), noFile);
  }
}

/** Throws the system's error as a proof; errors that are proofs already pass through. */
export function failToAccess(where: string, error: unknown, folder: string, missing: Reason = noFile): never {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const proof = code === "ENOENT" ? missing : typeof code === "string" ? proofs[code] : undefined;
  if (proof === undefined) throw error;
  const [expected, got, fix] = proof.map((part) => part.replace("FOLDER", () => folder));
  return fail(where, { expected: expected!, got: got!, fix: fix! }, { cause: error });
}

/** Expected, got, fix; FOLDER stands for the folder of the file. */
type Reason = readonly [string, string, string];

const noFile: Reason = ["a file", "nothing of that name", "check the name; the folder looked in is FOLDER"];
const noFolder: Reason = ["the folder FOLDER", "none of that name", "create it: mkdir -p FOLDER"];
/** The system says the same of /proc, which is there. */
const noNewFiles: Reason = [
  "a folder that takes new files",
  "FOLDER, in which the system makes none",
  "use another folder",
];
const permission: Reason = [
  "permission",
  "a refusal by the system",
  "change the permissions of FOLDER, or use another",
];
const full: Reason = [
  "room on the disk",
  "a full disk or quota",
  "make room in FOLDER, or use another folder",
];
const folderInstead: Reason = ["a file", "a folder of that name", "add the name of a file"];

/** What the codes of system errors mean. */
const proofs: Readonly<Record<string, Reason>> = {
  ENOTDIR: ["a folder in front of the last /", "a file", "put it elsewhere than in FOLDER"],
  EISDIR: folderInstead,
  ENOTEMPTY: folderInstead,
  EEXIST: folderInstead,
  EACCES: permission,
  EPERM: permission,
  EROFS: permission,
  ENOSPC: full,
  EDQUOT: full,
  EFBIG: [
    "a file below the system's size limit",
    "a larger one",
    "raise the limit (ulimit -f), or write less",
  ],
  ENAMETOOLONG: ["a shorter name", "one the system refuses", "shorten it"],
};
