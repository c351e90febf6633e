/** The command verify: its flags. What they do is in verification.ts, loaded when the command runs. */
import type { Command } from "commander";
import { wholeNumber } from "./options.ts";
import { add, dataGroups, group, option } from "./train.ts";
import type { TrainFlags } from "./training/flags.ts";

export interface VerifyFlags extends TrainFlags {
  readonly threads?: number;
  readonly seconds?: number;
}

/** Adds the command to the program. */
export function addVerify(program: Command): void {
  const command = program
    .command("verify")
    .summary("show that splits, threads and interruptions change no result")
    .description(
      "Try the promises of a plan on its own model and data, in about 10 seconds: any split into microbatches gives one gradient, " +
        "threads, an interruption and (of plan files) a killed process change no byte, the saved model answers like the trained one. Says which " +
        "promise does not hold and why, and what was skipped for time. Exit code 1 where one does not hold.",
    )
    .argument(
      "<plan | table | model>",
      "a plan.ts; a table, a folder of images or a text, as train takes them; or an ONNX file, of anybody's",
    )
    .argument("[rows]", "for an ONNX file: a table of rows to try it on (default: made-up ones)");
  add(command, [
    group(
      "The trial:",
      option("--threads <n>", "threads that are compared with one", wholeNumber(2, 256), 3),
      option("--seconds <n>", "how long it may take", wholeNumber(1, 86_400), 10),
    ),
    ...dataGroups(),
  ]);
  command
    .option("--json", "print one JSON object on standard output")
    .addHelpText("after", examples)
    .action(async (path: string, rows: string | undefined, flags: VerifyFlags) => {
      const { runVerify } = await import("./verification.ts");
      await runVerify(path, rows, flags);
    });
}

const examples = `
Examples:
  $ microbatch verify plan.ts
  $ microbatch verify penguins.csv --target species
  $ microbatch verify model.onnx
`;
