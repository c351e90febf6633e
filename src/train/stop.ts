/** Stop rules: plain-data state and a pure step, so that a checkpoint can hold them. */
import { fail, kindOf } from "../errors.ts";
import type { DivergedEvent, StepEvent, TrainEvent } from "./event.ts";

/** Plain data: what JSON can hold. */
export type PlainData =
  | number
  | string
  | boolean
  | null
  | readonly PlainData[]
  | { readonly [key: string]: PlainData };

/** How long a run may get. */
export interface RunLength {
  readonly steps?: number;
  readonly epochs?: number;
  /** Evaluations in a row without improvement. */
  readonly patience?: number;
}

/** CONTRACT of a stop rule. `next` is called with every event; a reason ends the run after that event. */
export interface StopRule<State extends PlainData = PlainData> {
  readonly name: string;
  readonly initial: State;
  /** The validation metric it reads, if any: a plan that does not evaluate it is refused, since it would never end. */
  readonly metric?: string;
  /** The most it allows, where that is a number known beforehand: for progress bars, and to say that one run is longer than another. */
  readonly most?: RunLength;
  next(state: State, event: TrainEvent): { readonly state: State; readonly reason?: string };
}

/** Stops after `steps` updates. */
export function afterSteps(steps: number): StopRule<null> {
  requirePositive("afterSteps", steps);
  return {
    name: "afterSteps",
    initial: null,
    most: { steps },
    next: (state, event) =>
      isStep(event) && event.step >= steps ? { state, reason: `${steps} steps done` } : { state },
  };
}

/** A step that was skipped is one, too. */
const isStep = (event: TrainEvent): event is StepEvent | DivergedEvent =>
  event.type === "step" || (event.type === "diverged" && event.action === "skip");

/** Stops after `epochs` passes over the training samples. */
export function afterEpochs(epochs: number): StopRule<null> {
  requirePositive("afterEpochs", epochs);
  return {
    name: "afterEpochs",
    initial: null,
    most: { epochs },
    next: (state, event) =>
      event.type === "epoch" && event.epoch + 1 >= epochs
        ? { state, reason: `${epochs} epochs done` }
        : { state },
  };
}

/** Stops at the first step that ends `seconds` or more of training later. Depends on the machine, so runs differ. */
export function afterSeconds(seconds: number): StopRule<number> {
  if (!(seconds > 0)) {
    fail("afterSeconds", {
      expected: "seconds above 0",
      got: String(seconds),
      fix: "for example afterSeconds(60)",
    });
  }
  return {
    name: "afterSeconds",
    initial: 0,
    next: (spent, event) => {
      const state = "seconds" in event && event.type !== "finished" ? spent + event.seconds : spent;
      return state >= seconds ? { state, reason: `${seconds} seconds are over` } : { state };
    },
  };
}

/** Stops when a validation metric is good enough: `whenReached("validation.rmse", { below: 0.5 })`. */
export function whenReached(
  metric: string,
  target: { readonly below?: number; readonly above?: number },
): StopRule<null> {
  const { below, above } = target ?? {};
  if ((below === undefined) === (above === undefined) || Number.isNaN(Number(below ?? above))) {
    fail("whenReached", {
      expected: "a number for exactly one of below and above",
      got: `below ${below}, above ${above}`,
      fix: `for example whenReached("${metric}", { below: 0.5 })`,
    });
  }
  const isReached = (value: number) => (below === undefined ? value >= above! : value <= below);
  const limit = below === undefined ? `at least ${above}` : `at most ${below}`;
  return {
    name: "whenReached",
    metric,
    initial: null,
    next: (state, event) => {
      if (event.type !== "evaluated") return { state };
      const value = metricOf(event.metrics, metric, "whenReached");
      return isReached(value)
        ? { state, reason: `${metric} is ${rounded(value)}, ${limit} was asked for` }
        : { state };
    },
  };
}

/** Options of whenStale. */
export interface StaleOptions {
  /** Evaluations in a row without improvement that end the run. */
  readonly patience: number;
  /** Default "lower"; "higher" for accuracy and the like. */
  readonly better?: "lower" | "higher";
  /** The smallest change that counts as an improvement. Default 0. */
  readonly minimumChange?: number;
}

/** Stops when a validation metric has not improved for `patience` evaluations in a row. The best weights are kept. */
export function whenStale(
  metric: string,
  options: StaleOptions,
): StopRule<{ best: number | null; stale: number }> {
  const { patience, better = "lower", minimumChange = 0 } = options ?? {};
  requirePositive("whenStale patience", patience);
  if ((better !== "lower" && better !== "higher") || !(minimumChange >= 0)) {
    fail("whenStale", {
      expected: 'better: "lower" or "higher", and a minimumChange from 0 on',
      got: `better: ${kindOf(better)}, minimumChange: ${kindOf(minimumChange)}`,
      fix: `for example whenStale("${metric}", { patience: 5, better: "higher" })`,
    });
  }
  const sign = better === "lower" ? 1 : -1;
  return {
    name: "whenStale",
    metric,
    most: { patience },
    initial: { best: null, stale: 0 },
    next: (state, event) => {
      if (event.type !== "evaluated") return { state };
      const value = metricOf(event.metrics, metric, "whenStale");
      // A NaN (a metric that is undefined on these samples) is never the best: nothing would be better than it.
      const isBetter =
        !Number.isNaN(value) && (state.best === null || sign * value < sign * state.best - minimumChange);
      const next = isBetter ? { best: value, stale: 0 } : { best: state.best, stale: state.stale + 1 };
      if (next.stale < patience) return { state: next };
      return {
        state: next,
        reason: `${metric} has not improved for ${patience} evaluations (best ${rounded(next.best)})`,
      };
    },
  };
}

/** Steps several rules at once. */
export function nextStops(
  rules: readonly StopRule[],
  states: readonly PlainData[],
  event: TrainEvent,
): { readonly states: PlainData[]; readonly stop?: { readonly rule: string; readonly reason: string } } {
  const results = rules.map((rule, index) => rule.next(states[index]!, event));
  const first = results.findIndex(({ reason }) => reason !== undefined);
  const next = results.map(({ state }) => state);
  if (first < 0) return { states: next };
  return { states: next, stop: { rule: rules[first]!.name, reason: results[first]!.reason! } };
}

/** Four digits: reasons are read by people. */
const rounded = (value: number | null) => (value === null ? "none" : String(Number(value.toPrecision(4))));

function metricOf(metrics: Readonly<Record<string, number>>, name: string, rule: string): number {
  return (
    metrics[name] ??
    fail(`${rule}("${name}")`, {
      expected: `one of ${Object.keys(metrics).join(", ")}`,
      got: `"${name}"`,
      fix: "name one of them, or add the metric to the plan's validation.metrics",
    })
  );
}

function requirePositive(where: string, value: number): void {
  if (Number.isInteger(value) && value > 0) return;
  fail(where, { expected: "a whole number from 1 on", got: String(value), fix: "for example 10" });
}
