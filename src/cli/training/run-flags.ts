/** What of a run's folder can be told before anything is read: flags that lack it, a folder that cannot be, a run that has ended. */
import { stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { requireWritable } from "../../data/files.ts";
import { fail, MicrobatchError } from "../../errors.ts";
import { lengthOf } from "../../train/plan.ts";
import type { RunLength } from "../../train/stop.ts";
import { readCommand, readRunFile, runFiles } from "../run-files.ts";
import { print, say } from "../say.ts";
import type { TrainFlags } from "./flags.ts";
import { isPlanFile, loadPlan } from "./plan-file.ts";
import { stopRulesOf } from "./plan-flags.ts";
import { lengthFlags, withoutPasswords } from "./run-command.ts";
import { commandDifferences } from "./run-difference.ts";

/** Throws for flags of a run's folder without one, for --resume without its name, and for a folder that cannot be written to. */
export async function requireRunFlags(flags: TrainFlags, inputs: readonly string[]): Promise<void> {
  const { run, resume, resumeAnyway, checkpointEvery } = flags;
  const flag = resume ? "--resume" : resumeAnyway ? "--resume-anyway" : "--checkpoint-every";
  if (run === undefined && (resume || resumeAnyway || checkpointEvery !== undefined)) {
    const fix = `for example --run runs/first ${flag}`;
    fail(flag, { expected: "--run beside it, which names the run's folder", got: "none", fix });
  }
  if (run === true && (resume || resumeAnyway)) {
    const fix = "microbatch runs lists the runs there are";
    fail(flag, { expected: "--run with the folder of the run to go on with", got: "--run alone", fix });
  }
  if (run === undefined) return;
  const folder = run === true ? "runs" : run;
  if (folder === "" || inputs.some((input) => resolve(input) === resolve(folder))) {
    const got = folder === "" ? "an empty name" : `${folder}, which is read`;
    fail("--run", { expected: "a folder of its own", got, fix: "for example --run runs/first" });
  }
  await requireFolder(folder);
}

/** Throws where no folder can be made, or nothing written into the one there is. Makes none: what comes next may still be refused. */
async function requireFolder(folder: string): Promise<void> {
  const where = `--run ${folder}`;
  let nearest = resolve(folder);
  let found = await stat(nearest).catch(() => undefined);
  while (found === undefined && dirname(nearest) !== nearest) {
    nearest = dirname(nearest);
    found = await stat(nearest).catch(() => undefined);
  }
  if (found?.isDirectory() !== true)
    fail(where, { expected: "a folder, or a new name", got: `the file ${nearest}`, fix: "name another" });
  for (const name of Object.values(runFiles)) {
    // Else a run would notice after hours, when it saves its model.
    const entry = await stat(join(folder, name)).catch(() => undefined);
    if (entry === undefined || entry.isFile()) continue;
    const got = entry.isDirectory() ? "a folder of that name" : "a device or a pipe of that name";
    const fix = "move it away, or name another folder";
    fail(where, { expected: `the file ${name} of a run, or none`, got, fix });
  }
  try {
    await requireWritable(join(nearest, ".microbatch-run"));
  } catch (error) {
    if (!(error instanceof MicrobatchError)) throw error;
    const { expected, got, fix } = error;
    throw new MicrobatchError(where, { expected, got, fix }, { cause: error });
  }
}

/** True for a run that has come to its end, which is told. Throws where another command than the run's own asks to go on. */
export async function isEnded(flags: TrainFlags, inputs: readonly string[]): Promise<boolean> {
  const { run, resume, resumeAnyway } = flags;
  if (typeof run !== "string" || !(resume || resumeAnyway)) return false;
  const result = await readRunFile(run, "result");
  if (result === undefined) return false;
  const before = await readCommand(run);
  const { run: _, ...others } = flags;
  const differences =
    before && commandDifferences(before, { inputs: withoutPasswords(inputs), flags: others });
  if (before !== undefined && differences !== undefined) {
    const ends = { ...Object(result.ends), ...before.flags };
    if (isLonger(ends, flags, differences.names)) return false;
  }
  if (differences !== undefined) {
    fail(`--run ${run}`, {
      expected: `the command of the run, which has ended (${differences.before})`,
      got: differences.now,
      fix: "begin anew in another folder; a run that has ended goes on with a longer --epochs, --steps or --patience alone",
    });
  }
  if (await isPlanLonger(result.ends, flags, inputs)) return false;
  const { steps, stopReason, model } = result;
  const where = typeof steps === "number" ? ` at step ${steps}` : "";
  const why = typeof stopReason === "string" ? `: ${stopReason}` : "";
  const saved = typeof model === "string" ? `; its model is ${model}` : "";
  say(`${run} has ended${where}${why}. Nothing is left to do${saved}.`);
  if (flags.json === true) print(JSON.stringify(result));
  return true;
}

/** True where a plan file says more than it did, with the same rules: then it goes on as if that had stood there at first. */
async function isPlanLonger(
  ends: unknown,
  flags: TrainFlags,
  [input = ""]: readonly string[],
): Promise<boolean> {
  if (!isPlanFile(input) || stopRulesOf(flags).length > 0) return false; // flags take the place of the plan's rules
  const plan = await loadPlan(input).catch(() => undefined); // the run has ended, whatever has become of its plan
  if (plan === undefined) return false;
  const [before, now]: readonly [Readonly<Record<string, unknown>>, RunLength] = [
    Object(ends),
    lengthOf(plan),
  ];
  const names = lengthFlags.filter((name) => before[name] !== now[name]);
  return names.length > 0 && isLonger(before, now, names);
}

/** True where all that differs is how long the run gets, and it gets longer: then it goes on as if that had been typed at first. */
function isLonger(
  before: Readonly<Record<string, unknown>>,
  now: RunLength,
  names: readonly string[],
): boolean {
  return names.every((name) => {
    const length = lengthFlags.find((one) => one === name);
    if (length === undefined) return false;
    const [old, own] = [before[length], now[length]];
    return typeof old === "number" && own !== undefined && own > old;
  });
}
