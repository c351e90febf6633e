/** The cache: samples on disk in fixed rows, made once from a source, found again by what they were made from. */
import { mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { freemem, homedir } from "node:os";
import { join, resolve } from "node:path";
import { sha256 } from "../../array/sha256.ts";
import { fail } from "../../errors.ts";
import type { ColumnSpecs, Dataset } from "../dataset.ts";
import { failToAccess, makeFolder } from "../files.ts";
import type { Source } from "../source.ts";
import { cachedDataset } from "./cached-dataset.ts";
import {
  damageOf,
  formatManifest,
  type Made,
  type Manifest,
  manifestFile,
  readManifest,
  samplesFile,
} from "./manifest.ts";
import { RecordFile, writeRecords } from "./record-file.ts";

/** Where caches lie and who is told about them. */
export interface CacheOptions {
  /** Default: MICROBATCH_CACHE in the environment, else .cache/microbatch in the home folder. */
  readonly folder?: string;
  /**
   * A cache of at most so many bytes is held in memory as it is; others are read as they are drawn from.
   * Default: a quarter of the memory that is free.
   */
  readonly bytesInMemory?: number;
  /**
   * A larger cache is drawn from block by block (`blockShuffled`), unless the plan has a sampler: the system
   * cannot keep it in its page cache, and a disk is 50 times slower at random. Default: half of the memory
   * that is free.
   */
  readonly bytesInPageCache?: number;
  /** Told before a cache is made, which may take long. Default: nobody. */
  readonly onBuild?: () => void;
  /** Told in one line why a cache that was there is made anew. Default: nobody. */
  readonly onRebuild?: (reason: string) => void;
}

/** The folder of caches where none is named. */
export function cacheFolder({ folder }: Pick<CacheOptions, "folder"> = {}): string {
  return (folder ?? process.env.MICROBATCH_CACHE) || join(homedir(), ".cache", "microbatch");
}

/**
 * A source's samples as a dataset on disk: for what does not fit in memory, or takes long to read. Made once,
 * in pieces, and opened at once from then on, as long as the source's fingerprint stays. A cache that is
 * damaged is made anew. What the same source gives in memory, such as `report` and `vocabulary`, is there
 * too.
 * Throws what the source throws, when it has no samples, and when the folder cannot be written to; nothing is
 * left behind.
 */
export async function cached<Columns extends ColumnSpecs, Data extends Dataset<Columns> = Dataset<Columns>>(
  source: Source<Columns, Data>,
  options: CacheOptions = {},
): Promise<Data> {
  const { name, columns, weight, schema } = source;
  const fingerprint = await source.fingerprint();
  const described = {
    columns,
    ...(weight !== undefined && { weight }),
    ...(schema !== undefined && { schema }),
  };
  const opened = await openOrMake(
    {
      name,
      // A cache that was made before its source told what it found is another one.
      identity: JSON.stringify({ fingerprint, ...described, ...(source.report && { report: true }) }),
      fingerprint,
      make: async (path) => {
        const written = await writeRecords(path, columns, source.pieces());
        return { ...written, ...described, ...(source.report && { extra: source.report() }) };
      },
    },
    options,
  );
  const dataset = datasetOf(opened, options) as Dataset<Columns>; // the identity says that these are its columns
  return source.dataOf?.(dataset, opened.manifest.extra) ?? (dataset as Data); // without dataOf that is what Data is
}

/** What a cache is found by, and how it is made. */
export interface CacheRequest {
  /** For people. */
  readonly name: string;
  /** Where it is looked for: everything that decides which cache it is. */
  readonly identity: string;
  /** What it was made from. A cache with another fingerprint is stale. */
  readonly fingerprint: string;
  /** Writes the records to a new file, and says what they are. */
  make(path: string): Promise<Made>;
}

/** A cache on disk. */
export interface OpenedCache {
  readonly folder: string;
  readonly manifest: Manifest;
}

/** Finds the cache, or makes it. */
export async function openOrMake(request: CacheRequest, options: CacheOptions): Promise<OpenedCache> {
  const folder = resolve(cacheFolder(options));
  const key = (await sha256(new TextEncoder().encode(request.identity))).slice(0, 32);
  const place = join(folder, key);
  // Who asks for the same one meanwhile waits, and then finds it.
  while (underWay.has(place)) await underWay.get(place);
  const opening = findOrMake(request, options, folder, key);
  const end = () => void underWay.delete(place);
  underWay.set(place, opening.then(end, end));
  return opening;
}

/** Places of caches that this process is opening or making, until it has. */
const underWay = new Map<string, Promise<void>>();

async function findOrMake(
  request: CacheRequest,
  options: CacheOptions,
  folder: string,
  key: string,
): Promise<OpenedCache> {
  const place = join(folder, key);
  let found = await openCache(place, request);
  if (typeof found === "string") {
    if (found !== "") options.onRebuild?.(`the cache of ${request.name} is made anew: ${found}`);
    options.onBuild?.();
  }
  // Another process may have put its own there meanwhile, and taken a half of it for a damaged one.
  for (let attempt = 0; typeof found === "string" && attempt < 3; attempt++) {
    await build(request, folder, key);
    found = await openCache(place, request);
  }
  if (typeof found !== "string") return { folder: place, manifest: found };
  return fail(place, {
    expected: "the cache that was just written",
    got: found || "none",
    fix: "check the disk, or name another folder with MICROBATCH_CACHE=…",
  });
}

/** The samples of an opened cache. */
export function datasetOf({ folder, manifest }: OpenedCache, options: CacheOptions): Dataset {
  const { name, columns, fingerprint, weight, schema } = manifest;
  const parts = {
    name,
    columns,
    file: new RecordFile(join(folder, samplesFile), columns, manifest),
    fingerprint,
    ...(weight !== undefined && { weight }),
    ...(schema !== undefined && { schema }),
  };
  const { bytesInMemory = freemem() / 4, bytesInPageCache = freemem() / 2 } = options;
  return cachedDataset(parts, { bytesInMemory, bytesInPageCache });
}

/** The manifest of a sound cache, "" where there is none, or what is wrong with it. */
async function openCache(place: string, { name, fingerprint }: CacheRequest): Promise<Manifest | string> {
  try {
    const manifest = await readManifest(place);
    if (typeof manifest === "string") return manifest;
    if (manifest.fingerprint !== fingerprint) return "what it was made from has changed";
    return (await damageOf(place, manifest)) ?? manifest;
  } catch (error) {
    const isGone = error instanceof Error && "code" in error && error.code === "ENOENT";
    return isGone ? "" : failToAccess(`cache of ${name}`, error, place); // another process replaces it at this moment
  }
}

const noFolders = [
  "a folder that takes new ones",
  "FOLDER, in which the system makes none",
  "use another folder",
] as const;

/** Builds beside the place and renames, so that there is always either nothing or a whole cache. */
async function build(request: CacheRequest, folder: string, key: string): Promise<void> {
  const { name, fingerprint } = request;
  const temporary = join(folder, `${key}.${process.pid}.tmp`);
  try {
    await makeFolder(folder);
    await removeAbandoned(folder);
    await rm(temporary, { recursive: true, force: true }); // of an earlier process of this number
    await mkdir(temporary);
    const made = await request.make(join(temporary, samplesFile));
    if (made.samples === 0) {
      const fix = "check that the source was written to its end";
      fail(name, { expected: "at least one sample", got: "none", fix });
    }
    const { mtimeMs } = await stat(join(temporary, samplesFile));
    const times = { made: new Date().toISOString(), changed: Math.round(mtimeMs) };
    const text = formatManifest({ name, fingerprint, ...times, ...made });
    await writeFile(join(temporary, manifestFile), text, { flush: true });
    await publish(request, temporary, join(folder, key));
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {}); // the first error is the one to tell
    failToAccess(`write the cache of ${name}`, error, folder, noFolders);
  }
}

/** Puts a whole cache in its place, where other processes may do the same at the same time. */
async function publish(request: CacheRequest, temporary: string, place: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await rename(temporary, place);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "";
      if (attempt === 10 || !/^(ENOTEMPTY|EEXIST|ENOTDIR|EPERM)$/.test(code)) throw error;
    }
    // From the same source another process has made the same. A second look, should it have been replaced
    // during the first.
    for (let look = 0; look < 2; look++) {
      if (typeof (await openCache(place, request)) !== "string") return rm(temporary, { recursive: true });
    }
    const old = temporary.replace(/tmp$/, "old.tmp");
    await rename(place, old).catch(() => {}); // another was faster: the next attempt will tell
    await rm(old, { recursive: true, force: true });
  }
}

/** What processes that are gone have left half made. */
async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const [, key, pid] = /^([0-9a-f]{32})\.(\d+)\.(?:old\.)?tmp$/.exec(name) ?? [];
    if (key === undefined || isRunning(Number(pid), join(folder, key))) continue;
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

function isRunning(pid: number, place: string): boolean {
  if (pid === process.pid) return underWay.has(place); // else it is an earlier one's of that number
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM"; // somebody else's
  }
}

/** A cache as people are told about it. */
export interface CacheEntry {
  readonly key: string;
  /** What it was made from. */
  readonly name: string;
  readonly samples: number;
  readonly bytes: number;
  /** When, as ISO 8601 says it. */
  readonly made: string;
}

/** The caches of a folder, the latest first. Empty where there is no folder. */
export async function listCaches(options: CacheOptions = {}): Promise<CacheEntry[]> {
  const folder = cacheFolder(options);
  const entries: CacheEntry[] = [];
  for (const key of await namesIn(folder)) {
    const manifest = await readManifest(join(folder, key)).catch(() => "");
    const { size: bytes } = await stat(join(folder, key, samplesFile)).catch(() => ({ size: 0 }));
    const { name, samples, made } =
      typeof manifest === "string" ? { name: "damaged", samples: 0, made: "" } : manifest;
    entries.push({ key, name, samples, bytes, made });
  }
  return entries.sort((a, b) => (a.made < b.made ? 1 : -1));
}

/** Removes the caches of a folder, or those of one source by its name, and gives what was removed. */
export async function clearCaches(
  options: CacheOptions & { readonly name?: string } = {},
): Promise<CacheEntry[]> {
  const folder = cacheFolder(options);
  const all = await listCaches(options);
  const chosen = all.filter(({ name }) => options.name === undefined || name === options.name);
  for (const { key } of chosen) await rm(join(folder, key), { recursive: true, force: true });
  return chosen;
}

async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []); // no folder, no caches
  return names.filter((name) => /^[0-9a-f]{32}$/.test(name));
}
