/** The words of a command that is kept: without passwords, and as they are typed to go on. */
import type { TrainFlags } from "./flags.ts";

/** The flags that say where and how a run is kept, and nothing of what it computes. */
export const keepingFlags: readonly (keyof TrainFlags)[] = [
  "run",
  "resume",
  "resumeAnyway",
  "checkpointEvery",
  "threads",
  "memoryBudget",
  "json",
  "out",
];

/** The flags that say how long a run gets: a longer one has the same steps in front. */
export const lengthFlags = ["epochs", "steps", "patience"] as const satisfies readonly (keyof TrainFlags)[];

/** Addresses without what lets others in: "https://name:password@host/?token=…". */
export function withoutPasswords(words: readonly string[]): string[] {
  return words.map((word) =>
    word
      .replace(/(\w+:\/\/)[^/@\s]+@/g, "$1…@")
      .replace(/([?&](?:[\w-]*(?:token|key|secret|signature|password|credential)[\w-]*)=)[^&\s]+/gi, "$1…"),
  );
}

/** What is typed to go on with a run: the same command with its folder and --resume. */
export function goOnWords(words: readonly string[], { run }: TrainFlags, folder: string): string {
  const kept = words.filter((word, index) => {
    if (/^--(resume|resume-anyway|run=.*|run)$/.test(word)) return false;
    return !(words[index - 1] === "--run" && word === run);
  });
  return ["microbatch", ...withoutPasswords(kept), "--run", folder, "--resume"].map(quoted).join(" ");
}

/** A word as a shell takes it for one. */
export const quoted = (word: string) =>
  /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/** A flag as it is typed: "batchSize", 16 → "--batch-size 16". */
export function typed(name: string, value: unknown): string {
  const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  if (value === true) return flag;
  return `${flag} ${quoted(typeof value === "string" ? value : typedValue(value))}`;
}

function typedValue(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.join(",");
  if (typeof value !== "object" || value === null) return String(value);
  return Object.values(value).map(typedValue).join(" ");
}
