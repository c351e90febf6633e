/** The command train: its flags. What they do is in training/, loaded when the command runs. */
import { type Command, Option } from "commander";
import { cleaningOptions } from "./cleaning.ts";
import { dialectOption } from "./dialect.ts";
import {
  bytes,
  every,
  number,
  repeated,
  sampling,
  shareOrFile,
  sizes,
  tokens,
  typeOf,
  until,
  wholeNumber,
} from "./options.ts";
import {
  categoryNames,
  optimizerDefaults,
  scaleNames,
  scheduleNames,
  type TrainFlags,
  tableDefaults,
  textDefaults,
} from "./training/flags.ts";

/** Adds the command to the program. */
export function addTrain(program: Command): void {
  const command = program
    .command("train")
    .summary("train a model on a table, or run a plan")
    .description(
      "Train a model on a table and save it as an ONNX file that takes raw rows, or run a TypeScript file whose " +
        "default export is a plan. What decides the result has a default; Ctrl-C ends early with the best model.",
    )
    .argument(
      "<table | plan>",
      'CSV or TSV (also gzipped), Parquet, "a pattern*.csv" of such files, or a .sql file with a query; a folder of images in a folder for each class; a text, .txt (without --target); or a plan.ts',
    );
  add(command, dataGroups());
  addRunOptions(command);
  command.addHelpText("after", examples).action(async (path: string, flags: TrainFlags) => {
    const { runTrain } = await import("./training/run.ts");
    await runTrain(path, flags);
  });
}

/** Options under a title of the help. */
export const group = (title: string, ...options: readonly Option[]) => ({ title, options });
/** An option; byDefault is told and not set, so that a job can see what was given. */
export const option = (
  flags: string,
  description: string,
  parse?: (text: string) => unknown,
  byDefault?: unknown,
) => {
  const made = new Option(
    flags,
    byDefault === undefined ? description : `${description} (default: ${byDefault})`,
  );
  return parse === undefined ? made : made.argParser(parse);
};

/** The options that say what a table is. */
export function tableGroup(): ReturnType<typeof group> {
  return group(
    "The table:",
    option("--target <column>", "the column to predict; several by repeating it").argParser(repeated),
    option("--task <task>", "what the target is (default: decided by its values)").choices([
      "regression",
      "classification",
    ]),
    option(
      "--type <column=type>",
      'what a column is: "zip=category", "year=number", "sold=date", "note=text", "size=small<medium<large"; may be repeated',
    ).argParser(typeOf),
    option("--ignore <column>", "a column to leave out; may be repeated").argParser(repeated),
    option("--weight <column>", "how much each row counts"),
    option("--group <column>", "rows of one value there stay together when shares are held out; no feature"),
    option("--time <column>", "the latest rows by that column are held out; no feature"),
    option(
      "--validation <share | file>",
      "rows that decide when to stop",
      shareOrFile,
      tableDefaults.validation,
    ),
    option("--test <share | file>", "rows that judge the model at the end (default: none)", shareOrFile),
    dialectOption(),
    option(
      "--cache <folder>",
      "keep what is read there; tables of more than 256 MB always are (default folder: see microbatch cache)",
    ),
  );
}

/** The options that say what a table, a folder of images or a text is, and what model it gets. */
export function dataGroups(): ReturnType<typeof group>[] {
  const { hidden } = tableDefaults;
  return [
    tableGroup(),
    group(
      "The features:",
      option("--scale <how>", "what is done to numbers (default: standardize)").choices(
        Object.keys(scaleNames),
      ),
      option(
        "--clip-features <deviations>",
        "farthest from the mean that a scaled number may lie, inside the model too (default: no limit)",
        number({ above: 0 }),
      ),
      option(
        "--categories <how>",
        "columns of more than 100: one-hot of the commonest, or embedding: trained vectors (default: one-hot)",
      ).choices(Object.keys(categoryNames)),
    ),
    group(
      "The images:",
      option("--image-size <pixels>", "height and width that images are given", wholeNumber(8, 512), 64),
      option(
        "--augment <how>",
        "random changes of training images: standard flips and shifts them (default: standard)",
      ).choices(["standard", "none"]),
    ),
    group(
      "The text:",
      option(
        "--tokens <what>",
        "what is said to come next: bytes, characters, or the tokens of a tokenizer.json",
        tokens,
        textDefaults.tokens,
      ),
      option("--context <n>", "tokens that are seen at once", wholeNumber(1, 8192), textDefaults.context),
      option("--width <n>", "features of each token", wholeNumber(1, 8192), textDefaults.width),
      option("--layers <n>", "blocks of the transformer", wholeNumber(1, 128), textDefaults.layers),
      option(
        "--heads <n>",
        "heads of attention, which share the width",
        wholeNumber(1, 1024),
        textDefaults.heads,
      ),
    ),
    group("What is left out of the table, and what is filled in:", ...cleaningOptions()),
    group(
      "The model:",
      option("--hidden <sizes>", "hidden layers, or none for a linear model", sizes, hidden.join(",")),
      option(
        "--dropout <rate>",
        "part of each hidden layer left out per step",
        number({ from: 0, below: 1 }),
        0,
      ),
      option("--class-weights <how>", "balanced: rare classes count as much as common ones").choices([
        "balanced",
      ]),
    ),
  ];
}

/** The options of every run. defaults: what the help tells of those that differ between commands; out: words behind what --out is. */
export function addRunOptions(
  command: Command,
  defaults: {
    readonly epochs: number;
    readonly patience: number;
    readonly learningRate: number | string;
    readonly out?: string;
  } = {
    epochs: tableDefaults.epochs,
    patience: tableDefaults.patience,
    learningRate: optimizerDefaults[tableDefaults.optimizer].learningRate,
  },
): void {
  const { optimizer, schedule, out, seed } = tableDefaults;
  const { epochs, patience, learningRate } = defaults;
  add(command, [
    group(
      "The training:",
      option("--batch-size <n>", "samples per update", wholeNumber(1), "32 to 512, by the number of samples"),
      option("--microbatch-size <n>", "samples per pass: speed and memory only", wholeNumber(1)),
      option(
        "--memory-budget <bytes>",
        "the most that the process may hold, such as 2GB: a --microbatch-size that needs more is refused, one that is left out is made to fit",
        bytes,
        "on Linux what it holds already and 80 % of what is free, elsewhere no limit",
      ),
      option("--lanes <n>", "slots of the gradient sum", wholeNumber(1, 1024), 8),
      option("--optimizer <name>", `the update rule (default: ${optimizer})`).choices(
        Object.keys(optimizerDefaults),
      ),
      option("--learning-rate <r>", "size of an update", number({ above: 0 }), learningRate),
      option("--schedule <name>", `course of the learning rate (default: ${schedule})`).choices(
        scheduleNames,
      ),
      option(
        "--weight-decay <r>",
        "pull of the weights towards 0",
        number({ from: 0 }),
        optimizerDefaults[optimizer].weightDecay,
      ),
      option("--clip <norm>", "longest gradient that is taken as it is", number({ above: 0 })),
      option(
        "--ema <decay>",
        "average the weights over about 1/(1 - decay) steps",
        number({ from: 0, below: 1 }),
      ),
      option(
        "--sampling <how>",
        "how samples are drawn: shuffle, with-replacement, stratified or class-balanced (by the target, or as in stratified:<column>), " +
          "or weighted:<column>, which is no feature then (default: shuffle)",
        sampling,
      ),
      option("--last-batch <what>", "what becomes of an epoch's last samples (default: keep)").choices([
        "keep",
        "drop",
        "carry",
      ]),
      option("--seed <n>", "seed of everything random", wholeNumber(0), seed),
      option(
        "--on-divergence <what>",
        "where a loss or gradient is NaN or infinite: stop, skip that update (at most 10 in a row, and beyond 10 a tenth of all steps), " +
          "or go back some steps and halve the learning rate (at most 3 times) (default: stop)",
      ).choices(["stop", "skip", "back"]),
      option(
        "--threads <n>",
        "who computes: speed only, and no more than --lanes are started (default: as many as there are cores, where a second of training " +
          "shows a gain)",
        wholeNumber(1, 256),
      ),
    ),
    group(
      "A long run:",
      option(
        "--run [folder]",
        "keep the run in a folder: checkpoints, log and model; without a name in runs/ by the time",
      ),
      option(
        "--resume",
        "go on with the run of --run, at the step of its last checkpoint, or begin it where there is none yet; without it a folder " +
          "that holds a run is refused",
      ),
      option(
        "--resume-anyway",
        "the same, where the ends, the learning rates, what is done about divergence or the machine are not those of before: a run that " +
          "diverged goes on with a lower --learning-rate or --on-divergence back",
      ),
      option("--checkpoint-every <n | time>", "steps between checkpoints, or 30s, 5m, 1h", every, "30s"),
    ),
    group(
      "The end:",
      option("--epochs <n>", "passes over the samples at most", wholeNumber(1), epochs),
      option("--steps <n>", "updates at most", wholeNumber(1)),
      option("--patience <n>", "evaluations without improvement before stopping", wholeNumber(1), patience),
      option("--until <metric>", 'good enough, such as "validation.rmse<=0.5"', until),
      option(
        "--out <file>",
        `where to write the model${defaults.out ?? ""}`,
        undefined,
        `${out}, in the folder of --run where there is one`,
      ),
      option("--json", "print one JSON object as the last line of standard output"),
    ),
  ]);
}

/** Adds options to a command, each under its title. */
export function add(
  command: Command,
  groups: readonly { title: string; options: readonly Option[] }[],
): void {
  for (const { title, options } of groups) {
    for (const one of options) command.addOption(one.helpGroup(title));
  }
}

const examples = `
The defaults are those of a table. A folder of images has 60 epochs, patience
12, learning rate 0.002 and dropout 0.2; a text 60 epochs, patience 5, learning
rate 0.002, batches of 32, --clip 1 and --validation 0.1; for both, an --epochs
or --steps that is typed switches the default patience off. A plan.ts says all
this itself. Where --optimizer is typed and --learning-rate is not, adamw and
adam learn at 0.003, sgd and adagrad at 0.03, momentum at 0.01, rmsprop at
0.001 and lion at 0.0003; adamw decays weights by 0.01, lion by 0.03, others
not at all.

Examples:
  $ microbatch train penguins.csv --target species
  $ microbatch train houses.csv --target price --hidden none --test 0.2
  $ microbatch train churn.csv --target churn --class-weights balanced --until "validation.auc>=0.84"
  $ microbatch train book.txt --context 128 --layers 4
  $ microbatch train plan.ts --epochs 5 --run runs/first
`;
