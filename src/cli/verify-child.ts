/** The other process of verify: it trains a plan file's reduced plan, and is killed. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { moduleBeside } from "../data/module-beside.ts";
import { MicrobatchError } from "../errors.ts";
import type { ElsewhereRun } from "../train/verify.ts";

/**
 * Trains the plan of a file in another process until it has done so many steps, and ends it by SIGKILL. False where time was not enough;
 * a sentence where somebody else has killed it before, as systems do whose memory is short.
 */
export function killElsewhere(path: string): (run: ElsewhereRun) => Promise<boolean | string> {
  return (run) => {
    const module = fileURLToPath(moduleBeside(import.meta.url, "./verify-process"));
    const child = spawn(process.execPath, [module, path, JSON.stringify(run)], {
      // What the plan prints is not told twice.
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    let errors = "";
    child.stderr?.setEncoding("utf8").on("data", (part: string) => {
      errors = (errors + part).slice(-2000);
    });
    // It tells once it has done its steps, and then waits while its checkpoint is being written.
    let isThere = false;
    child.once("message", () => {
      isThere = true;
      clearTimeout(limit);
      child.kill("SIGKILL");
    });
    let isLate = false;
    const limit = setTimeout(() => {
      isLate = true;
      child.kill("SIGKILL");
    }, 1000 * run.seconds);
    return new Promise<boolean | string>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => {
        clearTimeout(limit);
        if (signal !== "SIGKILL") reject(endedEarly(path, code ?? signal, errors));
        else if (isThere || isLate) resolve(isThere);
        else
          resolve(
            `the other process was killed before it had done ${run.killAt} steps, and not by this one: is memory short?`,
          );
      });
    });
  };
}

function endedEarly(path: string, end: number | string | null, errors: string): MicrobatchError {
  const told = errors.trim().split("\n").at(-1) ?? "";
  return new MicrobatchError(`${path}, in another process`, {
    expected: "a run that goes on until it is killed",
    got: `an end with ${typeof end === "number" ? "code " : ""}${end}${told === "" ? "" : `: ${told}`}`,
    fix: "look in the plan for what does not work twice, such as a file that it writes",
  });
}
