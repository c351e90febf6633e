/** The console reporter: one calm live line on a terminal, plain lines elsewhere. */
import { styleText } from "node:util";
import type { StepEvent, TrainEvent } from "../train/event.ts";

/** Where text goes; process.stderr is one. */
export interface Terminal {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** Options of consoleReporter. */
export interface ConsoleOptions {
  readonly terminal: Terminal;
  /** What the run does at most, for the bar and the time left: epochs, or steps. Without either there is no bar. */
  readonly epochs?: number;
  readonly steps?: number;
  /** Milliseconds between two pictures of the live line; 100 where a person watches, 5000 in a log. */
  readonly everyMs?: number;
  /** Default performance.now. */
  readonly now?: () => number;
}

/** Shows a run. Reads events, nothing else. */
export function consoleReporter(options: ConsoleOptions): (event: TrainEvent) => void {
  const { terminal, now = () => performance.now() } = options;
  const isLive = terminal.isTTY === true;
  const everyMs = options.everyMs ?? (isLive ? 100 : 5000);
  const line = isLive ? new LiveLine(terminal) : new PlainLines(terminal);
  const progress = new Progress(options);
  let shownAt = -Infinity;
  return (event) => {
    progress.see(event);
    if (event.type === "started") for (const note of event.notes) terminal.write(`${printable(note)}\n`);
    if (event.type === "step" && now() - shownAt >= everyMs) {
      shownAt = now();
      line.show(progress.line(event));
    }
    if (event.type === "diverged") {
      line.clear();
      terminal.write(`${printable(event.message)}\n`);
    }
    if (event.type === "finished") line.clear();
  };
}

/** One line that is written over and over, and gone in the end. */
class LiveLine {
  readonly #terminal: Terminal;
  #length = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Where there is no room for all of it the epoch goes first, then half of the bar. */
  show({ done, parts: [epoch = "", ...others] }: Line): void {
    const width = Math.max(20, (this.#terminal.columns ?? 80) - 1);
    const long = barOf(done, 12);
    const pictures = [
      { bar: long, parts: [long, epoch, ...others] },
      { bar: long, parts: [long, ...others] },
      { bar: barOf(done, 6), parts: [barOf(done, 6), ...others] },
    ].map(({ bar, parts }) => ({ bar, text: printable(parts.filter((part) => part !== "").join("  ")) }));
    const { bar, text } = pictures.find((picture) => picture.text.length <= width) ?? pictures[2]!;
    const shown = text.slice(0, width);
    this.#terminal.write(
      `\r${shown.replace(bar, () => styled(bar))}${" ".repeat(Math.max(0, this.#length - shown.length))}`,
    );
    this.#length = shown.length;
  }

  clear(): void {
    if (this.#length > 0) this.#terminal.write(`\r${" ".repeat(this.#length)}\r`);
    this.#length = 0;
  }
}

/** The style goes with the terminal that was asked for, not with the process's own; NO_COLOR still turns it off. */
const styled = (bar: string) =>
  bar === "" || process.env.NO_COLOR ? bar : styleText("cyan", bar, { validateStream: false });

/** Lines that stay: a log, or a pipe. */
class PlainLines {
  readonly #terminal: Terminal;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  show({ parts }: Line): void {
    this.#terminal.write(`${printable(parts.join("  "))}\n`);
  }

  clear(): void {}
}

interface Line {
  /** From 0 to 1, undefined where nobody knows how long the run gets. */
  readonly done: number | undefined;
  /** The epoch first, then what is told besides. */
  readonly parts: readonly string[];
}

/** What the line tells beside the event at hand. */
class Progress {
  readonly #epochs: number | undefined;
  readonly #steps: number | undefined;
  #trainingSamples = 0;
  #samples = 0;
  #seconds = 0;
  /** How much was done before this life of the run, from 0 to 1; undefined until its first step. */
  #doneBefore: number | undefined;
  #validation = "";

  constructor({ epochs, steps }: Pick<ConsoleOptions, "epochs" | "steps">) {
    this.#epochs = epochs;
    this.#steps = steps;
  }

  see(event: TrainEvent): void {
    if (event.type === "started") {
      this.#trainingSamples = event.trainingSamples;
      if (event.resumedAt === undefined) this.#doneBefore = 0;
    }
    if (event.type === "step") {
      this.#doneBefore ??= this.#done(event);
      this.#samples += event.samples;
      this.#seconds += event.seconds;
    }
    if (event.type === "evaluated") {
      this.#seconds += event.seconds;
      this.#validation = validationText(event.metrics);
    }
  }

  line(event: StepEvent): Line {
    const done = this.#done(event);
    const parts = [
      `epoch ${event.epoch + 1}`,
      `step ${event.step.toLocaleString("en-US")}`,
      `loss ${digits(event.loss)}`,
      this.#validation,
      `${compact(this.#samples / this.#seconds)} samples/s`,
      // "At most", since early stopping usually ends a run before its last epoch.
      done === undefined
        ? ""
        : `≤ ${duration((this.#seconds * (1 - done)) / (done - (this.#doneBefore ?? 0)))} left`,
    ];
    return {
      done,
      parts: parts.filter((part) => part !== ""),
    };
  }

  #done({ epoch, position, step }: StepEvent): number | undefined {
    if (this.#steps !== undefined) return step / this.#steps;
    if (this.#epochs === undefined) return undefined;
    return (epoch + position / this.#trainingSamples) / this.#epochs;
  }
}

function validationText(metrics: Readonly<Record<string, number>>): string {
  const entries = Object.entries(metrics);
  const [name, value] = entries.find(([key]) => key !== "validation.loss") ?? entries[0] ?? ["", Number.NaN];
  // Short, and yet no loss of training: that one has no name before it.
  return name === "" ? "" : `${name.replace(/^validation\./, "val. ")} ${digits(value)}`;
}

function barOf(done: number | undefined, width: number): string {
  if (done === undefined) return "";
  const filled = Math.max(0, Math.min(width, Math.round(done * width)));
  return `${"━".repeat(filled)}${"─".repeat(width - filled)}`;
}

/** A rate at a glance: 289k, 1.2M. */
function compact(value: number): string {
  if (!(value >= 10_000)) return digits(value);
  return value < 999_500 ? `${Math.round(value / 1000)}k` : `${Number((value / 1e6).toPrecision(2))}M`;
}

/**
 * A line with its control characters written out ("\\n"), colours excepted: names of columns, and whatever a model file
 * tells, may hold any, and would move the cursor or make two lines of one.
 */
export function printable(line: string): string {
  return line.replace(/\p{Cc}/gu, (control, at: number) =>
    control === "\u001b" && /^\[\d{1,2}m/.test(line.slice(at + 1)) ? control : writtenOut(control),
  );
}

function writtenOut(control: string): string {
  const text = JSON.stringify(control).slice(1, -1);
  return text === control ? `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}` : text;
}

/** A number as a person reads it: three to four digits. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(Number(value.toPrecision(4))); // 999.96 is shown as a thousand is
  if (size >= 1e9) return value.toExponential(2);
  if (size >= 1000) return Math.round(value).toLocaleString("en-US");
  if (size !== 0 && size < 1e-3) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

/** Seconds as a person reads them. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  if (seconds < 100) return `${Number(seconds.toPrecision(2))} s`;
  return seconds < 6000 ? `${Math.round(seconds / 60)} min` : `${Number((seconds / 3600).toPrecision(2))} h`;
}
