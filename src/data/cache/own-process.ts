/**
 * A cache made by a process of its own: what reading takes is given back to the last byte, and it has a limit
 * of its own. One side asks (`makeInOwnProcess`), the other is a module that answers one task (`answerTask`).
 */
import { type ChildProcess, fork } from "node:child_process";
import { fail, MicrobatchError } from "../../errors.ts";
import type { Made } from "./manifest.ts";

/** What the process answers: the records, what is wrong with the source, or what is wrong with this package. */
type Answer =
  | { readonly made: Made }
  | { readonly where: string; readonly proof: { expected: string; got: string; fix: string } }
  | { readonly bug: string };

/** Has the module make what the task says. name: what errors call the source. Throws what the module throws. */
export function makeInOwnProcess(name: string, module: URL, task: object): Promise<Made> {
  const child = fork(module, { serialization: "advanced", execArgv: ["--max-old-space-size=160"] });
  return new Promise<Made>((resolve, reject) => {
    let answer: Answer | undefined;
    child.once("message", (message) => {
      answer = message as Answer; // answerTask sends nothing else
    });
    child.once("error", reject);
    child.once("close", (code, signal) => settle(name, answer, code ?? signal, resolve, reject));
    child.send(task);
  }).finally(() => stop(child));
}

function settle(
  name: string,
  answer: Answer | undefined,
  end: number | string | null,
  resolve: (made: Made) => void,
  reject: (error: unknown) => void,
): void {
  if (answer !== undefined && "made" in answer) resolve(answer.made);
  else if (answer !== undefined && "proof" in answer) reject(new MicrobatchError(answer.where, answer.proof));
  else if (answer !== undefined) reject(new Error(answer.bug));
  else {
    try {
      fail(name, {
        expected: "the process that reads the table to finish",
        got: `its end (${end})`,
        fix: "free memory, or read fewer lines; if it happens again, report it",
      });
    } catch (error) {
      reject(error);
    }
  }
}

function stop(child: ChildProcess): void {
  if (child.connected) child.disconnect();
}

/** In the process: makes what it is sent, answers, and ends. */
export function answerTask<Task>(make: (task: Task) => Promise<Made>): void {
  process.once("message", async (task) => {
    const answer = await make(task as Task).then((made): Answer => ({ made }), answerTo); // what the module's own side sends
    process.send?.(answer, () => process.disconnect());
  });
  process.once("disconnect", () => process.exit()); // who asked is gone, or has its answer
}

function answerTo(error: unknown): Answer {
  if (error instanceof MicrobatchError) {
    const { where, expected, got, fix } = error;
    return { where, proof: { expected, got, fix } };
  }
  return { bug: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
