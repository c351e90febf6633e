/** microbatch evaluate: a saved model on a table that knows the answers, beside the trivial model. Images know them by their folders. */
import { rawRows } from "../data/table/raw-rows.ts";
import { fail } from "../errors.ts";
import type { MetricFold } from "../nn/metric.ts";
import { digits } from "../report/console.ts";
import { loadModel, type RawColumns, type SavedModel } from "../train/saved-model.ts";
import { type Answer, type AnsweredRows, addPiece, answersOf } from "./answers.ts";
import { dialectOf } from "./dialect.ts";
import type { EvaluateFlags } from "./evaluate.ts";
import { answeredImages, isFolder } from "./image-rows.ts";
import { modelRows, tableInputs } from "./model-rows.ts";
import { crewOf, predicted } from "./predicted.ts";
import { print, say, styled } from "./say.ts";
import { tableInput } from "./table-input.ts";
import { UnseenCategories } from "./unseen.ts";

/** Prints the metrics that training prints, on the rows of a table. */
export async function runEvaluate(file: string, path: string, flags: EvaluateFlags): Promise<void> {
  const model = await loadModel(file, crewOf(flags.threads));
  try {
    const answers = answersOf(file, model, flags);
    const unseen = new UnseenCategories(model.schema);
    const { rows, judged } = await judge(file, model, { ...flags, path }, answers, unseen);
    if (flags.json === true)
      print(JSON.stringify({ ...recordOf(file, path, rows, judged, answers), unseen: unseen.counts }));
    else for (const answer of answers) tell(answer, path, rows, judged);
    for (const line of unseen.lines(path)) say(line);
  } finally {
    await model.close();
  }
}

type Judged = Readonly<Record<string, { readonly model: Metrics; readonly baseline: Metrics | undefined }>>;
type Metrics = Readonly<Record<string, number>>;

async function judge(
  file: string,
  model: SavedModel,
  table: { readonly path: string } & EvaluateFlags,
  answers: readonly Answer[],
  unseen: UnseenCategories,
): Promise<{ readonly rows: number; readonly judged: Judged }> {
  const { path } = table;
  const pieces = (await isFolder(path))
    ? imagePieces(file, model, table, answers)
    : tablePieces(file, model, table, answers, unseen);
  let rows = 0;
  for await (const { piece: whole, outputs } of predicted(model, path, pieces, table.threads)) {
    const { piece } = whole;
    for (const answer of answers) await addPiece(answer, piece, outputs);
    rows += piece.rows;
  }
  for (const answer of answers) if (answer.count === 0) noAnswers(path, answer, rows);
  const results = answers.map(({ target, own, trivial, hasBaseline }) => [
    target.name,
    { model: finish(own), baseline: hasBaseline ? finish(trivial) : undefined },
  ]);
  return { rows, judged: Object.fromEntries(results) };
}

/** What the model takes of some rows, and what is known of them. */
interface Piece {
  readonly columns: RawColumns;
  readonly piece: AnsweredRows;
}

async function* tablePieces(
  file: string,
  model: SavedModel,
  { path, ...flags }: { readonly path: string } & EvaluateFlags,
  answers: readonly Answer[],
  unseen: UnseenCategories,
): AsyncGenerator<Piece> {
  const inputs = tableInputs(file, model);
  const numeric = answers.filter(({ target }) => target.task === "regression").map(({ column }) => column);
  const weights = answers.flatMap(({ weight }) => weight ?? []).slice(0, 1); // the same for all
  requireWeight(weights, [...inputs.columns, ...answers.map(({ column }) => column)]);
  const needed = {
    absent: weights, // which is told where they are read
    columns: [...new Set([...inputs.columns, ...answers.map(({ column }) => column), ...weights])],
    numbers: [...new Set([...inputs.numbers, ...numeric, ...weights])],
  };
  for await (const piece of rawRows(await tableInput(path), { ...needed, ...dialectOf(flags) })) {
    unseen.add(piece);
    yield { columns: await modelRows(inputs, piece), piece };
  }
}

/** The folders are the answers, so nothing else says them. */
async function* imagePieces(
  file: string,
  model: SavedModel,
  { path: folder, target, weight, dialect }: { readonly path: string } & EvaluateFlags,
  [answer]: readonly Answer[],
): AsyncGenerator<Piece> {
  for (const [flag, given] of Object.entries({
    "--target": target,
    "--weight": weight,
    "--dialect": dialect,
  })) {
    if (given === undefined) continue;
    fail(flag, {
      expected: "a table, whose columns it is about",
      got: `the folder of images ${folder}`,
      fix: `leave ${flag} out: the folders in it are the classes`,
    });
  }
  const classes = answer?.target.task === "classification" ? answer.target.categories : undefined;
  if (classes === undefined) {
    return fail(file, {
      expected: "a model of classes, which the folders are",
      got: "one of numbers",
      fix: "judge it by a table: microbatch evaluate model.onnx table.csv",
    });
  }
  yield* answeredImages(file, model, { folder, column: answer!.column, classes });
}

const finish = (folds: Readonly<Record<string, MetricFold>>): Metrics =>
  Object.fromEntries(Object.entries(folds).map(([name, fold]) => [name, fold.finish()]));

/** As in training: a weight tells nothing of a row but how much it counts. */
function requireWeight(weights: readonly string[], used: readonly string[]): void {
  const twice = weights.find((name) => used.includes(name));
  if (twice === undefined) return;
  fail("--weight", {
    expected: "a column that is no answer, and that the model does not read",
    got: `"${twice}"`,
    fix: "name another column",
  });
}

function noAnswers(path: string, { column, weight }: Answer, rows: number): never {
  fail(`${path}, column "${column}"`, {
    expected: `an answer in at least one row${weight === undefined ? "" : " of weight above 0"}`,
    got: `none in ${rows} rows`,
    fix: "name the column with the answers: --target <column>",
  });
}

function tell(
  { target, column, weight, head, count }: Answer,
  path: string,
  rows: number,
  judged: Judged,
): void {
  const { model, baseline } = judged[target.name]!;
  const without = rows - count;
  print(
    `${path}: ${count.toLocaleString("en-US")} rows judged by ${column}` +
      (without > 0
        ? `; ${without.toLocaleString("en-US")} without an answer${weight === undefined ? "" : ", or of weight 0,"} are left out`
        : ""),
  );
  const width = Math.max(...Object.keys(model).map((name) => name.length));
  const titles = `  ${"".padEnd(width)}${"model".padStart(12)}${baseline === undefined ? "" : "baseline".padStart(12)}`;
  print(styled("dim", titles, process.stdout));
  for (const [name, value] of Object.entries(model)) {
    const trivial = baseline === undefined ? "" : digits(baseline[name]!).padStart(12);
    print(`  ${name.padEnd(width)}${digits(value).padStart(12)}${trivial}`);
  }
  if (baseline !== undefined) print(`The baseline is ${head.baselineWords} of the rows it was trained on.`);
}

function recordOf(
  file: string,
  path: string,
  rows: number,
  judged: Judged,
  answers: readonly Answer[],
): Readonly<Record<string, unknown>> {
  const [first] = answers;
  const common = { model: file, table: path, rows };
  if (answers.length > 1) return { ...common, task: "several", targets: judged };
  const { model, baseline } = judged[first!.target.name]!;
  return {
    ...common,
    task: first!.head.task,
    target: first!.column,
    ...(first!.weight !== undefined && { weight: first!.weight }),
    judged: first!.count,
    metrics: model,
    baseline: baseline ?? null,
  };
}
