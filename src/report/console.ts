/** The console reporter: one calm live line on a terminal, plain lines elsewhere. */
import type { TrainEvent } from "../train/event.ts";

/** Where text goes; process.stderr is one. */
export interface Terminal {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** Options of consoleReporter. */
export interface ConsoleOptions {
  readonly terminal: Terminal;
  /** What the run does at most, for the bar: epochs or steps. Without it there is no bar. */
  readonly epochs?: number;
  /** Milliseconds between two pictures of the live line; 100 where a person watches, 5000 in a log. */
  readonly everyMs?: number;
  /** Default performance.now. */
  readonly now?: () => number;
}

/** Shows a run. Reads events, nothing else. */
export function consoleReporter(options: ConsoleOptions): (event: TrainEvent) => void {
  const { terminal, epochs, now = () => performance.now() } = options;
  const isLive = terminal.isTTY === true;
  const everyMs = options.everyMs ?? (isLive ? 100 : 5000);
  const progress: Progress = { samples: 0, seconds: 0, validation: "" };
  let trainingSamples = 0;
  let shownAt = -Infinity;
  let lineLength = 0;
  const clear = () => {
    if (isLive && lineLength > 0) terminal.write(`\r${" ".repeat(lineLength)}\r`);
    lineLength = 0;
  };
  const show = (line: string) => {
    if (!isLive) {
      terminal.write(`${line}\n`);
      return;
    }
    const cut = line.slice(0, Math.max(20, (terminal.columns ?? 80) - 1));
    terminal.write(`\r${cut.padEnd(lineLength)}`);
    lineLength = cut.length;
  };
  return (event) => {
    if (event.type === "started") trainingSamples = event.trainingSamples;
    if (event.type === "step") {
      progress.samples += event.samples;
      progress.seconds += event.seconds;
      if (now() - shownAt < everyMs) return;
      shownAt = now();
      const done =
        epochs === undefined ? undefined : (event.epoch + event.position / trainingSamples) / epochs;
      show(liveLine(event, progress, done, isLive));
    }
    if (event.type === "evaluated") {
      progress.seconds += event.seconds;
      progress.validation = validationText(event.metrics);
    }
    if (event.type === "diverged") {
      clear();
      terminal.write(`${event.message}\n`);
    }
    if (event.type === "finished") clear();
  };
}

/** What the line tells beside the event at hand. */
interface Progress {
  samples: number;
  seconds: number;
  validation: string;
}

function liveLine(
  event: TrainEvent & { readonly type: "step" },
  progress: Progress,
  done: number | undefined,
  isLive: boolean,
): string {
  const parts = [
    `epoch ${event.epoch + 1}`,
    `step ${event.step}`,
    `loss ${digits(event.loss)}`,
    progress.validation,
    `${digits(progress.samples / progress.seconds)} samples/s`,
  ];
  if (done !== undefined) {
    // "At most", since early stopping usually ends a run before its last epoch.
    parts.push(`at most ${duration((progress.seconds * (1 - done)) / done)} left`);
    if (isLive) parts.unshift(bar(done));
  }
  return parts.filter((part) => part !== "").join("  ");
}

function validationText(metrics: Readonly<Record<string, number>>): string {
  const entries = Object.entries(metrics);
  const [name, value] = entries.find(([key]) => key !== "validation.loss") ?? entries[0] ?? ["", Number.NaN];
  return name === "" ? "" : `${name} ${digits(value)}`;
}

function bar(done: number): string {
  const width = 16;
  const filled = Math.max(0, Math.min(width, Math.round(done * width)));
  return `${"━".repeat(filled)}${"─".repeat(width - filled)}`;
}

/** A number as a person reads it: three to four digits. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
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
