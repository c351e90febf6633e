/** The command finetune: its flags. What they do is in training/finetune-*.ts, loaded when the command runs. */
import type { Command } from "commander";
import { repeated, wholeNumber } from "./options.ts";
import { add, addRunOptions, group, option, tableGroup } from "./train.ts";
import { type FinetuneFlags, finetuneDefaults, pixelNames } from "./training/finetune-flags.ts";

/** Adds the command to the program. */
export function addFinetune(program: Command): void {
  const command = program
    .command("finetune")
    .summary("train a model file on: for other classes or another table")
    .description(
      "Train an ONNX file on, whoever has made it, and save what comes of it as a model like any other. Where its classes " +
        "are not those of the data it gets a new head, and the head alone is trained unless --train or --lora names more.",
    )
    .argument("<model>", "an ONNX file; microbatch inspect says what of it could be trained")
    .argument(
      "<data>",
      "a folder of images in a folder for each class, for a model of images; a table, for a model of numbers or one that train has made of a table",
    );
  add(command, [
    group(
      "The model:",
      option(
        "--head <which>",
        "new, or keep the model's own (default: its own where it fits the target, else new)",
      ).choices(["new", "keep"]),
      option(
        "--features <tensor>",
        "the inner tensor that a new head reads (default: what the last matrix product reads)",
      ),
      option(
        "--train <pattern>",
        'weights in front of the head to be trained too, such as "layer4.*" or "*"; may be repeated (default: none)',
      ).argParser(repeated),
      option(
        "--lora <rank>",
        "train changes of so low a rank, of all matrices or of those that --train names, merged when saved",
        wholeNumber(1, 4096),
      ),
      option("--class-weights <how>", "balanced: rare classes count as much as common ones").choices([
        "balanced",
      ]),
    ),
    group(
      "The images:",
      option(
        "--image-size <pixels>",
        "height and width, where the model leaves them open (default: what it takes)",
        wholeNumber(8, 2048),
      ),
      option(
        "--pixels <range>",
        "what the model expects of a pixel; imagenet: deviations from that data set's means (default: 0..1)",
      ).choices(pixelNames),
      option(
        "--augment <how>",
        "random changes of training images: standard flips and shifts them (default: none)",
      ).choices(["standard", "none"]),
    ),
    tableGroup(),
  ]);
  const { epochs, patience, learningRate } = finetuneDefaults;
  const rates = `${learningRate.head}, or ${learningRate.more} with --train`;
  addRunOptions(command, { epochs, patience, learningRate: rates, out: neededOut });
  command.addHelpText("after", examples).action(async (model: string, path: string, flags: FinetuneFlags) => {
    const { runFinetune } = await import("./training/finetune-job.ts");
    await runFinetune(model, path, flags);
  });
}

const neededOut = "; needed where the model that is read is model.onnx, unless --run is given";

const examples = `
An --epochs or --steps that is typed switches the default patience off.

Examples:
  $ microbatch finetune resnet50.onnx flowers/ --pixels imagenet
  $ microbatch finetune resnet50.onnx flowers/ --pixels imagenet --train "layer4.*" --learning-rate 0.0003
  $ microbatch finetune model.onnx other-penguins.csv --train "*" --out tuned.onnx
`;
