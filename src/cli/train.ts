/** microbatch train: a table → a trained model.onnx, with a summary against the trivial baseline. */
import { availableParallelism } from "node:os";
import type { Command } from "commander";
import type { Dataset } from "../data/dataset.ts";
import { requireWritable } from "../data/files.ts";
import type { Split } from "../data/split.ts";
import { statistics } from "../data/statistics.ts";
import { type Table, type TableData, table } from "../data/table.ts";
import { bug, fail } from "../errors.ts";
import { adamw, matricesOnly } from "../optim/index.ts";
import { consoleReporter, digits, duration } from "../report/console.ts";
import type { FinishedEvent, StartedEvent } from "../train/event.ts";
import { measure } from "../train/measure.ts";
import type { Plan } from "../train/plan.ts";
import { afterEpochs, whenStale } from "../train/stop.ts";
import { train } from "../train/train.ts";
import { exitCodes, number, sizes, wholeNumber } from "./options.ts";
import { type TableModel, tableModel } from "./table-plan.ts";

interface TrainOptions {
  readonly target: string;
  readonly out: string;
  readonly hidden: readonly number[];
  readonly epochs: number;
  readonly patience: number;
  readonly batchSize: number;
  readonly microbatchSize?: number;
  readonly lanes?: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly validation: number;
  readonly seed: number;
  readonly json?: boolean;
}

/** Adds the command to the program. */
export function addTrain(program: Command): void {
  program
    .command("train")
    .description("Train a model on a table and save it as an ONNX file that takes raw rows.")
    .argument("<table>", "a CSV file with a header line")
    .requiredOption("--target <column>", "the column to predict")
    .option("--out <file>", "where to write the model", "model.onnx")
    .option("--hidden <sizes>", "sizes of hidden layers, or none for a linear model", sizes, [64, 64])
    .option("--epochs <n>", "passes over the samples at most", wholeNumber(1), 200)
    .option("--patience <n>", "evaluations without improvement before stopping", wholeNumber(1), 20)
    .option("--batch-size <n>", "samples per update", wholeNumber(1), 32)
    .option("--microbatch-size <n>", "samples per pass: speed and memory only", wholeNumber(1))
    .option("--lanes <n>", "slots of the gradient sum", wholeNumber(1, 1024))
    .option("--learning-rate <r>", "size of an update", number({ above: 0 }), 0.003)
    .option("--weight-decay <r>", "pull of the weights towards 0", number({ from: 0 }), 0.01)
    .option(
      "--validation <part>",
      "part of the samples kept for validation",
      number({ above: 0, below: 1 }),
      0.2,
    )
    .option("--seed <n>", "seed of everything random", wholeNumber(0), 0)
    .option("--json", "print one JSON object as the last line")
    .addHelpText(
      "after",
      "\nExample:\n  $ microbatch train examples/penguins/penguins.csv --target species\n",
    )
    .action((path: string, options: TrainOptions) => runTrain(path, options));
}

async function runTrain(path: string, options: TrainOptions): Promise<void> {
  const say = (line: string) => process.stderr.write(`${line}\n`);
  checkSizes(options);
  await requireWritable(options.out);
  const all = await table(path, { target: options.target });
  const parts = all.split({ validation: options.validation, seed: options.seed });
  const shaped = tableModel(await statistics(parts.training), options.hidden);
  say(describeTable(path, all, shaped, parts.training.size, parts.validation.size));
  const controller = new AbortController();
  const interrupt = () => {
    say("interrupted: this step is finished and the best model saved; Ctrl-C again ends at once");
    controller.abort(new Error("interrupted"));
  };
  process.once("SIGINT", interrupt);
  const run = await watch(planOf(parts, shaped, options, controller.signal), options.epochs);
  process.removeListener("SIGINT", interrupt);
  const { finished } = run;
  const isDiverged = finished.stop.rule === "diverged";
  // Weights that were never evaluated, one step before infinity, must not replace a good model.
  const isKept = !isDiverged || Object.keys(run.validation).length > 0;
  if (isKept) await finished.model.save(options.out);
  const baseline = await baselineOf(shaped, parts.validation);
  if (isKept) say(summary(shaped, run.validation, baseline, finished, options.out));
  else say(`No model is saved: the run diverged at step ${finished.steps + 1}, before its first evaluation.`);
  if (options.json === true) {
    const record = jsonRecord(shaped, run, baseline, isKept ? options.out : null);
    process.stdout.write(`${JSON.stringify(record)}\n`);
  }
  if (isDiverged) process.exitCode = exitCodes.runFailed;
}

/** In the words of the command line; the plan would say it too, in its own. */
function checkSizes({ batchSize, microbatchSize }: TrainOptions): void {
  if (microbatchSize === undefined || microbatchSize <= batchSize) return;
  fail("--microbatch-size", {
    expected: `at most --batch-size (${batchSize})`,
    got: String(microbatchSize),
    fix: "a batch is one or more microbatches: lower --microbatch-size or raise --batch-size",
  });
}

function planOf(
  { training, validation }: Split<TableData>,
  { model, loss, serve, metrics }: TableModel,
  options: TrainOptions,
  signal: AbortSignal,
): Plan {
  const { learningRate, weightDecay, microbatchSize, lanes, seed } = options;
  const batchSize = Math.min(options.batchSize, training.size);
  return {
    data: training,
    model,
    loss,
    serve,
    optimizer: adamw({ learningRate, weightDecay, decays: matricesOnly }),
    batchSize,
    ...(microbatchSize !== undefined && { microbatchSize: Math.min(microbatchSize, batchSize) }),
    ...(lanes !== undefined && { lanes }),
    seed,
    validation: { data: validation, metrics },
    stop: [whenStale("validation.loss", { patience: options.patience }), afterEpochs(options.epochs)],
    signal,
  };
}

/** What a run came to. */
interface Watched {
  readonly started: StartedEvent;
  readonly finished: FinishedEvent;
  /** The mean loss of the last whole epoch, NaN without one. */
  readonly trainLoss: number;
  /** The best evaluation, its names without "validation."; empty without one. */
  readonly validation: Readonly<Record<string, number>>;
}

/** Trains, showing it on the terminal. */
async function watch(plan: Plan, epochs: number): Promise<Watched> {
  const report = consoleReporter({ terminal: process.stderr, epochs });
  let started: StartedEvent | undefined;
  let finished: FinishedEvent | undefined;
  let trainLoss = Number.NaN;
  let best: Readonly<Record<string, number>> = {};
  for await (const event of train(plan)) {
    report(event);
    if (event.type === "started") started = event;
    if (event.type === "epoch") trainLoss = event.loss;
    if (event.type === "evaluated" && event.isBest) best = event.metrics;
    if (event.type === "finished") finished = event;
  }
  if (started === undefined || finished === undefined) bug("a run without its first or last event");
  const metrics = Object.entries(best).map(([name, value]) => [name.replace("validation.", ""), value]);
  return { started, finished, trainLoss, validation: Object.fromEntries(metrics) };
}

/** The loss and metrics of the trivial model. */
function baselineOf(shaped: TableModel, validation: Dataset): Promise<Record<string, number>> {
  return measure(validation, (row) => {
    const predicted = shaped.baseline(row);
    const metrics = Object.entries(shaped.metrics).map(([name, make]) => [name, make(predicted, row)]);
    return { loss: shaped.loss(predicted, row), metrics: Object.fromEntries(metrics) };
  });
}

function describeTable(
  path: string,
  all: Table,
  shaped: TableModel,
  training: number,
  validation: number,
): string {
  const { schema, report } = all;
  const count = (kind: string) => schema.features.filter((feature) => feature.kind === kind).length;
  const target = schema.targets[0]!;
  const task =
    target.task === "regression"
      ? `regression of ${target.name}`
      : `${target.name} is one of ${target.categories.length} classes (${target.categories.slice(0, 6).join(", ")}${target.categories.length > 6 ? ", …" : ""})`;
  const lines = [
    `${path}: ${report.records} rows, ${count("number")} number and ${count("category")} category columns; ${task}`,
    ...(report.withoutTarget > 0
      ? [`  ${report.withoutTarget} rows have no ${target.name} and are left out`]
      : []),
    ...missingLine(report.missing),
    ...report.ignored.map(({ column, reason }) => `  column "${column}" is left out: ${reason}`),
    ...report.imprecise.map(
      (column) => `  column "${column}" loses digits in float32: subtract a constant first`,
    ),
    `  ${training} training and ${validation} validation samples; ${shaped.task} model`,
  ];
  return lines.join("\n");
}

function missingLine(missing: Readonly<Record<string, number>>): string[] {
  const entries = Object.entries(missing);
  if (entries.length === 0) return [];
  return [
    `  missing values, filled inside the model: ${entries.map(([name, count]) => `${name} ${count}`).join(", ")}`,
  ];
}

function summary(
  shaped: TableModel,
  metrics: Readonly<Record<string, number>>,
  baseline: Readonly<Record<string, number>>,
  finished: FinishedEvent,
  out: string,
): string {
  const { headline } = shaped;
  const name = shaped.task === "regression" ? "always the mean" : "always the commonest class";
  const own = metrics[headline] ?? Number.NaN;
  const trivial = baseline[headline] ?? Number.NaN;
  const isBetter = headline === "rmse" ? own < trivial : own > trivial;
  // The reporter has shown where it diverged.
  const stopped =
    finished.stop.rule === "diverged" ? "diverged; kept: the best evaluation" : finished.stop.reason;
  const rows = Object.keys(metrics).map(
    (key) =>
      `  ${key.padEnd(10)} ${digits(metrics[key]!).padStart(10)} ${digits(baseline[key] ?? Number.NaN).padStart(10)}`,
  );
  return [
    `${finished.steps} steps in ${duration(finished.seconds)}, ${finished.epochs} epochs; stopped: ${stopped}`,
    `  validation      model   baseline (${name})`,
    ...rows,
    isBetter
      ? `The model beats the baseline: ${headline} ${digits(own)} against ${digits(trivial)}.`
      : `The model does not beat the baseline (${headline} ${digits(own)} against ${digits(trivial)}): these columns may not tell the target, or more samples are needed.`,
    `Saved ${out}: raw rows in, predictions out.`,
  ].join("\n");
}

function jsonRecord(
  shaped: TableModel,
  { started, finished, trainLoss, validation }: Watched,
  baseline: Readonly<Record<string, number>>,
  model: string | null,
): Record<string, unknown> {
  const { batchSize, microbatchSize, lanes } = started.plan;
  return {
    task: shaped.task,
    steps: finished.steps,
    epochs: finished.epochs,
    samples: finished.samples,
    batchSize,
    microbatchSize,
    lanes,
    threads: 1,
    cores: availableParallelism(),
    seconds: finished.seconds,
    samplesPerSecond: finished.samples / finished.seconds,
    trainLoss,
    validation,
    baseline,
    parametersSha256: finished.parametersSha256,
    stateSha256: finished.stateSha256,
    model,
    stopReason: finished.stop.reason,
    peakBytes: process.resourceUsage().maxRSS * 1024,
  };
}
