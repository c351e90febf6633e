/** CONTRACT of a schedule: the learning rate as a function of the step. Plain numbers, so that any step can be resumed. */
import { fail } from "../errors.ts";

/** The learning rate of step `step`, which is 0 for the first update. Any function of that shape is one. */
export interface Schedule {
  (step: number): number;
  /** How it is recorded in the resolved plan: the call that makes it. A function of your own is recorded as "custom". */
  readonly description?: string;
}

/** The same rate at every step. */
export function constantRate(rate: number): Schedule {
  const where = "constantRate";
  checkRate(where, "the rate", rate);
  return described(where, { rate }, () => rate);
}

/** rate · factor^⌊step / every⌋: a jump every so many steps. Source: PyTorch StepLR. */
export function stepRate(
  rate: number,
  options: { readonly every: number; readonly factor: number },
): Schedule {
  const { every, factor } = options;
  const where = "stepRate";
  checkRate(where, "the rate", rate);
  checkSteps(where, "every", every, 1);
  checkRate(where, "factor", factor);
  return described(where, { rate, every, factor }, (step) => rate * factor ** Math.floor(step / every));
}

/** rate · factor^step. Source: PyTorch ExponentialLR. */
export function exponentialRate(rate: number, options: { readonly factor: number }): Schedule {
  const { factor } = options;
  const where = "exponentialRate";
  checkRate(where, "the rate", rate);
  checkRate(where, "factor", factor);
  return described(where, { rate, factor }, (step) => rate * factor ** step);
}

/** How long a schedule falls, to what, and after which warm-up. */
export interface FallOptions {
  /** All steps of the run, warm-up included. From then on the rate stays at `final`. */
  readonly steps: number;
  /** The rate after the last step. Default 0. */
  readonly final?: number;
  /** The first so many steps climb to the rate (`withWarmup`). Default 0. */
  readonly warmup?: number;
}

/**
 * Half a cosine from rate to final: final + (rate − final) · (1 + cos(π · step / steps)) / 2. With a warm-up the cosine
 * takes the steps that are left. Unlike PyTorch's CosineAnnealingLR it does not climb again after its last step.
 * Source: Loshchilov & Hutter 2016 (arXiv:1608.03983), without restarts.
 */
export function cosineRate(rate: number, options: FallOptions): Schedule {
  return fall("cosineRate", rate, options, (done) => (1 + Math.cos(Math.PI * done)) / 2);
}

/** A straight line from rate to final; with a warm-up it takes the steps that are left. Source: PyTorch LinearLR. */
export function linearRate(rate: number, options: FallOptions): Schedule {
  return fall("linearRate", rate, options, (done) => 1 - done);
}

/** What `oneCycleRate` may change. */
export interface OneCycleOptions {
  /** All steps of the run. */
  readonly steps: number;
  /** The part of the steps that climbs. Default 0.3, as PyTorch. */
  readonly climb?: number;
  /** The first rate is peak / startDivisor. Default 25, as PyTorch. */
  readonly startDivisor?: number;
  /** The last rate is the first / finalDivisor. Default 10 000, as PyTorch. */
  readonly finalDivisor?: number;
}

/**
 * Half a cosine up from peak / startDivisor to the peak, which step climb · steps − 1 has, and half a cosine down to the
 * last rate, which step steps − 1 has and every later one keeps. Source: Smith & Topin 2017 (arXiv:1708.07120), with the
 * defaults of PyTorch's OneCycleLR (anneal_strategy "cos", momentum left alone).
 */
export function oneCycleRate(peak: number, options: OneCycleOptions): Schedule {
  const { steps, climb = 0.3, startDivisor = 25, finalDivisor = 1e4 } = options;
  const where = "oneCycleRate";
  checkRate(where, "the peak", peak);
  checkSteps(where, "steps", steps, 1);
  if (!(climb >= 0 && climb <= 1)) {
    fail(where, { expected: "climb to be from 0 to 1", got: String(climb), fix: "for example 0.3" });
  }
  for (const [name, divisor] of Object.entries({ startDivisor, finalDivisor })) {
    if (!(divisor > 0 && divisor < Number.POSITIVE_INFINITY)) {
      fail(where, { expected: `${name} to be above 0`, got: String(divisor), fix: "for example 25" });
    }
  }
  const first = peak / startDivisor;
  const last = first / finalDivisor;
  const top = climb * steps - 1;
  const between = (from: number, to: number, done: number) =>
    to + ((from - to) * (1 + Math.cos(Math.PI * done))) / 2;
  const record = { peak, steps, climb, startDivisor, finalDivisor };
  return described(where, record, (step) => {
    if (step >= steps - 1) return last;
    if (step >= top) return between(peak, last, (step - top) / (steps - 1 - top));
    return between(first, peak, step / top);
  });
}

/**
 * A linear climb in front of a schedule: schedule(0) · (step + 1) / steps for step < steps, then schedule(step − steps).
 * The last step of the climb has the full rate already. Source: Goyal et al. 2017 (arXiv:1706.02677).
 */
export function withWarmup(steps: number, schedule: Schedule): Schedule {
  const where = "withWarmup";
  checkSteps(where, "steps", steps, 0);
  return described(where, { steps, schedule: schedule.description ?? "custom" }, (step) =>
    step < steps ? (schedule(0) * (step + 1)) / steps : schedule(step - steps),
  );
}

function fall(
  where: string,
  rate: number,
  options: FallOptions,
  remaining: (done: number) => number,
): Schedule {
  const { steps, final = 0, warmup = 0 } = options;
  checkRate(where, "the rate", rate);
  checkRate(where, "final", final);
  checkSteps(where, "steps", steps, 1);
  checkSteps(where, "warmup", warmup, 0);
  if (warmup >= steps) {
    fail(where, {
      expected: `warmup to be shorter than all ${steps} steps`,
      got: String(warmup),
      fix: "shorten the warm-up; steps counts it too",
    });
  }
  const length = steps - warmup;
  const curve: Schedule = (step) => final + (rate - final) * remaining(Math.min(step / length, 1));
  return described(where, { rate, steps, final, warmup }, withWarmup(warmup, curve));
}

function described(
  name: string,
  settings: Readonly<Record<string, number | string>>,
  at: Schedule,
): Schedule {
  const list = Object.entries(settings).map(([key, value]) => `${key}: ${value}`);
  const schedule = (step: number) => at(step);
  return Object.freeze(Object.assign(schedule, { description: `${name}(${list.join(", ")})` }));
}

function checkRate(where: string, what: string, value: number): void {
  if (!(Number.isFinite(value) && value >= 0)) {
    fail(where, {
      expected: `${what} to be a number from 0 on`,
      got: String(value),
      fix: "for example 0.001 as a rate, 0.5 as a factor",
    });
  }
}

function checkSteps(where: string, what: string, value: number, least: number): void {
  if (!(Number.isInteger(value) && value >= least)) {
    fail(where, {
      expected: `${what} to be a whole number of steps from ${least} on`,
      got: String(value),
      fix: "count updates, not samples; epochs · ⌈samples / batchSize⌉ are all of them",
    });
  }
}
