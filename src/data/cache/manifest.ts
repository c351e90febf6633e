/** What a cache says about itself, and whether that is still true. */
import type { Stats } from "node:fs";
import { open, readFile, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { TableSchema } from "../../array/schema.ts";
import type { ColumnSpecs } from "../dataset.ts";
import { blockBytes, type WrittenRecords } from "./record-file.ts";
import { headerOf, layoutOf } from "./record-layout.ts";

/** The file of records. */
export const samplesFile = "samples.npy";

/** What making a cache gives: the records, and what they are. */
export interface Made extends WrittenRecords {
  readonly columns: ColumnSpecs;
  readonly weight?: string;
  readonly schema?: TableSchema;
  /** What else its maker wants to know when it opens the cache. Plain JSON. */
  readonly extra?: unknown;
}

/** The content of manifest.json. */
export interface Manifest extends Made {
  readonly version: typeof version;
  /** What the samples were made from, for people. */
  readonly name: string;
  readonly fingerprint: string;
  /** When, as ISO 8601 says it. */
  readonly made: string;
  /** When the file of records was last written to, in whole milliseconds since 1970. */
  readonly changed: number;
}

/** The file of the manifest. */
export const manifestFile = "manifest.json";

/** The layout of both files. A cache of another is made anew. */
const version = 2;

/**
 * The text of the file: JSON that begins with the CRC-32 of what stands behind it. A manifest decides what
 * the numbers mean, so that one changed letter in it (a category, the name of the weights) would be as wrong
 * as a changed sample.
 */
export function formatManifest(manifest: Omit<Manifest, "version">): string {
  const text = JSON.stringify({ version, ...manifest } satisfies Manifest).slice(1);
  return `{"checksum":${crc32(text)},${text}`;
}

/** The manifest, or what is wrong with the text, in words. */
export function parseManifest(text: string): Manifest | string {
  const content = text.slice(text.indexOf(",") + 1);
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    return "its manifest cannot be read";
  }
  if (typeof read !== "object" || read === null || !("version" in read)) return "its manifest cannot be read";
  if (read.version !== version) return "another version of microbatch has made it";
  if (!text.startsWith(`{"checksum":${crc32(content)},`)) return "its manifest has changed";
  return read as Manifest; // what formatManifest has written
}

/** More than any manifest has: twelve bytes per MiB of samples, and the categories. */
const longestManifest = 2 ** 28;

/** The manifest in a folder, what is wrong with it, or "" where there is no folder. Throws where it may not be read. */
export async function readManifest(place: string): Promise<Manifest | string> {
  const path = join(place, manifestFile);
  const state = await lookAt(path);
  if (state === undefined) {
    const folder = await lookAt(place);
    if (folder === undefined) return "";
    return folder.isDirectory() ? "it has no manifest" : "it is no folder";
  }
  if (!state.isFile()) return "its manifest is no file"; // a pipe might never end
  if (state.size > longestManifest) return `its manifest has ${state.size} bytes`;
  return parseManifest(await readFile(path, "utf8"));
}

/** What is at a path, or undefined where there is nothing, or where a folder on the way is none. */
async function lookAt(path: string): Promise<Stats | undefined> {
  return stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR" || error.code === "ELOOP") return undefined;
    throw error;
  });
}

/**
 * Up to so many bytes every block is checked when a cache is opened; of larger ones the first, the last and
 * some between, unless the file was written to after it was made, or copied.
 */
const fullyChecked = 2 ** 28;
const checkedBlocks = 32;

/** What is wrong with the file of records, in words, or undefined. */
export async function damageOf(place: string, manifest: Manifest): Promise<string | undefined> {
  const { columns, samples, dataOffset, checksums, changed } = manifest;
  const path = join(place, samplesFile);
  const layout = layoutOf(columns);
  const state = await lookAt(path);
  const expected = dataOffset + samples * layout.stride;
  if (state === undefined) return `${samplesFile} is missing`;
  if (!state.isFile()) return `${samplesFile} is no file`;
  const { size } = state;
  if (size !== expected) return `${samplesFile} has ${size} bytes instead of ${expected}`;
  const dataBytes = samples * layout.stride;
  if (checksums.length !== Math.ceil(dataBytes / blockBytes)) return "its manifest has too few checksums";
  const file = await open(path, "r");
  try {
    const header = headerOf(layout, samples);
    const found = new Uint8Array(header.length);
    await file.read(found, 0, header.length, 0);
    if (header.length !== dataOffset || !Buffer.from(header).equals(found)) return "its header has changed";
    const block = new Uint8Array(blockBytes);
    const isUntouched = Math.round(state.mtimeMs) === changed;
    for (const index of blocksToCheck(dataBytes, isUntouched)) {
      const length = Math.min(blockBytes, dataBytes - index * blockBytes);
      await file.read(block, 0, length, dataOffset + index * blockBytes);
      if (crc32(block.subarray(0, length)) !== checksums[index])
        return `block ${index} of ${samplesFile} has changed`;
    }
    // A copy is checked once. Where its time cannot be set, it is checked at every opening.
    if (!isUntouched) await utimes(path, new Date(), new Date(changed)).catch(() => {});
    return undefined;
  } finally {
    await file.close();
  }
}

function blocksToCheck(dataBytes: number, isUntouched: boolean): number[] {
  const blocks = Math.ceil(dataBytes / blockBytes);
  const count = isUntouched && dataBytes > fullyChecked ? checkedBlocks : blocks;
  return Array.from({ length: count }, (_, index) =>
    count === 1 ? 0 : Math.round((index * (blocks - 1)) / (count - 1)),
  );
}
