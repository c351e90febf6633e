/** fit: drains a run, feeds reporters, returns the model. */
import type { ColumnSpecs } from "../data/dataset.ts";
import { bug } from "../errors.ts";
import { DivergedError } from "./divergence.ts";
import type { DivergedEvent, TrainEvent } from "./event.ts";
import type { Model } from "./model.ts";
import type { Plan } from "./plan.ts";
import { train } from "./train.ts";

/** Whoever watches a run: it is told every event, and returns at once. */
export type Reporter = (event: TrainEvent) => void;

/**
 * Trains a plan to its end and gives the model: the best validation weights, or the last ones without validation.
 * Throws what `train` throws, and a DivergedError, with the last good weights, when divergence ends the run.
 */
export async function fit<Columns extends ColumnSpecs, Prediction>(
  plan: Plan<Columns, Prediction>,
  reporters: readonly Reporter[] = [],
): Promise<Model> {
  let diverged: DivergedEvent | undefined;
  for await (const event of train(plan)) {
    for (const report of reporters) report(event);
    if (event.type === "diverged" && event.action === "stop") diverged = event;
    if (event.type !== "finished") continue;
    if (diverged !== undefined) throw new DivergedError(diverged, plan.data.name, event.model);
    return event.model;
  }
  return bug("a run ended without its last event");
}
