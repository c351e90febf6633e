/** What code that is not this package's does: a plan's functions may throw whenever they are called, and anything. */
import { relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { messageOf } from "../errors.ts";

/** A line of a file. */
export interface Place {
  /** Its whole path. */
  readonly file: string;
  readonly line: number;
}

/** Where an error was made, by the first line of its stack that is not Node's own; undefined where it does not say. */
export function placeOf(error: unknown): Place | undefined {
  const stack = error instanceof Error ? String(error.stack) : "";
  for (const text of stack.split("\n")) {
    const [, url, line] = /(file:\/\/.+?):(\d+)(?::\d+)?\)?$/.exec(text) ?? [];
    if (url !== undefined) return { file: fileURLToPath(url), line: Number(line) };
  }
  return undefined;
}

/** What is wrong where, if it was thrown by code that is neither this package nor one it is made with. */
export function explainForeign(
  error: unknown,
):
  | { readonly where: string; readonly expected: string; readonly got: string; readonly fix: string }
  | undefined {
  const place = placeOf(error);
  // This package throws errors only, and they know where they are from.
  const isForeign = place === undefined ? !(error instanceof Error) : !isOwn(place.file);
  if (!isForeign) return undefined;
  return {
    where: place === undefined ? "plan" : relative(process.cwd(), place.file),
    expected: "code that runs to its end",
    got: `${thrown(error)}${place === undefined ? "" : ` (line ${place.line})`}`,
    fix: place === undefined ? "look for what the plan throws" : "correct it there",
  };
}

/** True for the code of this package, and of those that are installed. */
export const isOwn = (file: string) => file.startsWith(here) || file.includes(`${sep}node_modules${sep}`);

/** The folder of this package's own code: src, or dist. */
const here = fileURLToPath(new URL("../", import.meta.url));

/** An error in a line: its name and the first line of its message. */
export function thrown(error: unknown): string {
  const [first = ""] = messageOf(error).split("\n");
  return `${error instanceof Error ? error.name : "an exception"}: ${first}`;
}
