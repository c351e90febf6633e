/** What a cache says about itself, and whether that is still true. */
import { open, stat } from "node:fs/promises";
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
  readonly version: 1;
  /** What the samples were made from, for people. */
  readonly name: string;
  readonly fingerprint: string;
  /** When, as ISO 8601 says it. */
  readonly made: string;
}

/** The manifest, or undefined where the text is none: cut short, or of another version. */
export function parseManifest(text: string): Manifest | undefined {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof read !== "object" || read === null) return undefined;
  const { version, name, fingerprint, columns, made, samples, dataOffset, checksums } = read as Manifest; // checked here
  const isSound =
    version === 1 &&
    [name, fingerprint, made].every((value) => typeof value === "string") &&
    [samples, dataOffset].every((value) => Number.isSafeInteger(value) && value > 0) &&
    Array.isArray(checksums) &&
    checksums.every((value) => Number.isSafeInteger(value)) &&
    typeof columns === "object" &&
    columns !== null;
  return isSound ? (read as Manifest) : undefined;
}

/** Up to so many bytes every block is checked when a cache is opened; of larger ones the first, the last and some between. */
const fullyChecked = 2 ** 28;
const checkedBlocks = 32;

/** What is wrong with the file of records, in words, or undefined. */
export async function damageOf(place: string, manifest: Manifest): Promise<string | undefined> {
  const { columns, samples, dataOffset, checksums } = manifest;
  const path = join(place, samplesFile);
  const layout = layoutOf(columns);
  const size = (await stat(path).catch(() => undefined))?.size;
  const expected = dataOffset + samples * layout.stride;
  if (size === undefined) return `${samplesFile} is missing`;
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
    for (const index of blocksToCheck(dataBytes)) {
      const length = Math.min(blockBytes, dataBytes - index * blockBytes);
      await file.read(block, 0, length, dataOffset + index * blockBytes);
      if (crc32(block.subarray(0, length)) !== checksums[index])
        return `block ${index} of ${samplesFile} has changed`;
    }
    return undefined;
  } finally {
    await file.close();
  }
}

function blocksToCheck(dataBytes: number): number[] {
  const blocks = Math.ceil(dataBytes / blockBytes);
  const count = dataBytes <= fullyChecked ? blocks : checkedBlocks;
  return Array.from({ length: count }, (_, index) =>
    count === 1 ? 0 : Math.round((index * (blocks - 1)) / (count - 1)),
  );
}
