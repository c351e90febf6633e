/**
 * What the command line keeps in a run's folder, beside its checkpoints:
 *
 *     command.json   what was typed, and when it was begun
 *     plan.json      everything that makes the bytes, as it was resolved
 *     events.jsonl   one line per event; a run that goes on says "resumed", and its steps come again from there
 *     model.onnx     the best model, unless --out names another place
 *     result.json    what --json prints; there once the run has come to its end
 */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomically } from "../data/files.ts";

export const runFiles = {
  command: "command.json",
  plan: "plan.json",
  events: "events.jsonl",
  model: "model.onnx",
  result: "result.json",
} as const;

/** What was typed. */
export interface RecordedCommand {
  /** The words behind "microbatch", passwords in addresses left out. */
  readonly words: readonly string[];
  /** The files that were named, and the flags by name. */
  readonly inputs: readonly string[];
  readonly flags: Readonly<Record<string, unknown>>;
  /** ISO 8601. */
  readonly begun: string;
}

/** The JSON of one of the folder's files; undefined where it is missing or damaged. */
export async function readRunFile(
  folder: string,
  name: keyof typeof runFiles,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  const path = join(folder, runFiles[name]);
  const text = (await isFile(path)) ? await readFile(path, "utf8").catch(() => undefined) : undefined;
  try {
    const value: unknown = text === undefined ? undefined : JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** False for a pipe too: opening one might never end. */
export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() === true;
}

/** The recorded command, where there is one that can be read. */
export async function readCommand(folder: string): Promise<RecordedCommand | undefined> {
  const read = await readRunFile(folder, "command");
  const { words, inputs, flags, begun } = read ?? {};
  const isText = (value: unknown): value is string => typeof value === "string";
  const areTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every(isText);
  if (!areTexts(words) || !areTexts(inputs) || !isText(begun)) return undefined;
  return { words, inputs, flags: typeof flags === "object" && flags !== null ? { ...flags } : {}, begun };
}

/** Writes a value as one of the folder's files. */
export async function writeRunFile(
  folder: string,
  name: keyof typeof runFiles,
  value: unknown,
): Promise<void> {
  const text = `${JSON.stringify(value, undefined, 2)}\n`;
  await writeFileAtomically(join(folder, runFiles[name]), new TextEncoder().encode(text));
}
