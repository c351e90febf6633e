/** microbatch train, from its flags to its last words. */
import { threads } from "../../parallel/threads.ts";
import { measureBaseline } from "../../train/measure.ts";
import { checkPlan, type Plan } from "../../train/plan.ts";
import { isFolder } from "../image-rows.ts";
import { onInterrupt } from "../interrupt.ts";
import { exitCodes } from "../options.ts";
import { requireOut } from "../out.ts";
import { crewOf } from "../predicted.ts";
import { print, say } from "../say.ts";
import { imageFlags, type TrainFlags, tableDefaults, textFlags } from "./flags.ts";
import type { Job } from "./job.ts";
import { refuseFlags } from "./job-flags.ts";
import { KeptRun } from "./kept-run.ts";
import { isPlanFile } from "./plan-file.ts";
import { recordOf } from "./record.ts";
import { isEnded, requireRunFlags } from "./run-flags.ts";
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
  await requireRunFlags(flags, read);
  if (await isEnded(flags, read)) return;
  if (flags.run === undefined || flags.out !== undefined)
    await requireOut(flags.out ?? tableDefaults.out, [...read, ...heldFiles(flags)]);
  const job = await makeJob();
  checkPlan(job.plan); // before anything is told
  for (const line of job.description) say(line);
  const kept = flags.run === undefined ? undefined : await KeptRun.open(flags, read, process.argv.slice(2));
  if (kept !== undefined) say(`  kept in   ${kept.folder}`);
  try {
    const { outcome, end } = await carryOut(job, flags, kept);
    for (const line of summary(job, outcome)) say(line);
    const record = recordOf(job, outcome);
    await kept?.end(end === "done" ? record : undefined);
    if (flags.json === true) print(JSON.stringify(record));
    if (end === "diverged") process.exitCode = exitCodes.runFailed;
  } catch (error) {
    throw kept?.explain(error) ?? error;
  } finally {
    await kept?.close();
  }
}

const heldFiles = ({ validation, test }: TrainFlags) =>
  [validation, test].flatMap((held) => (held !== undefined && "file" in held ? [held.file] : []));

export async function jobOf(path: string, flags: TrainFlags): Promise<Job> {
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

/** How a run came to its end. One that is interrupted may go on. */
type End = "done" | "interrupted" | "diverged";

async function carryOut(
  job: Job,
  flags: TrainFlags,
  kept: KeptRun | undefined,
): Promise<{ readonly outcome: Outcome; readonly end: End }> {
  const { plan, test } = job;
  const out = flags.out ?? kept?.model ?? tableDefaults.out;
  const carried: Plan = {
    ...plan,
    ...(flags.threads !== undefined && { parallel: threads(flags.threads) }),
    ...(kept !== undefined && { checkpoint: kept.checkpoint }),
  };
  const watched = await interruptible((signal) => watch({ ...carried, signal }, kept), kept !== undefined);
  const { finished, validation } = watched;
  const { rule } = finished.stop;
  const end = rule === "diverged" ? "diverged" : rule === "aborted" ? "interrupted" : "done";
  // Weights that were never evaluated, one step before infinity, must not replace a good model.
  const isKept = end !== "diverged" || Object.keys(validation).length > 0;
  if (isKept) await finished.model.save(out, job.metadata);
  const baseline = await measureBaseline(plan);
  const judged =
    test === undefined || !isKept
      ? undefined
      : {
          model: await finished.model.evaluate(test, crewOf(flags.threads)),
          baseline: await measureBaseline(plan, test),
        };
  return {
    outcome: {
      ...watched,
      baseline,
      ...(judged && { test: judged }),
      model: isKept ? out : undefined,
      ...(kept && { run: { folder: kept.folder, ...(end === "interrupted" && { goOn: kept.goOn }) } }),
    },
    end,
  };
}

/** Ctrl-C ends the run after its step; once more ends the process, as it would without us. */
async function interruptible<Result>(
  use: (signal: AbortSignal) => Promise<Result>,
  isKept: boolean,
): Promise<Result> {
  const controller = new AbortController();
  const forget = onInterrupt(() => {
    say(
      isKept
        ? "interrupted: this step is finished, a checkpoint and the best model are saved; Ctrl-C again ends at once"
        : "interrupted: this step is finished and the best model saved; Ctrl-C again ends at once",
    );
    controller.abort(new Error("interrupted"));
  });
  try {
    return await use(controller.signal);
  } finally {
    forget();
  }
}
