/** One table in several formats on the command line: the same training, predictions and figures. */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { openTableDatabase } from "../src/data/table/cells/database.ts";
import { csvProof } from "../src/data/table/csv/csv-table.ts";
import { microbatchIn } from "./command-line.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const penguins = fileURLToPath(new URL("../examples/penguins/penguins.csv", import.meta.url));
const folder = temporaryFolder();
const microbatch = microbatchIn(folder);

before(async () => {
  const text = await readFile(penguins, "utf8");
  const [header, ...lines] = text.trimEnd().split("\n");
  await mkdir(join(folder, "parts"));
  const half = lines.length / 2;
  await writeFile(join(folder, "parts/a.csv"), [header, ...lines.slice(0, half), ""].join("\n"));
  await writeFile(join(folder, "parts/b.csv"), [header, ...lines.slice(half), ""].join("\n"));
  const { database, close } = await openTableDatabase("test", { damaged: csvProof });
  const path = join(folder, "penguins.parquet");
  await database.run(
    `copy (from read_csv('${penguins}', nullstr = ['', 'NA'])) to '${path}' (format parquet)`,
  );
  await close();
  await writeFile(join(folder, "penguins.sql"), "-- all of them\nselect * from 'penguins.parquet';\n");
});

async function run(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await microbatch(...words);
  assert.equal(code, 0, stderr);
  return stdout;
}

test("a file, a Parquet file, a pattern of files and a query train the same model, which predicts and is judged from each", async () => {
  const tables = [penguins, "penguins.parquet", "parts/*.csv", "penguins.sql"];
  const models: string[] = [];
  const judged: unknown[] = [];
  const predicted: string[][] = [];
  for (const [index, table] of tables.entries()) {
    await run("train", table, "--target", "species", "--epochs", "3", "--out", `${index}.onnx`);
    models.push(await run("predict", `${index}.onnx`, penguins)); // the files differ in the name of the table
    const { metrics, rows } = JSON.parse(await run("evaluate", "0.onnx", table, "--json"));
    judged.push({ metrics, rows });
    const text = await run("predict", "0.onnx", table);
    predicted.push(
      text
        .trimEnd()
        .split("\n")
        .map((line) => line.split(",").at(-1)!),
    );
  }
  for (const [index, table] of tables.entries()) {
    assert.equal(models[index], models[0], table);
    assert.deepEqual(judged[index], judged[0], table);
    assert.deepEqual(predicted[index], predicted[0], table);
  }
  assert.equal(predicted[0]!.length, 345);
  assert.match(
    await run("profile", "parts/*.csv"),
    /^parts\/\*\.csv: 344 rows, \d columns, 2 files, separated by commas/,
  );
});
