/** The command profile: its flags. What they do is in profiling.ts, loaded when the command runs. */
import { type Command, Option } from "commander";
import { type CleaningFlags, cleaningOptions } from "./cleaning.ts";
import { type DialectFlags, dialectOption } from "./dialect.ts";
import { repeated, type TypeOf, typeOf } from "./options.ts";

export interface ProfileFlags extends CleaningFlags, DialectFlags {
  readonly target?: readonly string[];
  readonly task?: "regression" | "classification";
  readonly type?: Readonly<Record<string, TypeOf>>;
  readonly ignore?: readonly string[];
  readonly weight?: string;
  readonly json?: boolean;
}

/** Adds the command to the program. */
export function addProfile(program: Command): void {
  const command = program
    .command("profile")
    .summary("say what is in a table")
    .description(
      "Say what is in a table: what each column is, what is missing, means and quantiles, frequent values, columns that " +
        "are the same, and what train would make of it. Takes the flags of train that say what a table is.",
    )
    .argument(
      "<table>",
      'CSV or TSV (also gzipped), Parquet, "a pattern*.csv" of such files, or a .sql file with a query',
    )
    .addOption(
      new Option("--target <column>", "a column to predict; several by repeating it").argParser(repeated),
    )
    .addOption(
      new Option("--task <task>", "what the target is (default: decided by its values)").choices([
        "regression",
        "classification",
      ]),
    )
    .addOption(
      new Option(
        "--type <column=type>",
        'what a column is, such as "zip=category"; may be repeated',
      ).argParser(typeOf),
    )
    .addOption(new Option("--ignore <column>", "a column to leave out; may be repeated").argParser(repeated))
    .addOption(new Option("--weight <column>", "how much each row counts"))
    .addOption(dialectOption());
  for (const option of cleaningOptions()) command.addOption(option);
  command
    .option("--json", "print one JSON object on standard output")
    .addHelpText("after", "\nExample:\n  $ microbatch profile penguins.csv --target species\n")
    .action(async (table: string, flags: ProfileFlags) => {
      const { runProfile } = await import("./profiling.ts");
      await runProfile(table, flags);
    });
}
