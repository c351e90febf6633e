/**
 * A run's folder on disk: its checkpoints, its log, and a lock that keeps a second run out.
 *
 *     lock                       who is writing here: process, and when it was started
 *     checkpoints/00000120.safetensors   parameters, slots, averages, best weights; the rest of the state in its metadata
 *     checkpoints/00000120.json          written last: the bytes and the SHA-256 that the other file must have
 */
import * as fs from "node:fs/promises";
import { join } from "node:path";
import { sha256OfParts } from "../array/sha256.ts";
import { failToAccess, readFile, requirePath, writeFileAtomically } from "../data/files.ts";
import { bug, fail, messageOf } from "../errors.ts";
import { decodeSafetensors } from "../safetensors/decode.ts";
import { encodeSafetensors } from "../safetensors/encode.ts";
import {
  arrayName,
  type CheckpointHeader,
  type CheckpointStore,
  type SavedCheckpoint,
  type Snapshot,
} from "./checkpoint.ts";
import { acquireLock } from "./run-lock.ts";
import { stepsComputed } from "./state.ts";

/** Options of runFolder. */
export interface RunFolderOptions {
  /** How many checkpoints are kept, the last ones. Each holds the best weights too. Default 2: should the last be damaged, there is one more. */
  readonly keep?: number;
}

/**
 * A folder for a run's checkpoints, made where it is missing. Files are written under temporary names, flushed and renamed, so
 * that whatever ends the process leaves whole ones. A damaged checkpoint is found by its checksum, passed over and told.
 * Throws, when the run begins, for a folder that cannot be written to and for one that a living process is using.
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

/** Where a checkpoint's file has everything that is no array. */
export const headerKey = "microbatch.checkpoint";

/** What stands in the file that is written last. */
interface Seal {
  readonly step: number;
  readonly bytes: number;
  readonly sha256: string;
}

class RunFolder implements CheckpointStore {
  readonly name: string;
  readonly #checkpoints: string;
  readonly #keep: number;
  #release: (() => Promise<void>) | undefined;
  /** The checkpoint that is being written; resolves in any case. */
  #writing: Promise<void> = Promise.resolve();
  #failure: unknown;

  constructor(path: string, keep: number) {
    this.name = path;
    this.#checkpoints = join(path, "checkpoints");
    this.#keep = keep;
  }

  async open(): Promise<void> {
    try {
      await fs.mkdir(this.#checkpoints, { recursive: true });
    } catch (error) {
      failToAccess(`make ${this.name}`, error, this.name);
    }
    this.#release = await acquireLock(this.name);
    // Whoever left them is gone: the lock is ours.
    for (const folder of [this.name, this.#checkpoints]) await removeTemporary(folder);
  }

  async load(): Promise<{ readonly found?: SavedCheckpoint; readonly notes: readonly string[] }> {
    const notes: string[] = [];
    for (const step of (await this.#steps()).reverse()) {
      try {
        return { found: await this.#read(step), notes };
      } catch (error) {
        notes.push(`the checkpoint of step ${step} is passed over: ${messageOf(error)}`);
      }
    }
    return { notes };
  }

  async save(snapshot: Snapshot): Promise<void> {
    await this.#writing;
    this.#refuseFailure();
    const bytes = encode(snapshot); // a copy: the run may go on
    this.#writing = this.#write(stepsComputed(snapshot.state), bytes).catch((error: unknown) => {
      this.#failure = error;
    });
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

  async #write(step: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const seal: Seal = { step, bytes: bytes.length, sha256: await sha256OfParts([bytes]) };
    await writeFileAtomically(this.#path(step, "safetensors"), bytes);
    await writeFileAtomically(this.#path(step, "json"), new TextEncoder().encode(JSON.stringify(seal)));
    for (const old of (await this.#steps()).slice(0, -this.#keep)) {
      // The seal first: half a checkpoint must not look like a damaged one.
      for (const ending of ["json", "safetensors"] as const)
        await fs.rm(this.#path(old, ending), { force: true });
    }
  }

  async #read(step: number): Promise<SavedCheckpoint> {
    const path = this.#path(step, "safetensors");
    const seal = JSON.parse(
      new TextDecoder().decode(await readFile(this.#path(step, "json"))),
    ) as Partial<Seal>;
    const bytes = await readFile(path);
    if (seal.bytes !== bytes.length || seal.sha256 !== (await sha256OfParts([bytes]))) {
      fail(path, {
        expected: `the ${seal.bytes} bytes that were written`,
        got: bytes.length === seal.bytes ? "others" : `${bytes.length}`,
        fix: "an older checkpoint is taken where there is one",
      });
    }
    const { arrays, metadata } = decodeSafetensors(bytes, path);
    const header = JSON.parse(
      metadata[headerKey] ?? bug(`${path} is whole and yet no checkpoint`),
    ) as CheckpointHeader;
    return { ...header, arrays };
  }

  /** The steps of all sealed checkpoints, oldest first. */
  async #steps(): Promise<number[]> {
    const names = await fs.readdir(this.#checkpoints);
    const steps = names.flatMap((name) => (/^\d+\.json$/.test(name) ? [Number.parseInt(name, 10)] : []));
    return steps.sort((a, b) => a - b);
  }

  #path(step: number, ending: "json" | "safetensors"): string {
    return join(this.#checkpoints, `${String(step).padStart(8, "0")}.${ending}`);
  }
}

function encode({ regions, ...header }: Snapshot): Uint8Array<ArrayBuffer> {
  const arrays = regions.flatMap(({ name, tensors }) =>
    [...tensors].map(([tensor, array]) => [arrayName(name, tensor), array] as const),
  );
  return encodeSafetensors(new Map(arrays), { [headerKey]: JSON.stringify(header) });
}

async function removeTemporary(folder: string): Promise<void> {
  for (const name of await fs.readdir(folder)) {
    if (/^\.microbatch-.*\.tmp$/.test(name)) await fs.rm(join(folder, name), { force: true });
  }
}
