#!/usr/bin/env node
/** The command as a process: how it begins, how it ends, and what it does where nobody else would hear of it. */
import { MicrobatchError } from "../errors.ts";
import { report, runCommandLine } from "./command-line.ts";
import { exitCodes } from "./options.ts";

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
void runCommandLine().then(flushed).then(end);

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
