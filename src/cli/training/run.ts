/** microbatch train, from its flags to its last words. */
import { measureBaseline } from "../../train/measure.ts";
import { checkPlan } from "../../train/plan.ts";
import { isFolder } from "../image-rows.ts";
import { onInterrupt } from "../interrupt.ts";
import { exitCodes } from "../options.ts";
import { requireOut } from "../out.ts";
import { print, say } from "../say.ts";
import { imageFlags, type TrainFlags, tableDefaults, textFlags } from "./flags.ts";
import type { Job } from "./job.ts";
import { refuseFlags } from "./job-flags.ts";
import { isPlanFile } from "./plan-file.ts";
import { recordOf } from "./record.ts";
import { type Outcome, summary } from "./summary.ts";
import { watch } from "./watch.ts";

/** Trains a table, a folder of images, a text or a plan file and saves the model. What it prints goes to standard error, the JSON to standard output. */
export async function runTrain(path: string, flags: TrainFlags): Promise<void> {
  await runJob([path], flags, () => jobOf(path, flags));
}

/** Makes the job and trains it. read: the files that --out must not replace. */
export async function runJob(
  read: readonly string[],
  flags: TrainFlags,
  makeJob: () => Promise<Job>,
): Promise<void> {
  const out = flags.out ?? tableDefaults.out;
  await requireOut(out, [...read, ...heldFiles(flags)]);
  const job = await makeJob();
  checkPlan(job.plan); // before anything is told
  for (const line of job.description) say(line);
  const { outcome, isDiverged } = await carryOut(job, flags, out);
  for (const line of summary(job, outcome)) say(line);
  if (flags.json === true) print(JSON.stringify(recordOf(job, outcome)));
  if (isDiverged) process.exitCode = exitCodes.runFailed;
}

const heldFiles = ({ validation, test }: TrainFlags) =>
  [validation, test].flatMap((held) => (held !== undefined && "file" in held ? [held.file] : []));

async function jobOf(path: string, flags: TrainFlags): Promise<Job> {
  const isPlan = isPlanFile(path);
  if (isPlan || !isText(path, flags)) {
    refuseFlags(flags, textFlags, {
      expected: "a text, a .txt file without --target",
      got: path,
      fix: (flag) => `leave ${flag} out`,
    });
  }
  if (!isPlan && (await isFolder(path))) return (await import("./image-job.ts")).imageJob(path, flags);
  refuseFlags(flags, imageFlags, {
    expected: "a folder of images",
    got: path,
    fix: (flag) => `leave ${flag} out`,
  });
  if (isPlan) return (await import("./plan-job.ts")).planJob(path, flags);
  if (isText(path, flags)) return (await import("./text-job.ts")).textJob(path, flags);
  return (await import("./table-job.ts")).tableJob(path, flags);
}

/** True for what is read as a text. With --target, a .txt file is a table. */
const isText = (path: string, { target }: TrainFlags) => /\.txt(\.gz)?$/i.test(path) && target === undefined;

async function carryOut(
  job: Job,
  flags: TrainFlags,
  out: string,
): Promise<{ readonly outcome: Outcome; readonly isDiverged: boolean }> {
  const { plan, test } = job;
  const watched = await interruptible((signal) => watch({ ...plan, signal }, lengthOf(flags)));
  const { finished, validation } = watched;
  const isDiverged = finished.stop.rule === "diverged";
  // Weights that were never evaluated, one step before infinity, must not replace a good model.
  const isKept = !isDiverged || Object.keys(validation).length > 0;
  if (isKept) await finished.model.save(out, job.metadata);
  const baseline = await measureBaseline(plan);
  const judged =
    test === undefined || !isKept
      ? undefined
      : { model: await finished.model.evaluate(test), baseline: await measureBaseline(plan, test) };
  return {
    outcome: { ...watched, baseline, ...(judged && { test: judged }), model: isKept ? out : undefined },
    isDiverged,
  };
}

/** Ctrl-C ends the run after its step; once more ends the process, as it would without us. */
async function interruptible<Result>(use: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const controller = new AbortController();
  const forget = onInterrupt(() => {
    say("interrupted: this step is finished and the best model saved; Ctrl-C again ends at once");
    controller.abort(new Error("interrupted"));
  });
  try {
    return await use(controller.signal);
  } finally {
    forget();
  }
}

/** What a bar can be drawn for: the plan's own rules are functions. */
function lengthOf({ epochs, steps, ...flags }: TrainFlags): { epochs?: number; steps?: number } {
  if (steps !== undefined) return { steps };
  if (epochs !== undefined) return { epochs };
  return flags.target === undefined ? {} : { epochs: tableDefaults.epochs };
}
