/** What is said about a NaN or infinity: as an event of the run, and as the error that ends `fit`. */
import { MicrobatchError } from "../errors.ts";
import type { Culprit } from "../parallel/crew.ts";
import type { DivergedEvent } from "./event.ts";
import type { Model } from "./model.ts";

/** What a run that diverged throws: the model of the last good weights is in `model`. */
export class DivergedError extends MicrobatchError {
  override readonly name = "DivergedError";
  readonly model: Model;

  /** source: the name of the training data. */
  constructor(event: DivergedEvent, source: string, model: Model) {
    const got = `a NaN or infinity in the ${event.what} (${samplesOf(event, source)})`;
    super(placeOf(event), { expected: "finite numbers", got, fix });
    this.model = model;
  }
}

/** The event for a step whose update did not happen. source: the name of the training data. */
export function divergedEvent(step: number, culprit: Culprit, source: string): DivergedEvent {
  const { microbatch, what } = culprit;
  const told = { step, microbatch, samples: [...culprit.samples], what };
  const message =
    `${placeOf(told)}: the ${what} became NaN or infinite; ${samplesOf(told, source)}. ` +
    `The weights of the step before are kept. Fix: ${fix}`;
  return { type: "diverged", ...told, message };
}

const fix = "lower the learning rate, clip the gradient (clipByGlobalNorm), or correct these samples";

const placeOf = ({ step, microbatch }: Pick<DivergedEvent, "step" | "microbatch">) =>
  `step ${step}, microbatch ${microbatch}`;

function samplesOf({ samples }: Pick<DivergedEvent, "samples">, source: string): string {
  const rest = samples.length > 16 ? `, … (${samples.length})` : "";
  return `samples ${samples.slice(0, 16).join(", ")}${rest} of ${source}`;
}
