/** microbatch predict: raw rows stream through a saved model and come back with its predictions. */
import { outputNames, type TargetColumn } from "../array/schema.ts";
import { writeAtomically } from "../data/files.ts";
import { rawRows } from "../data/table/raw-rows.ts";
import { fail } from "../errors.ts";
import { digits, duration } from "../report/console.ts";
import { loadModel, type SavedModel } from "../train/saved-model.ts";
import { type DialectFlags, dialectOf } from "./dialect.ts";
import { imageRows, isFolder, type ModelPiece } from "./image-rows.ts";
import { Interrupted, onInterrupt } from "./interrupt.ts";
import { modelRows, type Outputs, requireClasses, tableInputs } from "./model-rows.ts";
import { requireOut } from "./out.ts";
import type { PredictFlags } from "./predict.ts";
import { crewOf, predicted } from "./predicted.ts";
import { print, say } from "./say.ts";
import { tableInput } from "./table-input.ts";
import { refuseTextModel } from "./text-model.ts";
import { UnseenCategories } from "./unseen.ts";

/** Writes the table with its predictions to a file, or to standard output. */
export async function runPredict(file: string, path: string, flags: PredictFlags): Promise<void> {
  const { out, json } = flags;
  if (json === true && out === undefined) {
    fail("--json", {
      expected: "--out beside it, since standard output is for the predictions otherwise",
      got: "none",
      fix: "add --out predictions.csv",
    });
  }
  if (out !== undefined) await requireOut(out, [file, path]);
  const model = await loadModel(file, crewOf(flags.threads));
  const began = performance.now();
  try {
    refuseTextModel(file, model.summary.metadata);
    const delimiter = out?.endsWith(".tsv") === true ? "\t" : ",";
    const unseen = new UnseenCategories(model.schema);
    const table = { path, ...dialectOf(flags) };
    const stream = (write: Write) =>
      predictTable(file, model, { ...table, threads: flags.threads }, delimiter, unseen, write);
    if (out === undefined) await stream(toStandardOutput);
    else {
      const rows = await writeRows(out, stream);
      const seconds = (performance.now() - began) / 1000;
      tell({ model: file, table: path, rows, out, seconds, unseen: unseen.counts }, json === true);
    }
    for (const line of unseen.lines(path)) say(line);
  } finally {
    await model.close();
  }
}

/** Ctrl-C ends between two pieces, so that the temporary file goes too. */
async function writeRows(out: string, stream: (write: Write) => Promise<number>): Promise<number> {
  let isInterrupted = false;
  const forget = onInterrupt(() => {
    isInterrupted = true;
  });
  let rows = 0;
  try {
    await writeAtomically(out, async (write) => {
      rows = await stream(async (text) => {
        await write(new TextEncoder().encode(text));
        if (isInterrupted) throw new Interrupted(`interrupted: ${out} is not written`);
        return true;
      });
    });
  } finally {
    forget();
  }
  return rows;
}

/** Takes a text and says whether more is wanted. */
type Write = (text: string) => Promise<boolean>;

/** Waits until the reader has taken it; a reader that has gone (| head -1) wants no more. */
const toStandardOutput: Write = (text) =>
  new Promise((resolve) =>
    process.stdout.write(text, (error) => resolve(error === undefined || error === null)),
  );

async function predictTable(
  file: string,
  model: SavedModel,
  {
    path,
    threads,
    ...written
  }: { readonly path: string; readonly threads: number | undefined } & DialectFlags,
  delimiter: string,
  unseen: UnseenCategories,
  write: Write,
): Promise<number> {
  requireClasses(file, model);
  let rows = 0;
  let added: readonly AddedColumn[] | undefined;
  const pieces = (await isFolder(path))
    ? imageRows(file, model, path)
    : tableRows(file, model, path, written, unseen);
  for await (const { piece, outputs } of predicted(model, path, pieces, threads)) {
    const isFirst = added === undefined;
    added ??= addedColumns(file, model, outputs);
    const head = isFirst ? `${headerOf(piece, added, delimiter)}\n` : "";
    rows += piece.rows;
    if (!(await write(head + linesOf(piece, outputs, added, delimiter)))) break;
  }
  return rows;
}

async function* tableRows(
  file: string,
  model: SavedModel,
  path: string,
  written: DialectFlags,
  unseen: UnseenCategories,
): AsyncGenerator<ModelPiece> {
  const inputs = tableInputs(file, model);
  for await (const piece of rawRows(await tableInput(path), { ...inputs, ...written })) {
    unseen.add(piece);
    const { names, rows, texts } = piece;
    yield { names, rows, texts, columns: await modelRows(inputs, piece) };
  }
}

/** A column that the model adds: its name, and its text for a row of a piece's outputs. */
interface AddedColumn {
  readonly name: string;
  text(outputs: Outputs, row: number): string;
}

/** prediction and probability columns of a table's model; of another one, every output it has. */
function addedColumns(file: string, model: SavedModel, outputs: Outputs): AddedColumn[] {
  const { schema } = model;
  if (schema === undefined || schema.targets.length === 0)
    return Object.keys(outputs).flatMap((name) => plain(name, outputs));
  const columns = schema.targets.flatMap((target) => {
    const names = outputNames(schema, target.name);
    const isOnly = schema.targets.length === 1;
    const prediction = Object.hasOwn(outputs, names.prediction)
      ? plain(names.prediction, outputs)
      : likeliest(names, target, outputs);
    if (target.task === "regression" || !Object.hasOwn(outputs, names.probabilities)) return prediction;
    const { categories } = target;
    const probabilities = categories.map((category, index) => ({
      name: `probability of ${isOnly ? "" : `${target.name} = `}${category}`,
      text: (given: Outputs, row: number) =>
        String(given[names.probabilities]!.data[row * categories.length + index]),
    }));
    return [...prediction, ...probabilities];
  });
  if (columns.length > 0) return columns;
  return fail(file, {
    expected: `an output "prediction" or "probabilities"`,
    got: Object.keys(outputs).join(", "),
    fix: "predict with a model that microbatch train has saved, or name the outputs so in the plan's serve",
  });
}

/** The class of the largest probability, for a model that puts out probabilities alone. */
function likeliest(
  names: ReturnType<typeof outputNames>,
  target: TargetColumn,
  outputs: Outputs,
): AddedColumn[] {
  if (target.task === "regression" || !Object.hasOwn(outputs, names.probabilities)) return [];
  const { categories } = target;
  const best = (given: Outputs, row: number) => {
    // Probabilities are numbers, whatever else a saved model puts out.
    const { data } = given[names.probabilities] as { readonly data: ArrayLike<number> };
    let most = 0;
    for (let index = 1; index < categories.length; index++) {
      if (data[row * categories.length + index]! > data[row * categories.length + most]!) most = index;
    }
    return categories[most]!;
  };
  return [{ name: names.prediction, text: best }];
}

function plain(output: string, outputs: Outputs): AddedColumn[] {
  const { data, shape } = outputs[output]!;
  const width = data.length / shape[0]!;
  return Array.from({ length: width }, (_, index) => ({
    name: width === 1 ? output : `${output} ${index}`,
    text: (given, row) => String(given[output]!.data[row * width + index]),
  }));
}

function headerOf({ names }: ModelPiece, added: readonly AddedColumn[], delimiter: string): string {
  const taken = new Set(names);
  return [...names, ...added.map(({ name }) => freeName(name, taken))]
    .map((name) => quoted(name, delimiter))
    .join(delimiter);
}

function linesOf(
  piece: ModelPiece,
  outputs: Outputs,
  added: readonly AddedColumn[],
  delimiter: string,
): string {
  let lines = "";
  for (let row = 0; row < piece.rows; row++) {
    for (const column of piece.texts) lines += quoted(column[row]!, delimiter) + delimiter;
    for (let index = 0; index < added.length; index++) {
      lines +=
        quoted(added[index]!.text(outputs, row), delimiter) + (index < added.length - 1 ? delimiter : "\n");
    }
  }
  return lines;
}

/** The name, with a number behind it where the table has a column of that name already. */
function freeName(name: string, taken: Set<string>): string {
  let free = name;
  for (let count = 2; taken.has(free); count++) free = `${name} ${count}`;
  taken.add(free);
  return free;
}

/** A field of a CSV file. Source: RFC 4180. */
function quoted(text: string, delimiter: string): string {
  return needsQuotes.test(text) || text.includes(delimiter) ? `"${text.replaceAll('"', '""')}"` : text;
}
const needsQuotes = /["\r\n]/;

/** What --out ends with. */
function tell(
  done: {
    readonly model: string;
    readonly table: string;
    readonly rows: number;
    readonly out: string;
    readonly seconds: number;
    readonly unseen: Readonly<Record<string, number>>;
  },
  isJson: boolean,
): void {
  const { rows, out, seconds } = done;
  const rowsPerSecond = rows / seconds;
  if (isJson) {
    const peakBytes = process.resourceUsage().maxRSS * 1024;
    print(JSON.stringify({ ...done, rowsPerSecond, peakBytes }));
    return;
  }
  say(
    `Predicted ${rows.toLocaleString("en-US")} rows in ${duration(seconds)} (${digits(rowsPerSecond)} a second); saved ${out}.`,
  );
}
