/** microbatch predict: a saved model and a table of raw rows → the table with predictions. */
import type { Command } from "commander";
import { requireWritable, writeFileAtomically } from "../data/files.ts";
import { rawColumns } from "../data/raw-columns.ts";
import { fail } from "../errors.ts";
import { loadModel, type SavedModel } from "../train/saved-model.ts";

/** Adds the command to the program. */
export function addPredict(program: Command): void {
  program
    .command("predict")
    .description("Predict every row of a table with a saved model.")
    .argument("<model>", "an ONNX file that train has written")
    .argument("<table>", "a CSV file with the model's columns")
    .option("--out <file>", "where to write the table with predictions (default: standard output)")
    .addHelpText(
      "after",
      "\nExample:\n  $ microbatch predict model.onnx penguins.csv --out predictions.csv\n",
    )
    .action((model: string, path: string, options: { readonly out?: string }) =>
      runPredict(model, path, options),
    );
}

async function runPredict(file: string, path: string, options: { readonly out?: string }): Promise<void> {
  if (options.out !== undefined) await requireWritable(options.out);
  const model = await loadModel(file);
  try {
    const text = await predictionsCsv(file, model, path);
    if (options.out === undefined) process.stdout.write(text);
    else await writeFileAtomically(options.out, new TextEncoder().encode(text));
  } finally {
    await model.close();
  }
}

async function predictionsCsv(file: string, model: SavedModel, path: string): Promise<string> {
  const needed = model.summary.inputs.map(({ name }) => name);
  const { names, rows, columns } = await rawColumns(path, needed);
  const outputs = await model.predict(columns, path);
  const target = model.schema?.targets[0];
  const added: [string, (row: number) => string][] = [];
  if (target?.task === "classification" && outputs.probabilities !== undefined) {
    const { categories } = target;
    const { data } = outputs.probabilities;
    const probability = (row: number, index: number) => Number(data[row * categories.length + index]);
    const best = (row: number) =>
      categories.reduce(
        (top, _, index) => (probability(row, index) > probability(row, top) ? index : top),
        0,
      );
    added.push(["prediction", (row) => quoted(categories[best(row)]!)]);
    categories.forEach((category, index) => {
      added.push([`probability of ${category}`, (row) => String(probability(row, index))]);
    });
  } else if (outputs.prediction !== undefined) {
    const { data } = outputs.prediction;
    const width = data.length / rows;
    for (let index = 0; index < width; index++) {
      added.push([
        width === 1 ? "prediction" : `prediction ${index}`,
        (row) => String(data[row * width + index]),
      ]);
    }
  } else {
    fail(file, {
      expected: `an output "prediction" or "probabilities"`,
      got: Object.keys(outputs).join(", "),
      fix: "predict with a model that microbatch train has saved",
    });
  }
  const taken = new Set(names);
  const lines = [[...names, ...added.map(([name]) => freeName(name, taken))].map(quoted).join(",")];
  for (let row = 0; row < rows; row++) {
    const own = names.map((name) => quoted(columns[name]![row] ?? ""));
    lines.push([...own, ...added.map(([, value]) => value(row))].join(","));
  }
  return `${lines.join("\n")}\n`;
}

/** The name, with a number behind it where the table has a column of that name already. */
function freeName(name: string, taken: Set<string>): string {
  let free = name;
  for (let count = 2; taken.has(free); count++) free = `${name} ${count}`;
  taken.add(free);
  return free;
}

/** A field of a CSV file. Source: RFC 4180. */
function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
