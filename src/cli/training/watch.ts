/** Runs a plan, showing it on the terminal, and keeps what the last words need. */
import { bug } from "../../errors.ts";
import { consoleReporter } from "../../report/console.ts";
import type { FinishedEvent, StartedEvent, StepEvent } from "../../train/event.ts";
import { lengthOf, type Plan } from "../../train/plan.ts";
import { train } from "../../train/train.ts";
import { inFlags } from "../words.ts";
import { Course } from "./course.ts";
import type { KeptRun } from "./kept-run.ts";

/** What a run came to. */
export interface Watched {
  readonly started: StartedEvent;
  readonly finished: FinishedEvent;
  /** The mean loss over the samples of the last epoch, as far as it went; NaN before the first step. */
  readonly trainLoss: number;
  /** The best evaluation, its names without "validation."; empty without one. */
  readonly validation: Readonly<Record<string, number>>;
  /** The epoch of the best evaluation, counted from 1. */
  readonly bestEpoch: number | undefined;
  /** How many threads computed the last steps. */
  readonly threads: number;
}

/** Trains, and tells every event to the reporter of the terminal, and to the log of a run that is kept. */
export async function watch(plan: Plan, kept?: KeptRun): Promise<Watched> {
  const report = consoleReporter({ terminal: process.stderr, ...lengthOf(plan) });
  const workers = new LastWorkers();
  let course = new Course();
  let isKnown = true;
  let started: StartedEvent | undefined;
  let finished: FinishedEvent | undefined;
  for await (const event of train(plan)) {
    if (event.type === "started") {
      started = event;
      const before = await kept?.begin(event);
      [course, isKnown] = [before ?? course, before !== undefined || event.resumedAt === undefined];
    }
    kept?.report(event);
    report(event.type === "diverged" ? { ...event, message: inFlags(event.message) } : event);
    course.see(event);
    if (event.type === "step") workers.see(event);
    if (event.type === "finished") finished = event;
  }
  if (started === undefined || finished === undefined) bug("a run without its first or last event");
  return {
    started,
    finished,
    trainLoss: course.trainLoss,
    validation:
      isKnown || plan.validation === undefined
        ? withoutPrefix(course.best)
        : await finished.model.evaluate(plan.validation.data),
    bestEpoch: course.bestEpoch,
    threads: Math.min(plan.parallel?.workers ?? workers.count, started.plan.lanes), // no more are started
  };
}

const withoutPrefix = (metrics: Readonly<Record<string, number>>) =>
  Object.fromEntries(
    Object.entries(metrics).map(([name, value]) => [name.replace("validation.", ""), value]),
  );

/** How many computed lately, where the run decides it itself: those that were only tried do not count. */
class LastWorkers {
  readonly #last: number[] = [];

  see({ lanes }: StepEvent): void {
    this.#last.push(1 + Math.max(0, ...lanes.map(({ worker }) => worker)));
    if (this.#last.length > 16) this.#last.shift();
  }

  get count(): number {
    return Math.max(1, ...this.#last);
  }
}
