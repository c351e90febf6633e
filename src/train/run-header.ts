/** What a run's folder tells without reading its numbers: where its last checkpoint stands. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { CheckpointHeader } from "./checkpoint.ts";
import { lastHeader } from "./run-checkpoint.ts";

/** The header of a run's last sealed checkpoint that can be read; undefined where there is none. Numbers are not checked. */
export async function readRunHeader(folder: string): Promise<CheckpointHeader | undefined> {
  const checkpoints = join(folder, "checkpoints");
  const entry = await stat(checkpoints).catch(() => undefined); // no run, or one that has not begun
  return entry?.isDirectory() ? lastHeader(checkpoints) : undefined;
}
