/** Runs: the same bytes on one thread and several, and whether or not it is interrupted or killed. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bug } from "../errors.ts";
import type { CheckpointStore } from "./checkpoint.ts";
import type { FinishedEvent } from "./event.ts";
import type { Plan } from "./plan.ts";
import { runFolder } from "./run-folder.ts";
import { train } from "./train.ts";
import type { ElsewhereRun } from "./verify.ts";
import type { Check, CheckName } from "./verify-check.ts";
import { type Reduced, reducedPlan } from "./verify-reduced.ts";

/** The reduced run on one thread from its beginning to its end. */
export interface Undisturbed {
  readonly finished: FinishedEvent;
  readonly plan: Plan;
  readonly seconds: number;
}

/** How a run came to its end. */
interface Ended {
  readonly finished: FinishedEvent;
  readonly resumedAt: number;
}

/** Trains the reduced plan, up to a step where one is given. */
async function ended(plan: Plan, until?: number): Promise<Ended> {
  const controller = new AbortController();
  let resumedAt = 0;
  for await (const event of train({ ...plan, signal: controller.signal })) {
    if (event.type === "started") resumedAt = event.resumedAt ?? 0;
    if (event.type === "step" && event.step === until) controller.abort(new Error("interrupted on purpose"));
    if (event.type === "finished") return { finished: event, resumedAt };
  }
  return bug("a run without an end");
}

export async function undisturbed(plan: Plan, reduced: Reduced): Promise<Undisturbed> {
  const began = performance.now();
  const short = reducedPlan(plan, reduced, { workers: 1 });
  const { finished } = await ended(short);
  return { finished, plan: short, seconds: (performance.now() - began) / 1000 };
}

/** What ends a run must have the bytes of the undisturbed one. */
function compared(
  name: CheckName,
  { finished }: Undisturbed,
  others: Readonly<Record<string, string>>,
  words: { readonly holds: string; readonly fails: string },
): Check {
  const own = finished.stateSha256;
  const holds = Object.values(others).every((sha256) => sha256 === own);
  const measured = { "1 thread, undisturbed": own, ...others };
  return { name, holds, measured, limit: null, why: holds ? words.holds : words.fails };
}

export async function checkThreads(
  plan: Plan,
  reduced: Reduced,
  first: Undisturbed,
  workers: number,
): Promise<Check> {
  const { finished } = await ended(reducedPlan(plan, reduced, { workers }));
  const what = `the whole state (SHA-256) after ${reduced.steps} steps`;
  return compared(
    "threads",
    first,
    { [`${workers} threads`]: finished.stateSha256 },
    {
      holds: `1 and ${workers} threads give the same bytes of ${what}`,
      fails: `1 and ${workers} threads give different bytes of ${what}: is data.read pure, and is the model free of state?`,
    },
  );
}

/** A run that is interrupted half way and gone on with. */
export async function checkResume(
  plan: Plan,
  reduced: Reduced,
  first: Undisturbed,
  given: CheckpointStore | undefined,
): Promise<Check> {
  return withFolder(async (folder) => {
    const store = given ?? runFolder(folder);
    const short = reducedPlan(plan, reduced, { workers: 1, store });
    const until = Math.floor(reduced.steps / 2);
    await ended(short, until);
    const { finished, resumedAt } = await ended(short);
    return resumed("resume", first, finished, { resumedAt, until, what: "interrupted" });
  });
}

/** A run of another process, killed and gone on with here. */
export async function checkKill(
  plan: Plan,
  reduced: Reduced,
  first: Undisturbed,
  elsewhere: (run: Omit<ElsewhereRun, "seconds">) => Promise<boolean | string>,
): Promise<Check> {
  return withFolder(async (folder) => {
    const killAt = reduced.steps - 1;
    const killed = await elsewhere({ folder, reduced, killAt });
    if (killed !== true) {
      const why = killed || `for time: another process had not done ${killAt} steps of the plan`;
      return { name: "kill", holds: "skipped", measured: {}, limit: null, why };
    }
    const short = reducedPlan(plan, reduced, { workers: 1, store: runFolder(folder) });
    const { finished, resumedAt } = await ended(short);
    // What was being written when it was killed may be lost, and what is behind it never is.
    return resumed("kill", first, finished, { resumedAt, until: killAt - 2, what: "killed (SIGKILL)" });
  });
}

function resumed(
  name: CheckName,
  first: Undisturbed,
  finished: FinishedEvent,
  { resumedAt, until, what }: { readonly resumedAt: number; readonly until: number; readonly what: string },
): Check {
  const key = `${what}, gone on with from step ${resumedAt}`;
  const check = compared(
    name,
    first,
    { [key]: finished.stateSha256 },
    {
      holds: `a run that was ${what} and gone on with from step ${resumedAt} ends with the bytes of an undisturbed one`,
      fails: `a run that was ${what} and gone on with from step ${resumedAt} ends with other bytes: what was saved is not what was there`,
    },
  );
  if (resumedAt >= until) return check;
  const why = `a run that was ${what} was gone on with from step ${resumedAt}: step ${until} was saved and is lost`;
  return { ...check, holds: false, why };
}

/** A folder among the temporary files, which is removed afterwards. */
export async function withFolder<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), "microbatch-verify-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
