/**
 * A checkpoint on disk, two files named by its step:
 *
 *     00000120.safetensors   parameters, slots, averages, best weights; the rest of the state in its metadata
 *     00000120.json          its seal, written last: the bytes and the SHA-256 that the other file must have
 */
import * as fs from "node:fs/promises";
import { dirname, join } from "node:path";
import { sha256OfParts } from "../array/sha256.ts";
import { failToAccess, readFile, requireFile, writeFileAtomically } from "../data/files.ts";
import { fail, kindOf, MicrobatchError, messageOf } from "../errors.ts";
import { decodeSafetensors } from "../safetensors/decode.ts";
import { encodeSafetensors } from "../safetensors/encode.ts";
import { metadataKey } from "../safetensors/format.ts";
import { arrayName, type CheckpointHeader, type SavedCheckpoint, type Snapshot } from "./checkpoint.ts";
import { stepsComputed } from "./state.ts";

/** Where a checkpoint's file has everything that is no array. */
const headerKey = "microbatch.checkpoint";

/** The number that names a snapshot's files. It never falls, also where the run goes back. */
export const numberOf = ({ state }: CheckpointHeader) => stepsComputed(state);

/** The bytes of a checkpoint's file: a copy, so that the run may go on. */
export function encodeCheckpoint({ regions, ...header }: Snapshot): Uint8Array<ArrayBuffer> {
  const arrays = regions.flatMap(({ name, tensors }) =>
    [...tensors].map(([tensor, array]) => [arrayName(name, tensor), array] as const),
  );
  return encodeSafetensors(new Map(arrays), { [headerKey]: JSON.stringify(header, exactly) });
}

/**
 * Writes a checkpoint; once this resolves, whatever ends the machine leaves it whole. Until then the one that it replaces, of
 * the same step, is whole: its seal allows both, and what a process wrote there that was killed at this point.
 */
export async function writeCheckpoint(folder: string, step: number, bytes: Uint8Array): Promise<void> {
  const own: Sealed = { bytes: bytes.length, sha256: await sha256OfParts([bytes]) };
  const seal = (content: object) =>
    writeFileAtomically(
      pathOf(folder, step, "json"),
      new TextEncoder().encode(JSON.stringify({ step, ...content })),
    );
  const [before, ...others] = (await readSeal(folder, step).catch(() => undefined)) ?? [];
  if (before !== undefined) await seal({ ...before, or: [...others, own] });
  await writeFileAtomically(pathOf(folder, step, "safetensors"), bytes);
  await seal(own);
}

/** The steps of all sealed checkpoints, oldest first. Files with other names than ours are not looked at. */
export async function sealedSteps(folder: string): Promise<number[]> {
  const names = await fs.readdir(folder).catch((error) => failToAccess(`read ${folder}`, error, folder));
  return names
    .filter((name) => name.endsWith(".json"))
    .map((name) => Number.parseInt(name, 10))
    .filter((step) => Number.isSafeInteger(step) && step >= 0 && names.includes(nameOf(step, "json")))
    .sort((a, b) => a - b);
}

/**
 * Reads a checkpoint, or says why it is not whole. Throws for one of another version, and for files that are there and may not
 * be read: neither is damage, and a run that passed them over would write over them.
 */
export async function readCheckpoint(
  folder: string,
  step: number,
): Promise<{ readonly found: SavedCheckpoint } | { readonly damage: string }> {
  const path = pathOf(folder, step, "safetensors");
  try {
    const bytes = await readSealed(path, await readSeal(folder, step));
    const { arrays, metadata } = decodeSafetensors(bytes, path);
    const header = readHeader(parseHeader(metadata[headerKey] ?? ""), step, path);
    bytes.buffer.transfer(0); // the arrays are copies; this would wait to be collected
    return { found: { ...header, arrays, release: () => free(arrays) } };
  } catch (error) {
    if (error instanceof VersionError || mayBeMended(error)) throw error;
    if (error instanceof RangeError && error.message === "Array buffer allocation failed") {
      fail(`read ${path}`, {
        expected: "memory for the checkpoint and once more for its arrays",
        got: "too little",
        fix: "make room, or go on where there is more",
      });
    }
    return { damage: messageOf(error) };
  }
}

function free(arrays: SavedCheckpoint["arrays"]): void {
  for (const { data } of arrays.values()) if (data.buffer instanceof ArrayBuffer) data.buffer.transfer(0);
}

/** Removes a checkpoint, the seal first: half of one must not look like a damaged one. */
export async function removeCheckpoint(folder: string, step: number): Promise<void> {
  for (const ending of ["json", "safetensors"] as const) {
    const path = pathOf(folder, step, ending);
    await fs
      .rm(path, { recursive: true, force: true })
      .catch((error) => failToAccess(`remove ${path}`, error, folder));
  }
}

/** Removes what was never sealed, or is no more, since its process was killed. */
export async function removeUnsealed(folder: string): Promise<void> {
  const names = await fs.readdir(folder);
  for (const name of names.filter((one) => /^\d{8,}\.safetensors$/.test(one))) {
    const isSealed = names.includes(name.replace(/safetensors$/, "json"));
    // Somebody else's may be called so.
    if (!isSealed && (await headerOf(join(folder, name))) !== undefined)
      await fs.rm(join(folder, name), { force: true });
  }
}

/** The header of the last sealed checkpoint that can be read; undefined where there is none. Numbers are not checked. */
export async function lastHeader(folder: string): Promise<CheckpointHeader | undefined> {
  for (const step of (await sealedSteps(folder)).reverse()) {
    const path = pathOf(folder, step, "safetensors");
    const header = await headerOf(path);
    try {
      if (header !== undefined) return readHeader(header, step, path);
    } catch {} // as one that cannot be read
  }
  return undefined;
}

const nameOf = (step: number, ending: "json" | "safetensors") => `${String(step).padStart(8, "0")}.${ending}`;
const pathOf = (folder: string, step: number, ending: "json" | "safetensors") =>
  join(folder, nameOf(step, ending));

/** What is told of a file by its seal. */
interface Sealed {
  readonly bytes: number;
  readonly sha256: string;
}

/** What the other file may be: one thing, and others while it is replaced. */
async function readSeal(folder: string, step: number): Promise<readonly [Sealed, ...Sealed[]]> {
  const path = pathOf(folder, step, "json");
  const seal: unknown = JSON.parse(new TextDecoder().decode(await readFile(path)));
  const { step: own, bytes, sha256, or } = isRecord(seal) ? seal : {};
  const content = { bytes, sha256 };
  if (own === step && isSealed(content)) return [content, ...(Array.isArray(or) ? or.filter(isSealed) : [])];
  return fail(path, {
    expected: `the bytes and the SHA-256 of step ${step}`,
    got: own === step || own === undefined ? "others" : `those of step ${kindOf(own)}`,
    fix: olderOne,
  });
}

const isSealed = (value: unknown): value is Sealed =>
  isRecord(value) && isCount(value.bytes) && isText(value.sha256);

const olderOne = "an older checkpoint is taken where there is one";

/** The bytes that were sealed. Read in pieces: the system's call for whole files ends at 2 GiB. */
async function readSealed(
  path: string,
  seals: readonly [Sealed, ...Sealed[]],
): Promise<Uint8Array<ArrayBuffer>> {
  const where = `read ${path}`;
  const entry = await fs.stat(path).catch((error) => failToAccess(where, error, dirname(path)));
  requireFile(where, entry); // opening a pipe might never end
  const file = await fs.open(path).catch((error) => failToAccess(where, error, dirname(path)));
  try {
    const refuse = (got: string) =>
      fail(path, { expected: `the ${seals[0].bytes} bytes that were written`, got, fix: olderOne });
    if (!seals.some(({ bytes }) => bytes === entry.size)) refuse(String(entry.size));
    const bytes = new Uint8Array(entry.size);
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await file.read(bytes, at, Math.min(bytes.length - at, 2 ** 28), at);
      if (bytesRead === 0) refuse(String(at));
      at += bytesRead;
    }
    const found = await sha256OfParts([bytes]);
    if (!seals.some(({ sha256 }) => sha256 === found)) refuse("others");
    return bytes;
  } finally {
    await file.close();
  }
}

/** What the reader of the message can mend, and a later try may find whole. */
function mayBeMended(error: unknown): boolean {
  const cause = error instanceof MicrobatchError ? error.cause : error;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  return /^(EACCES|EPERM|EMFILE|ENFILE|ENOMEM|EBUSY|EAGAIN|ESTALE|ETIMEDOUT)$/.test(code);
}

/** The metadata in front of the numbers; undefined for what is damaged, is no checkpoint, or was removed by the run meanwhile. */
async function headerOf(path: string): Promise<unknown> {
  const isFile = (await fs.stat(path).catch(() => undefined))?.isFile() === true;
  const file = isFile ? await fs.open(path).catch(() => undefined) : undefined;
  if (file === undefined) return undefined;
  try {
    const start = Buffer.alloc(8);
    await file.read(start, 0, 8, 0);
    const { size } = await file.stat();
    const length = Number(start.readBigUInt64LE());
    if (length > Math.min(size - 8, longestHeader)) return undefined;
    const text = Buffer.alloc(length);
    await file.read(text, 0, length, 8);
    return parseHeader(JSON.parse(text.toString("utf8"))[metadataKey][headerKey]);
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}

/** As decodeSafetensors has it. */
const longestHeader = 100_000_000;

/** Another version of this package has written it: it is whole, and of no use here. */
class VersionError extends MicrobatchError {}

/** What is used of a header before the plan is compared must be of its kind: files can be forged with their seals. */
function readHeader(header: unknown, step: number, path: string): CheckpointHeader {
  const { version, plan, state, stop, asked } = isRecord(header) ? header : {};
  if (typeof version === "number" && version !== 1) {
    throw new VersionError(path, {
      expected: "a checkpoint of version 1",
      got: `version ${version}`,
      fix: "go on with the version of microbatch that wrote it, or name another folder",
    });
  }
  const isStop = stop === null || (isRecord(stop) && isText(stop.rule) && isText(stop.reason));
  const isWhole = version === 1 && isPlan(plan) && isState(state) && isStop && isAsked(asked);
  // As far as they are looked at, and no further: differences of plans are told one by one.
  const read = header as CheckpointHeader;
  if (isWhole && stepsComputed(read.state) === step) return read;
  return fail(path, {
    expected: `the plan and the state of step ${step}`,
    got: isWhole ? `those of step ${stepsComputed(read.state)}` : "something else",
    fix: olderOne,
  });
}

function isPlan(plan: unknown): boolean {
  const counts = ["batchSize", "microbatchSize", "evaluationMicrobatchSize", "lanes"];
  return (
    isRecord(plan) &&
    counts.every((name) => isCount(plan[name]) && plan[name] > 0) &&
    isCount(plan.seed) &&
    ["keep", "drop", "carry"].includes(String(plan.lastBatch)) &&
    Array.isArray(plan.stop)
  );
}

function isState(state: unknown): boolean {
  if (!isRecord(state)) return false;
  const { epochLoss, epochWeight, evaluatedAt, best, stops, divergence } = state;
  return (
    ["step", "epoch", "position", "samples", "epochSamples"].every((name) => isCount(state[name])) &&
    [epochLoss, epochWeight, evaluatedAt].every((value) => typeof value === "number") &&
    (best === null || (isRecord(best) && typeof best.value === "number" && isCount(best.step))) &&
    Array.isArray(stops) &&
    (divergence === undefined || isDivergence(divergence))
  );
}

/** Of what rules were asked, as much as those of this package read. */
function isAsked(asked: unknown): boolean {
  if (asked === undefined) return true;
  const { stops, events } = isRecord(asked) ? asked : {};
  const isEvent = (event: unknown) =>
    isRecord(event) &&
    isCount(event.step) &&
    ((event.type === "evaluated" && isRecord(event.metrics)) ||
      (event.type === "epoch" && isCount(event.epoch)) ||
      event.type === "step" ||
      event.type === "diverged");
  return Array.isArray(stops) && Array.isArray(events) && events.every(isEvent);
}

function isDivergence(known: unknown): boolean {
  if (!isRecord(known)) return false;
  const { meanLoss, learningRateFactor, point } = known;
  return (
    ["skipped", "skippedInARow", "wentBack", "stepsUndone"].every((name) => isCount(known[name])) &&
    typeof learningRateFactor === "number" &&
    isMeanLoss(meanLoss) &&
    (point === null || (isRecord(point) && isState(point.state) && isMeanLoss(point.meanLoss)))
  );
}

const isMeanLoss = (mean: unknown) => isRecord(mean) && typeof mean.value === "number" && isCount(mean.steps);
const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
const isText = (value: unknown): value is string => typeof value === "string";

/** JSON has no form for these, and a run that goes on must not find null where infinity was. */
const exactly = (_: string, value: unknown) =>
  typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))
    ? { [notInJson]: Object.is(value, -0) ? "-0" : String(value) }
    : value;
const notInJson = "microbatch.number";
const parseHeader = (text: string): unknown =>
  JSON.parse(text, (_, value) => (isRecord(value) && notInJson in value ? Number(value[notInJson]) : value));
