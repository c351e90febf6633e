/** A trial: one plan, lived through in one life after another, each killed at a random moment, until one comes to the end. */
import { spawn } from "node:child_process";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { moduleBeside } from "../../src/data/module-beside.ts";
import type { ModelName, Size, Variant } from "./models.ts";

export interface Trial {
  readonly name: ModelName;
  readonly variant: Variant;
  readonly size: Size;
  readonly steps: number;
  /** Drawn for each life. */
  readonly workers: () => number;
  /** When a life ends; undefined lets it live. */
  readonly lifetime: (life: number) => Lifetime | undefined;
  /** Whether threads are thrown out and delayed: a seed above 0. */
  readonly disturbance: (life: number) => number;
}

/** So many milliseconds from the first line on that begins with a word: "caching" is the first of all. */
export interface Lifetime {
  readonly from: (typeof phases)[number];
  readonly milliseconds: number;
}

/** What a life tells of itself, in the order in which it first comes to it. */
export const phases = [
  "caching",
  "opening",
  "started",
  "step",
  "checkpoint",
  "evaluating",
  "saving",
] as const;

export interface Outcome {
  /** The hash of the state and of the parameters. */
  readonly hash: string;
  readonly kills: number;
  /** What each killed life had said last, without its number, and "writing" where a checkpoint was half written. */
  readonly phases: readonly string[];
}

/** Lives a trial in a folder of its own. Throws where a life fails, or leaves temporary files, or forgets what it had saved. */
export async function live(trial: Trial, folder: string, most = 40): Promise<Outcome> {
  const killedIn: string[] = [];
  let reached = 0;
  for (let life = 0; life < most; life++) {
    const { lines, code, errors } = await oneLife(trial, folder, life);
    const started = lines.find((line) => line.startsWith("started"));
    if (started !== undefined) {
      const resumedAt = Number(started.split(" ")[1]);
      // What was sealed before must not be lost: a life that saw step n has sealed one of the last two even steps.
      if (resumedAt < reached - 4) throw new Error(`${folder}: went on from ${resumedAt} after ${reached}`);
      if (/passed over/.test(started)) throw new Error(`${folder}: a damaged checkpoint: ${started}`);
      const left = await temporary(join(folder, "checkpoints"));
      if (left.length > 1) throw new Error(`${folder}: temporary files are left: ${left}`);
    }
    for (const line of lines) if (line.startsWith("step")) reached = Number(line.split(" ")[1]);
    const finished = lines.find((line) => line.startsWith("finished"));
    if (finished !== undefined && code === 0) {
      const left = await temporary(folder);
      if (left.length > 0) throw new Error(`${folder}: temporary files are left at the end: ${left}`);
      await rm(folder, { recursive: true, force: true });
      return { hash: finished, kills: killedIn.length, phases: killedIn };
    }
    if (code !== null) throw new Error(`${folder}, life ${life}: ended with code ${code}: ${errors}`);
    const isWriting = (await temporary(join(folder, "checkpoints"))).length > 0;
    killedIn.push(isWriting ? "writing" : (lines.at(-1) ?? "starting").split(" ")[0]!);
  }
  throw new Error(`${folder}: not at its end after ${most} lives`);
}

/** Files that are not whole yet, in a folder and its folders. */
async function temporary(folder: string): Promise<string[]> {
  const files = await readdir(folder, { recursive: true }).catch(() => []); // not there before the run has begun
  return files.filter((file) => file.endsWith(".tmp"));
}

async function oneLife(trial: Trial, folder: string, life: number) {
  const { name, variant, size, steps, workers, lifetime, disturbance } = trial;
  const child = spawn(process.execPath, [
    fileURLToPath(moduleBeside(import.meta.url, "./child")),
    ...[folder, name, variant, size, String(steps), String(workers()), String(disturbance(life))],
  ]);
  let [text, errors] = ["", ""];
  const span = lifetime(life);
  let isCounted = false;
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
    if (span === undefined || isCounted || !`\n${text}`.includes(`\n${span.from}`)) return;
    isCounted = true;
    setTimeout(() => child.kill("SIGKILL"), span.milliseconds);
  });
  child.stderr.setEncoding("utf8").on("data", (part: string) => (errors += part));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { lines: text.split("\n").filter((line) => line !== ""), code, errors };
}
