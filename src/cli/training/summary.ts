/** The last words of a run: how good the model is beside the trivial one, in plain words. */
import { digits, duration } from "../../report/console.ts";
import { styled } from "../say.ts";
import type { Job, Verdict } from "./job.ts";
import type { Watched } from "./watch.ts";

type Metrics = Readonly<Record<string, number>>;

/** A run with everything it is judged by. */
export interface Outcome extends Watched {
  /** The trivial model on the validation samples, where there is one. */
  readonly baseline: Metrics | undefined;
  readonly test?: { readonly model: Metrics; readonly baseline: Metrics | undefined };
  /** The file it was saved in, if it was. */
  readonly model: string | undefined;
  /** Where the run is kept, and what is typed to go on with it where it was interrupted. */
  readonly run?: { readonly folder: string; readonly goOn?: string };
}

/** Line by line, for people. */
export function summary(job: Job, outcome: Outcome): string[] {
  const { finished, model } = outcome;
  if (model === undefined) {
    return [
      `No model is saved: the run diverged at step ${finished.steps + 1}, before its first evaluation. Try a lower --learning-rate, or --clip 1.`,
    ];
  }
  return [
    "",
    ...lengthLines(outcome),
    ...table(outcome),
    ...job.verdicts.map((verdict) => verdictLine(verdict, outcome)),
    `Saved ${styled("bold", model)}: ${job.saved ?? "raw rows in, predictions out"}.`,
    ...(outcome.run?.goOn === undefined ? [] : [`Go on with it: ${outcome.run.goOn}`]),
  ];
}

function lengthLines(outcome: Outcome): string[] {
  const { finished, bestEpoch } = outcome;
  const { steps, epochs, stop } = finished;
  const kept = bestEpoch === undefined ? "" : `; the best weights are those of epoch ${bestEpoch}`;
  // The reporter has shown where it diverged.
  const reason = stop.rule === "diverged" ? "it diverged" : stop.reason;
  return [
    `${counted(steps, "step")} ${lengthOf(outcome)}, ${counted(epochs, "epoch")}${kept}.`,
    `Stopped: ${reason}.`,
    ...memoryLines(finished),
  ];
}

/** In millions of bytes, as --memory-budget takes them. */
function memoryLines({ memory }: Outcome["finished"]): string[] {
  if (memory === undefined) return [];
  const megabytes = (bytes: number) => `${Math.round(bytes / 1e6).toLocaleString("en-US")} MB`;
  return [
    `Memory: ${megabytes(memory.peakBytes)} at most, ${megabytes(memory.predictedPeakBytes)} predicted.`,
  ];
}

/** "in 3 s on 2 threads", "(20 of them now) in 3 s": what a life before took is in its log. */
function lengthOf({ started, finished, threads }: Outcome): string {
  const { resumedAt = 0 } = started;
  const now = resumedAt > 0 ? `(${(finished.steps - resumedAt).toLocaleString("en-US")} of them now) ` : "";
  return `${now}in ${duration(finished.seconds)}${threads > 1 ? ` on ${threads} threads` : ""}`;
}

const counted = (count: number, what: string) =>
  `${count.toLocaleString("en-US")} ${what}${count === 1 ? "" : "s"}`;

/** One line per metric, one column per judgement. */
function table({ validation, baseline, test, trainLoss }: Outcome): string[] {
  if (Object.keys(validation).length === 0) return [`  training loss ${digits(trainLoss)}`];
  const columns: (readonly [string, Metrics])[] = [["validation", validation]];
  if (baseline !== undefined) columns.push(["baseline", baseline]);
  if (test !== undefined) columns.push(["test", test.model]);
  if (test?.baseline !== undefined) columns.push(["baseline", test.baseline]);
  const names = Object.keys(validation);
  const width = Math.max(...names.map((name) => name.length));
  const cell = (text: string) => text.padStart(12);
  return [
    styled("dim", `  ${"".padEnd(width)}${columns.map(([title]) => cell(title)).join("")}`),
    ...names.map(
      (name) =>
        `  ${name.padEnd(width)}${columns.map(([, metrics]) => cell(digits(metrics[name] ?? Number.NaN))).join("")}`,
    ),
  ];
}

/** The test's judgement where there is one: validation has chosen the weights, so it flatters them. */
function verdictLine({ metric, better, baselineWords, advice }: Verdict, outcome: Outcome): string {
  const { validation, baseline } =
    outcome.test === undefined
      ? { validation: outcome.validation, baseline: outcome.baseline }
      : { validation: outcome.test.model, baseline: outcome.test.baseline };
  const own = validation[metric] ?? Number.NaN;
  const trivial = baseline?.[metric] ?? Number.NaN;
  const compared = `${metric} ${digits(own)} against ${digits(trivial)} (${baselineWords})`;
  if (better === "lower" ? own < trivial : own > trivial) {
    return `${styled("green", "The model beats the baseline")}: ${compared}.`;
  }
  // A loss far above the trivial one is no lack of knowledge: the steps were too large.
  const isBlownUp = !((validation.loss ?? 0) <= 10 * (baseline?.loss ?? Number.POSITIVE_INFINITY));
  const next = isBlownUp
    ? "The loss has grown far beyond it: try a lower --learning-rate, or --clip 1"
    : (advice ?? "These columns may not tell the target, or more samples are needed");
  return `${styled("yellow", "The model does not beat the baseline")}: ${compared}. ${next}.`;
}
