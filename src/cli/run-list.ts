/** microbatch runs list. */
import { stat } from "node:fs/promises";
import { digits } from "../report/console.ts";
import { looksIn, type RunLook } from "./run-look.ts";
import type { RunsFlags } from "./runs.ts";
import { print, styled } from "./say.ts";

/** Where runs go that have no name. */
const home = "runs";

/** Prints the runs in a folder, the latest first. */
export async function runList(folder: string | undefined, { json }: RunsFlags): Promise<void> {
  const isNone = folder === undefined && (await stat(home).catch(() => undefined)) === undefined;
  const runs = isNone ? [] : await looksIn(folder ?? home);
  if (json === true) return print(JSON.stringify({ folder: folder ?? home, runs }));
  if (runs.length === 0) return print(`${folder ?? home}: no runs; train --run keeps one there`);
  const rows = runs.map(cellsOf);
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...rows.map((cells) => cells[column]!.length)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) =>
        isNumber[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join("  ")
      .trimEnd();
  print(styled("dim", line(heads), process.stdout));
  for (const cells of rows) print(line(cells));
}

const heads = ["run", "state", "step", "epoch", "best", "last written"];
const isNumber = [false, false, true, true, false, false];

function cellsOf({ folder, state, step, epoch, best, last }: RunLook): string[] {
  return [
    // Signs that a terminal would obey, or break the line at.
    folder.replace(/\p{Cc}/gu, "�"),
    state,
    step.toLocaleString("en-US"),
    String(epoch),
    best === null ? "" : `${best.metric} ${digits(best.value)}`,
    last.slice(0, 16).replace("T", " "),
  ];
}
