/** CONTRACT of a table: what it is given, and what it gives to be printed and saved. */
import type { Contender, ContenderSpec } from "./contender.ts";
import { startContender } from "./contender.ts";
import type { Python } from "./python.ts";
import type { Effort } from "./rounds.ts";
import { threeDigits } from "./statistics.ts";

/** What a table works with. */
export interface Bench {
  readonly effort: Effort;
  /** True when only to see that everything works. */
  readonly isQuick: boolean;
  /** A temporary folder for tasks. */
  readonly folder: string;
  readonly python: Python | undefined;
  /** Tells the person who waits what is being measured. */
  say(text: string): void;
}

/** What was promised of a number. */
export interface Target {
  readonly what: string;
  readonly measured: number;
  readonly limit: number;
  readonly isMet: boolean;
  readonly text: string;
}

/** A finished table. */
export interface TableResult {
  readonly name: string;
  readonly title: string;
  /** Markdown. */
  readonly text: string;
  /** Everything that was measured, as JSON can hold it. */
  readonly data: unknown;
  readonly targets: readonly Target[];
  /** Contender → version. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Measures a table. */
export type Table = (bench: Bench) => Promise<TableResult>;

/** A target that is met from the limit on, "more is better", or up to it. */
export function target(what: string, measured: number, bound: "at least" | "at most", limit: number): Target {
  const isMet = bound === "at least" ? measured >= limit : measured <= limit;
  return { what, measured, limit, isMet, text: `${threeDigits(measured)}, wanted ${bound} ${limit}` };
}

/** Starts contenders, hands them over and closes them, whatever happens. A peer that does not start is left out, aloud. */
export async function withContenders<Result>(
  specs: readonly ContenderSpec[],
  use: (contenders: readonly Contender[]) => Promise<Result>,
): Promise<Result> {
  const contenders: Contender[] = [];
  try {
    for (const spec of specs) {
      try {
        contenders.push(await startContender(spec));
      } catch (error) {
        if (spec.family === "microbatch") throw error;
        console.error(`left out: ${error instanceof Error ? error.message : error}`);
      }
    }
    return await use(contenders);
  } finally {
    for (const contender of contenders) await contender.close();
  }
}

/** Name → version of the contenders. */
export function versionsOf(contenders: readonly Contender[]): Record<string, string> {
  const known = contenders.filter(({ hello }) => hello.version !== "");
  return Object.fromEntries(known.map(({ hello }) => [hello.name, hello.version]));
}

/** A Markdown table. The first column is text, the others are numbers. */
export function markdown(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = header.map((_, index) => (index === 0 ? "---" : "---:"));
  return [line(header), line(rule), ...rows.map(line)].join("\n");
}
