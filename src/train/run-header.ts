/** What a run's folder tells without reading its numbers: where its last checkpoint stands, and whether a process is writing. */
import * as fs from "node:fs/promises";
import { join } from "node:path";
import { failToAccess } from "../data/files.ts";
import { metadataKey } from "../safetensors/format.ts";
import type { CheckpointHeader } from "./checkpoint.ts";
import { headerKey } from "./run-folder.ts";

/** The header of a run's last sealed checkpoint that can be read; undefined where there is none. Numbers are not checked. */
export async function readRunHeader(folder: string): Promise<CheckpointHeader | undefined> {
  const checkpoints = join(folder, "checkpoints");
  const names = await fs.readdir(checkpoints).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return []; // no run, or one that has not begun
    return failToAccess(`read ${checkpoints}`, error, folder);
  });
  const seals = names
    .filter((name) => /^\d+\.json$/.test(name))
    .sort((a, b) => Number.parseInt(b, 10) - Number.parseInt(a, 10));
  for (const seal of seals) {
    const header = await headerOf(join(checkpoints, seal.replace(/json$/, "safetensors")));
    if (header !== undefined) return header;
  }
  return undefined;
}

/** The metadata in front of the numbers; undefined for what is damaged, or was removed by the run meanwhile. */
async function headerOf(path: string): Promise<CheckpointHeader | undefined> {
  const file = await fs.open(path).catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const start = Buffer.alloc(8);
    await file.read(start, 0, 8, 0);
    const { size } = await file.stat();
    const length = Number(start.readBigUInt64LE());
    if (length > size - 8) return undefined;
    const text = Buffer.alloc(length);
    await file.read(text, 0, length, 8);
    return JSON.parse(JSON.parse(text.toString("utf8"))[metadataKey][headerKey]);
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}
