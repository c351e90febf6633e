/** microbatch runs compare. */
import { join } from "node:path";
import { digits } from "../report/console.ts";
import { readRunHeader } from "../train/run-header.ts";
import { readCommand, readRunFile, runFiles } from "./run-files.ts";
import { lookAt, requireRun } from "./run-look.ts";
import type { RunsFlags } from "./runs.ts";
import { print, styled } from "./say.ts";
import { courseOf } from "./training/course.ts";
import { typed } from "./training/run-command.ts";

/** A value of each run; null where it has none. */
type Pair = readonly [unknown, unknown];

/** Prints in what two runs differ, and what they came to. */
export async function runCompare(run: string, other: string, { json }: RunsFlags): Promise<void> {
  for (const folder of [run, other]) await requireRun(`runs compare ${run} ${other}`, folder);
  const plan = differing(paired(await planOf(run), await planOf(other)));
  const outcome = paired(await outcomeOf(run), await outcomeOf(other));
  if (json === true) return print(JSON.stringify({ runs: [run, other], plan, outcome }));
  for (const line of table([run, other], outcome)) print(line);
  const isSame = Object.keys(plan).length === 0;
  print(isSame ? "Their plans do not differ." : "Their plans differ:");
  if (!isSame) for (const line of table([run, other], plan)) print(line);
}

/** What a run came to so far: its metrics as the best evaluation has them. */
async function outcomeOf(folder: string): Promise<Map<string, unknown>> {
  const { state, step, epoch, best: last } = await lookAt(folder);
  const { seconds, validation, test, stateSha256 } = (await readRunFile(folder, "result")) ?? {};
  const { best } = await courseOf(join(folder, runFiles.events)); // a program may keep no log there
  const judged = {
    ...(last !== null && { [last.metric]: last.value }),
    ...(validation === undefined ? best : { validation }),
    ...(test !== undefined && { test }),
  };
  return new Map([
    ...Object.entries({ state, step, epoch, ...(seconds !== undefined && { seconds }) }),
    ...leavesOf(judged),
    ...(stateSha256 === undefined ? [] : [["stateSha256", stateSha256] as const]),
  ]);
}

async function planOf(folder: string): Promise<Map<string, unknown>> {
  const resolved = (await readRunFile(folder, "plan")) ?? (await readRunHeader(folder))?.plan;
  const { decided: _, ...plan }: Readonly<Record<string, unknown>> = { ...resolved };
  const { flags = {} } = (await readCommand(folder)) ?? {};
  // Of ends the plan has the names alone.
  const ends = ["epochs", "steps", "patience", "until"].flatMap((name) =>
    flags[name] === undefined ? [] : [[typed(name, true), flags[name]] as const],
  );
  return new Map([...leavesOf(plan), ...ends]);
}

/** { optimizer: { name: "adamw" } } → ["optimizer.name", "adamw"]; lists are values. */
function leavesOf(value: unknown, path = ""): (readonly [string, unknown])[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [[path, value]];
  return Object.entries(value).flatMap(([name, part]) =>
    leavesOf(part, path === "" ? name : `${path}.${name}`),
  );
}

function paired(
  one: ReadonlyMap<string, unknown>,
  other: ReadonlyMap<string, unknown>,
): Record<string, Pair> {
  const names = new Set([...one.keys(), ...other.keys()]);
  return Object.fromEntries(
    [...names].map((name) => [name, [one.get(name) ?? null, other.get(name) ?? null]]),
  );
}

const differing = (pairs: Readonly<Record<string, Pair>>) =>
  Object.fromEntries(Object.entries(pairs).filter(([, [a, b]]) => JSON.stringify(a) !== JSON.stringify(b)));

/** A line per value, a column per run. */
function table(heads: readonly [string, string], pairs: Readonly<Record<string, Pair>>): string[] {
  const rows = Object.entries(pairs).map(([name, [a, b]]) => [name, shown(a), shown(b)]);
  const all = [["", ...heads], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((cells) => cells[column]!.length)));
  const line = (cells: readonly string[]) =>
    `  ${cells
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd()}`;
  return [styled("dim", line(["", ...heads]), process.stdout), ...rows.map(line)];
}

/** Hashes and lists are long, and their beginning tells them apart. */
function shown(value: unknown): string {
  if (value === null) return "-";
  if (typeof value === "number")
    return Number.isInteger(value) ? value.toLocaleString("en-US") : digits(value);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, /^[0-9a-f]{64}$/.test(text) ? 12 : 40)}…` : text;
}
