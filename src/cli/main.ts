#!/usr/bin/env node
/** The command line: argv → the command's own file, which is loaded only when it runs. */
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

// Two folders up from src/cli/main.ts and from dist/cli/main.js alike.
const manifest: { readonly description: string; readonly version: string } = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
);

const program = new Command("microbatch")
  .description(manifest.description)
  .version(manifest.version, "-v, --version", "print the version")
  .helpOption("-h, --help", "print this help")
  .helpCommand("help [command]", "print the help of a command")
  .configureHelp({ showGlobalOptions: false })
  .configureOutput({ outputError: (text, write) => write(text) })
  .exitOverride()
  .addHelpText("after", "\nExample:\n  $ microbatch train penguins.csv --target species\n")
  .addHelpText("after", "Exit codes: 0 done, 1 the run failed, 2 bad input.");
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

let isTold = false;
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE" || isTold) return; // whoever read has seen enough (| head -1); the model is saved all the same
    isTold = true;
    process.exitCode = exitCodes.runFailed;
    if (stream === process.stdout) process.stderr.write(`write standard output: ${error.message}\n`);
  });
}

// A plan's code may throw where nobody waits for it, call process.exit, await what never comes, or leave timers behind.
process.on("uncaughtException", (error) => {
  report(error);
  end();
});
let isOver = false;
process.on("exit", () => {
  if (isOver) return;
  report(
    new MicrobatchError("run", {
      expected: "an end",
      got: "an exit before it",
      fix: "look in the plan for process.exit, and for an await that nothing settles",
    }),
  );
});
// Not awaited here: where it never settles, Node would print this line as the culprit.
requireNode();
void run().catch(report).then(flushed).then(end);

async function run(): Promise<void> {
  if (process.argv.length <= 2) program.outputHelp();
  else await program.parseAsync();
}

/** Once everything is written: pipes may still hold some of it. */
async function flushed(): Promise<void> {
  for (const stream of [process.stdout, process.stderr])
    await new Promise((resolve) => stream.write("", resolve));
}

function end(): void {
  isOver = true;
  process.exit();
}

/** An older Node would fail somewhere inside, in words that help nobody. */
function requireNode(): void {
  if (Number(process.versions.node.split(".")[0]) >= 24) return;
  process.stderr.write(
    `microbatch: expected Node.js 24 or newer, got ${process.versions.node}. Fix: npm install --save-dev node@24\n`,
  );
  process.exit(exitCodes.badInput);
}

/** One line for people; with --json one object for programs too. What nobody foresaw is a bug, and a failed run. */
function report(error: unknown): void {
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
