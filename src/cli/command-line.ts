/** The command line: words → the command's own file, which is loaded only when it runs. What goes wrong is told in one line. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { MicrobatchError } from "../errors.ts";
import { addCache } from "./cache.ts";
import { addEvaluate } from "./evaluate.ts";
import { addFinetune } from "./finetune.ts";
import { explainForeign } from "./foreign.ts";
import { addGenerate } from "./generate.ts";
import { addInspect } from "./inspect.ts";
import { Interrupted } from "./interrupt.ts";
import { exitCodes } from "./options.ts";
import { addPredict } from "./predict.ts";
import { addProfile } from "./profile.ts";
import { addRuns } from "./runs.ts";
import { say } from "./say.ts";
import { addTrain } from "./train.ts";
import { addVerify } from "./verify.ts";
import { inFlags } from "./words.ts";

// Two folders up from src/cli/command-line.ts and from dist/cli/command-line.js alike.
const manifest: { readonly description: string; readonly version: string } = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
);

/** Does what `process.argv` says, tells what goes wrong, and leaves the exit code in `process.exitCode`. */
export async function runCommandLine(): Promise<void> {
  try {
    const program = commands();
    if (process.argv.length <= 2) program.outputHelp();
    else await program.parseAsync();
  } catch (error) {
    report(error);
  }
}

const exitCodeWords = `Exit codes: 0 done, 1 the run failed, 2 bad input.
A training that one Ctrl-C ends is done. 1 is a run that diverged, a promise
that verify saw broken, an interrupted predict --out, or a bug; 2 is every error
that says how to mend it, such as a full disk.`;

/** The commands, none of which has run: a program remembers the flags it was given. */
function commands(): Command {
  const program = new Command("microbatch")
    .description(manifest.description)
    .version(manifest.version, "-v, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .configureHelp({ showGlobalOptions: false })
    .configureOutput({ outputError: (text, write) => write(text) })
    .exitOverride()
    .addHelpText("after", "\nExample:\n  $ microbatch train penguins.csv --target species\n")
    .addHelpText("after", exitCodeWords);
  for (const add of [
    addTrain,
    addFinetune,
    addPredict,
    addEvaluate,
    addGenerate,
    addInspect,
    addProfile,
    addRuns,
    addVerify,
    addCache,
  ])
    add(program);
  for (const command of [program, ...program.commands]) {
    const words = command === program ? "microbatch" : `microbatch ${command.name()}`;
    command.showHelpAfterError(`(${words} --help tells more)`).exitOverride();
  }
  return program;
}

/** One line for people; with --json one object for programs too. What nobody foresaw is a bug, and a failed run. */
export function report(error: unknown): void {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return; // help and version
    process.exitCode = exitCodes.badInput;
    printJson({ where: "command line", message: error.message.replace(/^error: /, "") });
    return; // commander has told it
  }
  const foreseen = foreseenOf(error);
  process.exitCode = foreseen === undefined ? exitCodes.runFailed : exitCodes.badInput;
  const message =
    foreseen !== undefined
      ? inFlags(foreseen.message)
      : error instanceof Interrupted
        ? error.message
        : unforeseen(error);
  for (const line of isStack(error) ? message.split("\n") : [message]) say(line);
  printJson({ where: foreseen === undefined ? "run" : inFlags(foreseen.where), message });
}

/** Whether the whole stack of what nobody foresaw is asked for. */
const isStack = (error: unknown): error is Error =>
  process.env.MICROBATCH_STACK !== undefined && foreseenOf(error) === undefined && error instanceof Error;

function foreseenOf(error: unknown): MicrobatchError | undefined {
  if (error instanceof MicrobatchError) return error;
  const foreign = process.env.MICROBATCH_STACK === undefined ? explainForeign(error) : undefined;
  return foreign && new MicrobatchError(foreign.where, foreign, { cause: error });
}

function printJson(error: { readonly where: string; readonly message: string }): void {
  if (process.argv.includes("--json")) process.stdout.write(`${JSON.stringify({ error })}\n`);
}

/** One line; the stack is for whoever mends it. */
function unforeseen(error: unknown): string {
  if (isStack(error)) return String(error.stack);
  const message = error instanceof Error ? error.message : String(error);
  const line = message.replace(/\s*\n\s*/g, " | ");
  return `${line.startsWith("bug: ") ? "" : "bug: "}${line} (with MICROBATCH_STACK=1 in the environment: where)`;
}
