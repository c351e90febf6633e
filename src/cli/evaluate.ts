/** The command evaluate: its flags. What they do is in evaluation.ts, loaded when the command runs. */
import type { Command } from "commander";
import { type DialectFlags, dialectOption } from "./dialect.ts";
import { threadsOption } from "./options.ts";

export interface EvaluateFlags extends DialectFlags {
  readonly target?: string;
  readonly weight?: string;
  readonly threads?: number;
  readonly json?: boolean;
}

/** Adds the command to the program. */
export function addEvaluate(program: Command): void {
  program
    .command("evaluate")
    .summary("judge a saved model on a table")
    .description(
      "Predict every row of a table that knows the answers, and say how good the model is beside the trivial one, " +
        "which always answers the mean or the class frequencies of the rows the model was trained on.",
    )
    .argument("<model>", "an ONNX file that train has written")
    .argument(
      "<table>",
      'the model\'s columns and the answers: CSV or TSV (also gzipped), Parquet, "a pattern*.csv" of such files, a .sql file with a query, or a folder of images in a folder for each class',
    )
    .option("--target <column>", "the column with the answers (default: the one the model was trained on)")
    .option("--weight <column>", "how much each row counts (default: all the same)")
    .addOption(dialectOption())
    .addOption(threadsOption())
    .option("--json", "print one JSON object on standard output")
    .addHelpText("after", "\nExample:\n  $ microbatch evaluate model.onnx penguins.csv --target species\n")
    .action(async (model: string, table: string, flags: EvaluateFlags) => {
      const { runEvaluate } = await import("./evaluation.ts");
      await runEvaluate(model, table, flags);
    });
}
