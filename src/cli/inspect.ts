/** The command inspect: its flags. What they do is in inspection.ts, loaded when the command runs. */
import type { Command } from "commander";

export interface InspectFlags {
  readonly json?: boolean;
}

/** Adds the command to the program. */
export function addInspect(program: Command): void {
  program
    .command("inspect")
    .summary("say what is in a model file")
    .description(
      "Say what an ONNX file takes, gives and holds: columns with their ranges, labels, parameters, which of them finetune could train, the run that made it.",
    )
    .argument("<model>", "an ONNX file")
    .option("--json", "print one JSON object on standard output")
    .addHelpText("after", "\nExample:\n  $ microbatch inspect model.onnx\n")
    .action(async (model: string, flags: InspectFlags) => {
      const { runInspect } = await import("./inspection.ts");
      await runInspect(model, flags);
    });
}
