/** The command line, run as a process of its own, the way a person meets it; or, where there are many, in one process for all. */
import { execFile, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** The file that is the command. */
export const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));

/** How a command ended. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The command, to be run in a folder. */
export function microbatchIn(folder: string): (...words: readonly string[]) => Promise<Outcome> {
  return (...words) =>
    new Promise((resolve) => {
      const options = { cwd: folder, maxBuffer: 2 ** 26 };
      execFile(process.execPath, [main, ...words], options, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
      );
    });
}

/** The command, one line after another in a process that is started once. `end` ends it. */
export function microbatchInOneProcess(folder: string): {
  run(...words: readonly string[]): Promise<Outcome>;
  end(): void;
} {
  const child = fork(new URL("./command-line-process.ts", import.meta.url), [folder], { stdio: "inherit" });
  const gone = once(child, "exit").then(([code, signal]) => {
    throw new Error(`the process of the command line ended: ${code ?? signal}`);
  });
  gone.catch(() => {}); // told to whoever waits
  return {
    run: async (...words) => {
      child.send(words);
      const answer = once(child, "message").then(([outcome]) => outcome as Outcome); // it sends nothing else
      return Promise.race([answer, gone]);
    },
    end: () => child.disconnect(),
  };
}
