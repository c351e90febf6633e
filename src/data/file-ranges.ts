/** Files read at any place, on Node.js, and what tells one state of a file from another. */
import * as fs from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { sha256 } from "../array/sha256.ts";
import { fail } from "../errors.ts";
import { failToAccess, requireFile, requirePath } from "./files.ts";

/** An open file. */
export interface FileRanges {
  /** In bytes, when it was opened. */
  readonly size: number;
  /** When it was last changed, in milliseconds since 1970. */
  readonly changed: number;
  /** Fills `into` with the bytes from `position` on. Throws where the file ends before. */
  read(into: Uint8Array, position: number): Promise<void>;
  close(): Promise<void>;
}

/** Opens a file for reading at any place. Throws when it does not exist, may not be read or is no file. */
export async function openRanges(path: string): Promise<FileRanges> {
  const { size, mtimeMs } = await stateOf(path);
  const file = await fs.open(path, "r").catch((error) => failToRead(path, error));
  return {
    size,
    changed: mtimeMs,
    async read(into, position) {
      let filled = 0;
      while (filled < into.length) {
        const { bytesRead } = await file.read(into, filled, into.length - filled, position + filled);
        if (bytesRead === 0) becameShorter(path, size, position + filled);
        filled += bytesRead;
      }
    },
    close: () => file.close(),
  };
}

/** The same for a file that was open before. Throws where it was changed in between. */
export async function openRangesAgain(
  path: string,
  before: Pick<FileRanges, "size" | "changed">,
): Promise<FileRanges> {
  const file = await openRanges(path);
  if (file.size === before.size && file.changed === before.changed) return file;
  await file.close();
  return fail(`read ${path}`, {
    expected: "the file as it was when it was opened first",
    got: "one that was changed since",
    fix: "start again when nothing writes to the file any more",
  });
}

/**
 * SHA-256 of the files' full names, sizes and times of change, and of `options`: what a source that reads these files is
 * known by. The content of large files would take too long. Throws like `openRanges`.
 */
export async function fingerprintOfFiles(paths: readonly string[], options: unknown): Promise<string> {
  const states: unknown[] = [];
  for (const path of paths) {
    const { size, mtimeMs } = await stateOf(path);
    states.push([resolve(path), size, mtimeMs]);
  }
  return sha256(new TextEncoder().encode(JSON.stringify([states, options])));
}

async function stateOf(path: string): Promise<{ readonly size: number; readonly mtimeMs: number }> {
  requirePath("read", path);
  const state = await fs.stat(path).catch((error) => failToRead(path, error));
  requireFile(`read ${path}`, state);
  return state;
}

const failToRead = (path: string, error: unknown) =>
  failToAccess(`read ${path}`, error, dirname(resolve(path)));

function becameShorter(path: string, size: number, end: number): never {
  return fail(`read ${path}`, {
    expected: `the ${size} bytes that it had when it was opened`,
    got: `${end}`,
    fix: "start again when nothing writes to the file any more",
  });
}
