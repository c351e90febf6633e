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

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof MicrobatchError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = exitCodes.badInput;
}
