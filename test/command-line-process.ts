/** A process that carries out one command line after another, as a process of its own would, and sends back what each has written. */
import { runCommandLine } from "../src/cli/command-line.ts";
import type { Outcome } from "./command-line.ts";

const [node = "", file = "", folder = "."] = process.argv;
process.chdir(folder);

process.on("message", async (words: readonly string[]) => {
  process.argv = [node, file, ...words];
  process.exitCode = undefined;
  const written = { stdout: "", stderr: "" };
  const restore = (["stdout", "stderr"] as const).map((name) => {
    const stream = process[name];
    const { write } = stream;
    stream.write = (chunk: string | Uint8Array, ...more: readonly unknown[]) => {
      written[name] += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString();
      const done = more.find((one) => typeof one === "function"); // (chunk, done) or (chunk, encoding, done)
      done?.(null);
      return true;
    };
    return () => {
      stream.write = write;
    };
  });
  await runCommandLine();
  for (const one of restore) one();
  const outcome: Outcome = { code: Number(process.exitCode ?? 0), ...written };
  process.exitCode = undefined;
  process.send!(outcome); // it was forked
});
process.on("disconnect", () => process.exit());
