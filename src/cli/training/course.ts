/** The course of a run: what its last words need of its events. A run that goes on reads the first part of it from its log. */
import { open } from "node:fs/promises";
import type { DivergedEvent, EvaluatedEvent, StepEvent, TrainEvent } from "../../train/event.ts";
import { isFile } from "../run-files.ts";

/** What is read of events; those of a log are plain JSON. */
type Told =
  | Pick<StepEvent, "type" | "epoch" | "loss" | "weight">
  | Pick<EvaluatedEvent, "type" | "step" | "isBest" | "metrics">
  | Pick<DivergedEvent, "type" | "back">
  | { readonly type: Exclude<TrainEvent["type"], "step" | "evaluated" | "diverged"> };

/** An evaluation that was the best when it was made. */
interface Best {
  readonly step: number;
  /** Counted from 1. */
  readonly epoch: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/** Follows a run. */
export class Course {
  #bests: readonly Best[] = [];
  #epoch = 0;
  #sum = 0;
  #weight = 0;

  see(event: Told): void {
    if (event.type === "step") this.#add(event);
    if (event.type === "evaluated" && event.isBest)
      this.#bests = [...this.#bests, { step: event.step, epoch: this.#epoch + 1, metrics: event.metrics }];
    if (event.type === "diverged" && event.back !== undefined) this.#goBack(event.back.step);
  }

  /** The metrics of the best evaluation; empty without one. */
  get best(): Readonly<Record<string, number>> {
    return this.#bests.at(-1)?.metrics ?? {};
  }

  /** The epoch of the best evaluation, counted from 1. */
  get bestEpoch(): number | undefined {
    return this.#bests.at(-1)?.epoch;
  }

  /** Σ w·ℓ / Σ w over the steps of the epoch under way. */
  get trainLoss(): number {
    return this.#sum / this.#weight;
  }

  /** The same, which what comes does not change. */
  copy(): Course {
    const copy = new Course();
    copy.#bests = this.#bests;
    [copy.#epoch, copy.#sum, copy.#weight] = [this.#epoch, this.#sum, this.#weight];
    return copy;
  }

  /** What came behind that step is undone; the epoch's loss is then that of the steps which come again. */
  #goBack(step: number): void {
    this.#bests = this.#bests.filter((best) => best.step <= step);
    [this.#sum, this.#weight] = [0, 0];
  }

  #add({ epoch, loss, weight }: Pick<StepEvent, "epoch" | "loss" | "weight">): void {
    if (epoch !== this.#epoch) [this.#epoch, this.#sum, this.#weight] = [epoch, 0, 0];
    if (weight === 0) return; // its loss is NaN
    this.#sum += weight * loss;
    this.#weight += weight;
  }
}

/**
 * The course up to the checkpoint of a step, as the log tells it. What a life has told behind its last checkpoint counts for
 * nothing. Undefined where the log does not know that checkpoint.
 */
export async function courseAt(log: string, step: number): Promise<Course | undefined> {
  const { saved } = await followLog(log);
  return saved.get(step);
}

/** The course as far as the log tells it. */
export async function courseOf(log: string): Promise<Course> {
  return (await followLog(log)).course;
}

async function followLog(log: string): Promise<{ course: Course; saved: ReadonlyMap<number, Course> }> {
  let course = new Course();
  const saved = new Map<number, Course>();
  // A run that has not begun has none.
  const file = (await isFile(log)) ? await open(log).catch(() => undefined) : undefined;
  if (file === undefined) return { course, saved };
  for await (const line of file.readLines()) {
    const told = parse(line);
    if (told?.type === "saved") saved.set(told.step, course.copy());
    else if (told?.type === "resumed") course = saved.get(told.step)?.copy() ?? course;
    else if (told !== undefined) course.see(told);
  }
  return { course, saved };
}

/** Kinds of lines that are read; of others there is nothing to know. */
const begins = /^\{"type":"(step|evaluated|diverged|saved|resumed)",/;

/** What a run in a folder tells beside its events. */
type Mark =
  | { readonly type: "saved"; readonly step: number }
  | { readonly type: "resumed"; readonly step: number };

function parse(line: string): Told | Mark | undefined {
  if (!begins.test(line)) return undefined;
  try {
    // As eventLog writes it, but for numbers that JSON has no form for.
    return JSON.parse(line, (_, value) =>
      /^(NaN|-?Infinity|-0)$/.test(String(value)) ? Number(value) : value,
    );
  } catch {
    return undefined; // half a line
  }
}
