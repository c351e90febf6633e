#!/usr/bin/env node
/** The command line: argv → plan → fit. */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { MicrobatchError } from "../errors.ts";
import { exitCodes } from "./options.ts";
import { addPredict } from "./predict.ts";
import { addTrain } from "./train.ts";

// Two folders up from src/cli/main.ts and from dist/cli/main.js alike.
const manifest: { readonly description: string; readonly version: string } = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
);

const program = new Command("microbatch")
  .description(manifest.description)
  .version(manifest.version, "-v, --version", "print the version")
  .helpOption("-h, --help", "print this help")
  .showHelpAfterError("(microbatch --help tells more)")
  .configureOutput({ outputError: (text, write) => write(text) })
  .exitOverride((error) => {
    process.exit(error.exitCode === 0 ? exitCodes.done : exitCodes.badInput);
  })
  .addHelpText("after", "\nExit codes: 0 done, 1 the run failed, 2 bad input.");
addTrain(program);
addPredict(program);

for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") return; // whoever read has seen enough (| head -1); the model is saved all the same
    process.exitCode = exitCodes.runFailed;
    if (stream === process.stdout) process.stderr.write(`write standard output: ${error.message}\n`);
  });
}

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = error instanceof MicrobatchError ? exitCodes.badInput : exitCodes.runFailed;
  process.stderr.write(`${describe(error)}\n`);
}

/** One line; what nobody foresaw is a bug, and its stack is for whoever mends it. */
function describe(error: unknown): string {
  if (error instanceof MicrobatchError) return error.message;
  if (process.env.MICROBATCH_STACK !== undefined && error instanceof Error) return String(error.stack);
  const message = error instanceof Error ? error.message : String(error);
  const line = message.replace(/\s*\n\s*/g, " | ");
  return `${line.startsWith("bug: ") ? "" : "bug: "}${line} (with MICROBATCH_STACK=1 in the environment: where)`;
}
