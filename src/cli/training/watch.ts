/** Runs a plan, showing it on the terminal, and keeps what the last words need. */
import { bug } from "../../errors.ts";
import { consoleReporter } from "../../report/console.ts";
import type { FinishedEvent, StartedEvent, StepEvent } from "../../train/event.ts";
import type { Plan } from "../../train/plan.ts";
import { train } from "../../train/train.ts";
import { inFlags } from "../words.ts";

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
}

/** How long the run may get, for the bar. */
export interface Length {
  readonly epochs?: number;
  readonly steps?: number;
}

/** Trains, and tells every event to the reporter of the terminal. */
export async function watch(plan: Plan, length: Length): Promise<Watched> {
  const report = consoleReporter({ terminal: process.stderr, ...length });
  const loss = new EpochLoss();
  let started: StartedEvent | undefined;
  let finished: FinishedEvent | undefined;
  let best: Readonly<Record<string, number>> = {};
  let bestEpoch: number | undefined;
  for await (const event of train(plan)) {
    report(event.type === "diverged" ? { ...event, message: inFlags(event.message) } : event);
    if (event.type === "started") started = event;
    if (event.type === "step") loss.add(event);
    if (event.type === "evaluated" && event.isBest) {
      best = event.metrics;
      bestEpoch = loss.epoch + 1;
    }
    if (event.type === "finished") finished = event;
  }
  if (started === undefined || finished === undefined) bug("a run without its first or last event");
  const metrics = Object.entries(best).map(([name, value]) => [name.replace("validation.", ""), value]);
  return { started, finished, trainLoss: loss.mean, validation: Object.fromEntries(metrics), bestEpoch };
}

/** Σ w·ℓ / Σ w over the steps of the epoch under way. */
class EpochLoss {
  epoch = 0;
  #sum = 0;
  #weight = 0;

  add({ epoch, loss, weight }: StepEvent): void {
    if (epoch !== this.epoch) [this.epoch, this.#sum, this.#weight] = [epoch, 0, 0];
    if (weight === 0) return; // its loss is NaN
    this.#sum += weight * loss;
    this.#weight += weight;
  }

  get mean(): number {
    return this.#sum / this.#weight;
  }
}
