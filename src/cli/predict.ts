/** The command predict: its flags. What they do is in prediction.ts, loaded when the command runs. */
import type { Command } from "commander";
import { type DialectFlags, dialectOption } from "./dialect.ts";
import { threadsOption } from "./options.ts";

export interface PredictFlags extends DialectFlags {
  readonly out?: string;
  readonly threads?: number;
  readonly json?: boolean;
}

/** Adds the command to the program. */
export function addPredict(program: Command): void {
  program
    .command("predict")
    .summary("predict every row of a table")
    .description(
      "Predict every row of a table with a saved model: the table comes back with a column prediction and, for " +
        "classes, one probability per class. Rows stream through, so a table may be larger than memory.",
    )
    .argument("<model>", "an ONNX file that train has written")
    .argument(
      "<table>",
      'the model\'s columns: CSV or TSV (also gzipped), Parquet, "a pattern*.csv" of such files, a .sql file with a query, or a folder of images',
    )
    .option("--out <file>", "where to write the table with predictions (default: standard output)")
    .addOption(dialectOption())
    .addOption(threadsOption())
    .option("--json", "print one JSON object about the prediction; needs --out")
    .addHelpText(
      "after",
      "\nExample:\n  $ microbatch predict model.onnx penguins.csv --out predictions.csv\n",
    )
    .action(async (model: string, table: string, flags: PredictFlags) => {
      const { runPredict } = await import("./prediction.ts");
      await runPredict(model, table, flags);
    });
}
