/** Which process wrote something, and whether it still lives: numbers of processes come again. */
import { readFileSync } from "node:fs";

/** One process. */
export interface ProcessLife {
  readonly process: number;
  /** When it was started, in the system's own measure; empty where the system does not tell. */
  readonly started: string;
}

/** This process. */
export const ownLife = (): ProcessLife => ({ process: process.pid, started: startOf(process.pid) });

/** Whether the process still runs, on this machine. False for another one that has its number by now. */
export function isLiving({ process: number, started }: ProcessLife): boolean {
  try {
    process.kill(number, 0);
  } catch (error) {
    // Somebody else's may not be asked, and is there.
    if (!(error instanceof Error && "code" in error && error.code === "EPERM")) return false;
  }
  return startOf(number) === started;
}

function startOf(number: number): string {
  try {
    const stat = readFileSync(`/proc/${number}/stat`, "utf8");
    // The name of the program stands in brackets and may hold anything; the 20th word behind it is the start.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}
