/** What is said about a step that diverged: as an event of the run, and as the error that ends `fit`. */
import { elementCount } from "../array/shape.ts";
import type { Dataset } from "../data/dataset.ts";
import { MicrobatchError } from "../errors.ts";
import type { Culprit } from "../parallel/crew.ts";
import type { Explosion } from "./divergence-policy.ts";
import type { DivergedEvent } from "./event.ts";
import type { Model } from "./model.ts";
import type { Reaction } from "./recovery.ts";

/** What a run that diverged throws: the model of the last good weights is in `model`. */
export class DivergedError extends MicrobatchError {
  override readonly name = "DivergedError";
  readonly model: Model;

  /** source: the name of the training data. */
  constructor(event: DivergedEvent, source: string, model: Model) {
    const { exploded, what, limit } = event;
    const places = `${samplesOf(event, source)}${limit === undefined ? "" : `; ${limit}`}`;
    super(placeOf(event), {
      expected: exploded
        ? `a loss of at most ${exploded.factor} times ${rounded(exploded.mean)}, the mean of the steps before`
        : "finite numbers",
      got: `${exploded ? rounded(exploded.loss) : `a NaN or infinity in the ${what}`} (${places})`,
      fix: fixOf(event),
    });
    this.model = model;
  }
}

/** What is wrong with a step: numbers that are not finite, or a loss that exploded. */
export interface Trouble {
  readonly microbatch?: number;
  readonly samples: Uint32Array;
  /** Default "loss". */
  readonly what?: Culprit["what"];
  readonly exploded?: Explosion;
}

/** A step whose update did not happen. */
export interface Diverged {
  readonly step: number;
  readonly trouble: Trouble;
  readonly reaction: Reaction;
  readonly seconds: number;
  /** The training samples. */
  readonly data: Dataset;
}

/** What is told of such a step. */
export async function divergedEvent(diverged: Diverged): Promise<DivergedEvent> {
  const { step, trouble, reaction, seconds, data } = diverged;
  // Later steps may diverge for many reasons; weights that nothing has moved yet do so because of what they are fed.
  const unfit = step === 1 ? await unfitNumber(data, trouble.samples) : undefined;
  const told = {
    step,
    action: reaction.action,
    ...(trouble.microbatch !== undefined && { microbatch: trouble.microbatch }),
    samples: [...trouble.samples],
    what: trouble.what ?? "loss",
    ...(trouble.exploded && { exploded: trouble.exploded }),
    ...(unfit && { unfit }),
    ...countedOf(reaction),
    seconds,
  };
  const message = `${placeOf(told)}: ${problemOf(told)}; ${samplesOf(told, data.name)}. ${consequenceOf(told)}`;
  return { type: "diverged", ...told, message };
}

type Told = Omit<DivergedEvent, "type" | "message">;

function countedOf(reaction: Reaction): Pick<DivergedEvent, "limit" | "skipped" | "back"> {
  if (reaction.action === "skip") return { skipped: { total: reaction.skipped, inARow: reaction.inARow } };
  if (reaction.action === "stop") return reaction.limit === undefined ? {} : { limit: reaction.limit };
  const { toStep, wentBack, learningRateFactor } = reaction;
  return { back: { step: toStep, times: wentBack, learningRateFactor } };
}

function problemOf({ what, exploded }: Told): string {
  if (exploded === undefined) return `the ${what} became NaN or infinite`;
  const { loss, mean, factor } = exploded;
  return `the loss of ${rounded(loss)} is more than ${factor} times ${rounded(mean)}, the mean of the steps before`;
}

function consequenceOf(told: Told): string {
  const { back, skipped, limit } = told;
  if (skipped) return `The update is left out (${skipped.total} so far, ${skipped.inARow} in a row).`;
  if (back) {
    const rate = `${rounded(back.learningRateFactor)} times the learning rate`;
    return `The run goes back to step ${back.step} and on with ${rate} (time ${back.times}).`;
  }
  const why = limit === undefined ? "" : `${limit[0]!.toUpperCase()}${limit.slice(1)}. `;
  return `${why}The weights of the step before are kept. Fix: ${fixOf(told)}`;
}

/** Four digits: messages are read by people. */
const rounded = (value: number) => String(Number(value.toPrecision(4)));

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
  microbatch === undefined ? `step ${step}` : `step ${step}, microbatch ${microbatch}`;

function samplesOf({ samples }: Pick<DivergedEvent, "samples">, source: string): string {
  const rest = samples.length > 16 ? `, … (${samples.length})` : "";
  return `samples ${samples.slice(0, 16).join(", ")}${rest} of ${source}`;
}
