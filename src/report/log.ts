/** The log reporter: a run's events in a file, a line of JSON each, so that nothing that was told is lost with the process. */
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { failToAccess } from "../data/files.ts";
import type { TrainEvent } from "../train/event.ts";

/** An open log. */
export interface EventLog {
  /** Appends an event. Left out are the model of the last one and, of steps, the times of lanes: a long run has many. */
  report(event: TrainEvent): void;
  /** Appends a line of another kind, such as { type: "saved", step: 120 }. */
  append(line: { readonly type: string } & Readonly<Record<string, unknown>>): void;
  /** Flushes the file to the disk and closes it. */
  close(): void;
}

/** Milliseconds after which a line is also flushed to the disk: what a machine that stops may lose. */
const flushMs = 10_000;

/**
 * Opens a log at `path`, which is made where it is missing; lines go behind those that are there. Each is handed to the system
 * before the next event, so that whatever ends the process leaves all of them; to the disk they are flushed every ten seconds
 * and at the end. Every line ends with its `time`. Numbers are exact; those that JSON has no form for are texts which Number()
 * reads: "NaN", "Infinity", "-Infinity", "-0". Throws for a file that cannot be written to.
 */
export function eventLog(path: string): EventLog {
  const file = access(path, () => openSync(path, "a+"));
  let flushedAt = performance.now(); // the clock on the wall may be set back
  const append: EventLog["append"] = (line) => {
    const now = performance.now();
    const text = JSON.stringify({ ...line, time: new Date().toISOString() }, exactly);
    access(path, () => {
      writeWhole(file, `${text}\n`);
      if (now - flushedAt < flushMs) return;
      fsyncSync(file);
      flushedAt = now;
    });
  };
  access(path, () => endLine(file));
  return {
    append,
    report(event) {
      append(told(event));
    },
    close() {
      access(path, () => fsyncSync(file));
      closeSync(file);
    },
  };
}

function told(event: TrainEvent): { readonly type: string } {
  if (event.type === "finished") {
    const { model: _, ...others } = event;
    return others;
  }
  if (event.type !== "step") return event;
  const { lanes: _, laneSquaredNorms, ...others } = event;
  return { ...others, ...(laneSquaredNorms.length > 0 && { laneSquaredNorms }) };
}

/** The value of a line as it was before it was written: texts for numbers that JSON has no form for stay texts. */
function exactly(_: string, value: unknown): unknown {
  if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0)))
    return Object.is(value, -0) ? "-0" : String(value);
  return ArrayBuffer.isView(value) && !(value instanceof DataView) ? [...(value as Float64Array)] : value; // of numbers
}

/** A disk that is nearly full takes part of a line, without an error. */
function writeWhole(file: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

/** Half a line, which a full disk or a machine that stopped has left, must not swallow the next one. */
function endLine(file: number): void {
  const { size } = fstatSync(file);
  const last = Buffer.alloc(1);
  if (size > 0) readSync(file, last, 0, 1, size - 1);
  if (size > 0 && last[0] !== 0x0a) writeSync(file, "\n");
}

function access<Result>(path: string, use: () => Result): Result {
  try {
    return use();
  } catch (error) {
    return failToAccess(`write ${path}`, error, dirname(path));
  }
}
