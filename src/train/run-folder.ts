/**
 * A run's folder on disk: its checkpoints, its log, and a lock that keeps a second run out.
 *
 *     lock                       who is writing here: process, and when it was started
 *     checkpoints/               of the last steps, two files each: run-checkpoint.ts
 */
import { join } from "node:path";
import { failToAccess, makeFolder, removeTemporaries, requirePath } from "../data/files.ts";
import { fail } from "../errors.ts";
import type { CheckpointStore, SavedCheckpoint, Snapshot } from "./checkpoint.ts";
import {
  encodeCheckpoint,
  numberOf,
  readCheckpoint,
  removeCheckpoint,
  removeUnsealed,
  sealedSteps,
  writeCheckpoint,
} from "./run-checkpoint.ts";
import { acquireLock } from "./run-lock.ts";

/** Options of runFolder. */
export interface RunFolderOptions {
  /** How many checkpoints are kept, the last ones. Each holds the best weights too. Default 2: should the last be damaged, there is one more. */
  readonly keep?: number;
}

/**
 * A folder for a run's checkpoints, made where it is missing. Files are written under temporary names, flushed and renamed, so
 * that whatever ends the process leaves whole ones. A damaged checkpoint is found by its checksum, passed over and told, and
 * removed once there is a newer one; files of other names are not touched. What killed processes have left goes when a run begins.
 * Throws, when the run begins, for a folder that cannot be written to, for one that a living process is using, and for checkpoints
 * that may not be read or that another version of this package has written.
 */
export function runFolder(path: string, { keep = 2 }: RunFolderOptions = {}): CheckpointStore {
  requirePath("runFolder", path);
  if (!(Number.isSafeInteger(keep) && keep >= 1)) {
    fail("runFolder, keep", {
      expected: "a whole number from 1 on",
      got: String(keep),
      fix: "leave it out for 2",
    });
  }
  return new RunFolder(path, keep);
}

const noNewFolders = [
  "a folder that takes new ones",
  "FOLDER, in which the system makes none",
  "use another folder",
] as const;

class RunFolder implements CheckpointStore {
  readonly name: string;
  readonly #checkpoints: string;
  readonly #keep: number;
  #release: (() => Promise<void>) | undefined;
  /** The checkpoint that is being written; resolves in any case. */
  #writing: Promise<void> = Promise.resolve();
  #failure: unknown;
  /** Steps whose checkpoints were passed over. */
  readonly #damaged = new Set<number>();

  constructor(path: string, keep: number) {
    this.name = path;
    this.#checkpoints = join(path, "checkpoints");
    this.#keep = keep;
  }

  async open(): Promise<void> {
    try {
      await makeFolder(this.#checkpoints);
    } catch (error) {
      failToAccess(`make ${this.name}`, error, this.name, noNewFolders);
    }
    this.#release = await acquireLock(this.name);
    try {
      // Whoever left them is gone: the lock is ours.
      for (const folder of [this.name, this.#checkpoints]) await removeTemporaries(folder, true);
      await removeUnsealed(this.#checkpoints);
    } catch (error) {
      await this.close();
      failToAccess(`clear ${this.name}`, error, this.name);
    }
  }

  async load(): Promise<{ readonly found?: SavedCheckpoint; readonly notes: readonly string[] }> {
    const notes: string[] = [];
    for (const step of (await sealedSteps(this.#checkpoints)).reverse()) {
      const read = await readCheckpoint(this.#checkpoints, step);
      if ("found" in read) return { found: read.found, notes };
      this.#damaged.add(step);
      notes.push(`the checkpoint of step ${step} is passed over: ${read.damage}`);
    }
    return { notes };
  }

  async save(snapshot: Snapshot): Promise<void> {
    await this.#writing;
    this.#refuseFailure();
    const bytes = encodeCheckpoint(snapshot);
    this.#writing = this.#write(numberOf(snapshot), bytes)
      .catch((error: unknown) => {
        this.#failure = error;
      })
      .finally(() => bytes.buffer.transfer(0)); // or the next one would be made before this one is collected
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#release?.();
    this.#release = undefined;
    this.#refuseFailure();
  }

  #refuseFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }

  async #write(step: number, bytes: Uint8Array): Promise<void> {
    if (this.#damaged.delete(step)) await removeCheckpoint(this.#checkpoints, step); // it may be a folder
    await writeCheckpoint(this.#checkpoints, step, bytes);
    // Damaged ones count for nothing: whole ones must not make room for them. What lies ahead of the run is not its own.
    const steps = await sealedSteps(this.#checkpoints);
    const whole = steps.filter((one) => one <= step && !this.#damaged.has(one)).slice(-this.#keep);
    for (const old of steps.filter((one) => !whole.includes(one)))
      await removeCheckpoint(this.#checkpoints, old);
  }
}
