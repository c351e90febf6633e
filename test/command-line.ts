/** The command line, run as a process of its own, the way a person meets it. */
import { execFile } from "node:child_process";
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
