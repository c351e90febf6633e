/** What is said about a NaN or infinity: as an event of the run, and as the error that ends `fit`. */
import { elementCount } from "../array/shape.ts";
import type { Dataset } from "../data/dataset.ts";
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
    super(placeOf(event), { expected: "finite numbers", got, fix: fixOf(event) });
    this.model = model;
  }
}

/** The event for a step whose update did not happen. data: the training samples. */
export async function divergedEvent(step: number, culprit: Culprit, data: Dataset): Promise<DivergedEvent> {
  const { microbatch, what } = culprit;
  // Later steps may diverge for many reasons; weights that nothing has moved yet do so because of what they are fed.
  const unfit = step === 1 ? await unfitNumber(data, culprit.samples) : undefined;
  const told = { step, microbatch, samples: [...culprit.samples], what, ...(unfit && { unfit }) };
  const message =
    `${placeOf(told)}: the ${what} became NaN or infinite; ${samplesOf(told, data.name)}. ` +
    `The weights of the step before are kept. Fix: ${fixOf(told)}`;
  return { type: "diverged", ...told, message };
}

/** The first number among the samples that is none, or infinite. */
async function unfitNumber(data: Dataset, samples: Uint32Array): Promise<DivergedEvent["unfit"]> {
  for (const [column, { dtype, shape }] of Object.entries(data.columns)) {
    if (dtype !== "float32") continue;
    const elements = elementCount(shape);
    const values = new Float32Array(samples.length * elements);
    await data.read(column, samples, values);
    const at = values.findIndex((value) => !Number.isFinite(value));
    if (at >= 0) return { column, sample: samples[Math.floor(at / elements)]!, value: values[at]! };
  }
  return undefined;
}

function fixOf({ unfit }: Pick<DivergedEvent, "unfit">): string {
  const usual = "lower the learning rate, clip the gradient (clipByGlobalNorm), or correct these samples";
  if (unfit === undefined) return usual;
  const { column, sample, value } = unfit;
  const what = Number.isNaN(value) ? "no number" : String(value);
  return `column "${column}" has ${what} in sample ${sample}: if the model reads it as it is, fill it first, as encoder(await statistics(training)) does; or ${usual}`;
}

const placeOf = ({ step, microbatch }: Pick<DivergedEvent, "step" | "microbatch">) =>
  `step ${step}, microbatch ${microbatch}`;

function samplesOf({ samples }: Pick<DivergedEvent, "samples">, source: string): string {
  const rest = samples.length > 16 ? `, … (${samples.length})` : "";
  return `samples ${samples.slice(0, 16).join(", ")}${rest} of ${source}`;
}
