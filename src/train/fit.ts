/** fit: drains a run, feeds reporters, returns the model. */
import type { ColumnSpecs } from "../data/dataset.ts";
import { bug, MicrobatchError } from "../errors.ts";
import type { TrainEvent } from "./event.ts";
import type { Model } from "./model.ts";
import type { Plan } from "./plan.ts";
import { train } from "./train.ts";

/** Whoever watches a run: it is told every event, and returns at once. */
export type Reporter = (event: TrainEvent) => void;

/** What a run that diverged throws: the model of the last good weights is in `model`. */
export class DivergedError extends MicrobatchError {
  override readonly name = "DivergedError";
  readonly model: Model;

  constructor(message: { readonly where: string; readonly got: string; readonly fix: string }, model: Model) {
    super(message.where, { expected: "finite numbers", got: message.got, fix: message.fix });
    this.model = model;
  }
}

/**
 * Trains a plan to its end and gives the model: the best validation weights, or the last ones without validation.
 * Throws what `train` throws, and a DivergedError, with the last good weights, when a NaN or infinity appears.
 */
export async function fit<Columns extends ColumnSpecs, Prediction>(
  plan: Plan<Columns, Prediction>,
  reporters: readonly Reporter[] = [],
): Promise<Model> {
  let divergence: TrainEvent | undefined;
  for await (const event of train(plan)) {
    for (const report of reporters) report(event);
    if (event.type === "diverged") divergence = event;
    if (event.type !== "finished") continue;
    if (divergence?.type !== "diverged") return event.model;
    const { step, microbatch, samples, what } = divergence;
    throw new DivergedError(
      {
        where: `step ${step}, microbatch ${microbatch}`,
        got: `a NaN or infinity in the ${what} (samples ${shorten(samples)} of ${plan.data.name})`,
        fix: "lower the learning rate, clip the gradient (clipByGlobalNorm), or correct these samples",
      },
      event.model,
    );
  }
  return bug("a run ended without its last event");
}

const shorten = (samples: readonly number[]) =>
  samples.length > 16 ? `${samples.slice(0, 16).join(", ")}, … ${samples.length} in all` : samples.join(", ");
