/**
 * Threads: this one and n − 1 others, on the same memory. Each takes lane after lane from the ledger, computes it in sessions of
 * its own and adds finished lanes to their neighbours. The numbers are those of a crew of one, bit by bit.
 */
import { fail, kindOf } from "../errors.ts";
import { alone } from "./alone.ts";
import type { CrewFactory, CrewJob } from "./crew.ts";
import { automatic } from "./threads-automatic.ts";
import { openThreads, type ThreadOptions } from "./threads-crew.ts";
import { inferOnThreads } from "./threads-inference.ts";

export type { ThreadOptions } from "./threads-crew.ts";

/**
 * Computes with so many threads, this one included; more than one per core are of no use. The same plan gives the same bytes
 * with any number of them. A batch needs at least as many microbatches as threads to keep them busy, and no more threads are
 * started to train than the plan has lanes (8 by default). Throws unless it is a whole number from 1 to 256.
 */
export function threads(workers: number, options: ThreadOptions = {}): CrewFactory {
  if (!(Number.isSafeInteger(workers) && workers >= 1 && workers <= 256)) {
    fail("threads", { expected: "a whole number from 1 to 256", got: String(workers), fix: "threads(2)" });
  }
  checkOptions(options);
  if (workers === 1) return { name: "alone", workers, open: alone };
  const open = (job: CrewJob) => openThreads(job, workers, options);
  return { name: "threads", workers, open, infer: (job) => inferOnThreads(job, workers) };
}

function checkOptions(options: ThreadOptions): void {
  const where = "threads, options";
  if (typeof options !== "object" || options === null)
    fail(where, { expected: "an object", got: kindOf(options), fix: "leave it out" });
  const { stuckAfterSeconds = 1, stopAfterLosses = 1, disturb: _, ...unknown } = options;
  const [name] = Object.keys(unknown);
  if (name !== undefined) {
    const expected = "stuckAfterSeconds or stopAfterLosses";
    fail(where, { expected, got: name, fix: "correct the name, or leave it out" });
  }
  if (!(typeof stuckAfterSeconds === "number" && stuckAfterSeconds > 0)) {
    const got = kindOf(stuckAfterSeconds);
    fail(`${where}, stuckAfterSeconds`, { expected: "a number above 0", got, fix: "leave it out for 600" });
  }
  if (!(Number.isSafeInteger(stopAfterLosses) && stopAfterLosses >= 1)) {
    const got = kindOf(stopAfterLosses);
    fail(`${where}, stopAfterLosses`, {
      expected: "a whole number from 1 on",
      got,
      fix: "leave it out for 2",
    });
  }
}

/** The crew of a plan that names none. */
export const defaultCrew = (): CrewFactory => automatic((job, workers) => openThreads(job, workers, {}));
