/** The command runs: what runs are kept in folders, how two of them differ, and removing one. */
import { type Command, Option } from "commander";

export interface RunsFlags {
  readonly json?: boolean;
}

/** Adds the command and its subcommands to the program. */
export function addRuns(program: Command): void {
  const json = () => new Option("--json", "print one JSON object on standard output");
  const command = program
    .command("runs")
    .summary("list, compare or remove the runs that --run has kept")
    .description(
      "Say which runs are kept in a folder: where they stand, their best metric, and whether they are running, have ended, " +
        "diverged or were interrupted, and may go on with --resume.",
    );
  command
    .command("list", { isDefault: true })
    .summary("say which runs there are")
    .description("Say which runs lie in a folder, the latest first.")
    .argument("[folder]", "where the runs lie (default: runs)")
    .addOption(json())
    .addHelpText("after", "\nExample:\n  $ microbatch runs\n")
    .action(async (folder: string | undefined, flags: RunsFlags) => {
      const { runList } = await import("./run-list.ts");
      await runList(folder, flags);
    });
  command
    .command("compare")
    .summary("say how two runs differ")
    .description("Say in what the plans of two runs differ, and what each of them came to.")
    .argument("<run>", "the folder of a run")
    .argument("<other>", "that of another")
    .addOption(json())
    .addHelpText("after", "\nExample:\n  $ microbatch runs compare runs/first runs/second\n")
    .action(async (run: string, other: string, flags: RunsFlags) => {
      const { runCompare } = await import("./run-compare.ts");
      await runCompare(run, other, flags);
    });
  command
    .command("remove")
    .summary("remove a run")
    .description(
      "Remove the folder of a run, with its checkpoints and its model; nothing else, and no run that is running.",
    )
    .argument("<run>", "the folder of a run")
    .addOption(json())
    .addHelpText("after", "\nExample:\n  $ microbatch runs remove runs/first\n")
    .action(async (run: string, flags: RunsFlags) => {
      const { runRemove } = await import("./run-remove.ts");
      await runRemove(run, flags);
    });
}
