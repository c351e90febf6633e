/** The command generate: its flags. What they do is in generation.ts, loaded when the command runs. */
import { type Command, Option } from "commander";
import { number, wholeNumber } from "./options.ts";

export interface GenerateFlags {
  readonly prompt: string;
  readonly tokens: number;
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly seed: number;
}

/** Adds the command to the program. */
export function addGenerate(program: Command): void {
  const option = (flags: string, description: string, parse: (text: string) => unknown) =>
    new Option(flags, description).argParser(parse);
  program
    .command("generate")
    .summary("write with a model of a text")
    .description(
      "Write on from a prompt with a model that train made of a text: token by token, each drawn from what the model says may " +
        "come next. The same seed writes the same text.",
    )
    .argument("<model>", "an ONNX file that train has written for a .txt file")
    .requiredOption("--prompt <text>", "what the text begins with")
    .addOption(option("--tokens <n>", "how many to add", wholeNumber(0, 2 ** 31 - 1)).default(200))
    .addOption(
      option(
        "--temperature <t>",
        "1: as the model learned; below, likely tokens become likelier; 0: always the likeliest",
        number({ from: 0 }),
      ).default(0.8),
    )
    .addOption(option("--top-k <n>", "draw from the likeliest n alone (default: all)", wholeNumber(1)))
    .addOption(
      option(
        "--top-p <share>",
        "draw from the likeliest that make up this share of the probability (default: 1)",
        number({ above: 0, to: 1 }),
      ),
    )
    .addOption(option("--seed <n>", "seed of the draws", wholeNumber(0)).default(0))
    .addHelpText("after", '\nExample:\n  $ microbatch generate model.onnx --prompt "Call me " --tokens 300\n')
    .action(async (model: string, flags: GenerateFlags) => {
      const { runGenerate } = await import("./generation.ts");
      await runGenerate(model, flags);
    });
}
