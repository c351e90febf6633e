/** What a kept run is: read off its folder, without its numbers. */
import { open, readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { failToAccess } from "../data/files.ts";
import { fail } from "../errors.ts";
import type { StopReason } from "../train/event.ts";
import { readRunHeader } from "../train/run-header.ts";
import { writerOf } from "../train/run-lock.ts";
import { isFile, readCommand, readRunFile, runFiles } from "./run-files.ts";

/** A run at a glance; plain JSON. */
export interface RunLook {
  readonly name: string;
  readonly folder: string;
  /** A run that is interrupted or has diverged may go on from its last checkpoint. */
  readonly state: "running" | "ended" | "diverged" | "interrupted";
  /** Those of the last checkpoint: where the run would go on. */
  readonly step: number;
  readonly epoch: number;
  /** The monitored metric at its best, as of the last checkpoint, or of the evaluation that has ended the run. */
  readonly best: { readonly metric: string; readonly value: number; readonly step: number } | null;
  /** When it was begun, where that is known, and when it last wrote. ISO 8601. */
  readonly begun: string | null;
  readonly last: string;
}

/** True for the folder of a run, of the command line or of a program: it has the marks of one. */
export async function isRun(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch((): string[] => []);
  if (!names.includes("checkpoints")) return false;
  const isMarked = names.some((name) => name === runFiles.command || name === "lock");
  return isMarked || (await readRunHeader(folder)) !== undefined;
}

/** The runs in a folder, or the one that it is, the latest first. Throws where there is no such folder. */
export async function looksIn(folder: string): Promise<RunLook[]> {
  if (await isRun(folder)) return [await lookAt(folder)];
  const missing = ["a folder of runs", "nothing of that name", "train with --run, which makes one"] as const;
  const entries = await readdir(folder, { withFileTypes: true }).catch((error) =>
    failToAccess(`read ${folder}`, error, folder, missing),
  );
  const runs: RunLook[] = [];
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && (await isRun(path))) runs.push(await lookAt(path));
  }
  return runs.sort((a, b) => b.last.localeCompare(a.last) || b.name.localeCompare(a.name));
}

/** Looks at a run. */
export async function lookAt(folder: string): Promise<RunLook> {
  const header = await readRunHeader(folder);
  const { step = 0, epoch = 0 } = header?.state ?? {};
  const metric = header?.plan.monitor ?? "loss";
  const best = (await lastBest(folder, step, metric)) ?? header?.state.best;
  return {
    name: basename(folder),
    folder,
    state: await stateOf(folder, header?.stop),
    step,
    epoch,
    best: best ? { metric, ...best } : null,
    begun: (await readCommand(folder))?.begun ?? null,
    last: (await lastOf(folder)).toISOString(),
  };
}

/** Throws for what is not the folder of a run. where: as errors begin. */
export async function requireRun(where: string, folder: string): Promise<void> {
  if (await isRun(folder)) return;
  const isThere = await stat(folder).then(
    () => true,
    () => false,
  );
  fail(where, {
    expected: "the folder of a run",
    got: isThere ? `${folder}, which has no checkpoints and no ${runFiles.command}` : "nothing of that name",
    fix: "microbatch runs lists the runs there are",
  });
}

/** stopped: what the last checkpoint says has ended the run. On the command line it has then still to save its model. */
async function stateOf(folder: string, stopped: StopReason | null | undefined): Promise<RunLook["state"]> {
  if ((await writerOf(folder)) !== undefined) return "running";
  if ((await readRunFile(folder, "result")) !== undefined) return "ended";
  if (stopped && (await readCommand(folder)) === undefined) return "ended";
  const stop = (await lastEvents(folder)).at(-1)?.stop;
  return typeof stop === "object" && stop !== null && "rule" in stop && stop.rule === "diverged"
    ? "diverged"
    : "interrupted";
}

/** What a run came to that was saved before its last evaluation, as it would go on without it if it were longer. */
async function lastBest(
  folder: string,
  step: number,
  metric: string,
): Promise<{ value: number; step: number } | undefined> {
  for (const event of await lastEvents(folder)) {
    const { metrics } = event;
    if (event.type !== "evaluated" || event.step !== step || event.isBest !== true) continue;
    const value = typeof metrics === "object" && metrics !== null && Object.entries(metrics);
    const [, own] = (value || []).find(([name]) => name === metric) ?? [];
    if (typeof own === "number") return { value: own, step };
  }
  return undefined;
}

/** The last lines of a log, as far as they are whole. */
async function lastEvents(folder: string): Promise<Readonly<Record<string, unknown>>[]> {
  const log = join(folder, runFiles.events);
  const file = (await isFile(log)) ? await open(log).catch(() => undefined) : undefined;
  if (file === undefined) return [];
  try {
    const { size } = await file.stat();
    const tail = Buffer.alloc(Math.min(size, 65_536)); // the last event has no list in it
    await file.read(tail, 0, tail.length, size - tail.length);
    return tail.toString("utf8").trimEnd().split("\n").flatMap(parsed);
  } catch {
    return [];
  } finally {
    await file.close();
  }
}

/** The object that a line is, if it is one. */
function parsed(line: string): Readonly<Record<string, unknown>>[] {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? [{ ...value }] : [];
  } catch {
    return []; // half a line
  }
}

/** When the log or, without one, the folder was last written to. */
async function lastOf(folder: string): Promise<Date> {
  const log = await stat(join(folder, runFiles.events)).catch(() => undefined);
  return (log ?? (await stat(folder))).mtime;
}
