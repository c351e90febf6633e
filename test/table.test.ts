/** From a file to a saved model: what training saw, the file that people call sees too. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import {
  adamw,
  afterEpochs,
  afterSteps,
  concat,
  crossEntropy,
  type EncoderOptions,
  encoder,
  fit,
  linear,
  numberScales,
  type Row,
  relu,
  reshape,
  sequence,
  square,
  statistics,
} from "../src/index.ts";
import { type MissingPolicy, table } from "../src/node.ts";
import { loadModel } from "../src/train/saved-model.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const folder = temporaryFolder();
const path = fileURLToPath(new URL("../examples/penguins/penguins.csv", import.meta.url));

test("a model trained on a table predicts the same from the file's texts once it is saved", async () => {
  const penguins = await table(path, { target: "species" });
  const { training, validation } = penguins.split({ validation: 0.2, seed: 7 });
  const body = sequence(encoder(await statistics(training)), linear(16), relu, linear(3));
  const model = await fit({
    data: training,
    model: (row) => body(row),
    loss: (predicted, row) => crossEntropy(predicted, row.species!),
    optimizer: adamw({ learningRate: 0.02 }),
    batchSize: 32,
    stop: afterEpochs(10),
    validation: { data: validation },
  });
  const { loss } = await model.evaluate(validation);
  assert.ok(loss! < 0.2, `validation loss ${loss}; knowing nothing has ln 3 ≈ 1.1`);

  const file = join(folder, "penguins.onnx");
  await model.save(file);
  const saved = await loadModel(file);
  try {
    assert.deepEqual(saved.schema, penguins.schema);
    const [header, ...lines] = (await readFile(path, "utf8"))
      .trim()
      .split("\n")
      .map((line) => line.split(","));
    const columns = Object.fromEntries(header!.map((name, at) => [name, lines.map((line) => line[at]!)]));
    const [fromFile] = Object.values(await saved.predict(columns));
    const [fromTable] = Object.values(await model.predict(penguins));
    // The same kernels on the same numbers; only the size of the microbatch may differ, which moves a last bit.
    fromFile!.data.forEach((value, index) => {
      assert.ok(Math.abs(Number(value) - Number(fromTable!.data[index])) < 1e-5, `${index}`);
    });
    assert.equal(fromFile!.data.length, 344 * 3);
  } finally {
    await saved.close();
  }
});

/** The example tables, and what is said about their columns. */
const examples: readonly {
  readonly file: string;
  readonly target: string;
  readonly types?: Readonly<Record<string, readonly string[]>>;
  readonly missing?: Readonly<Record<string, MissingPolicy>>;
}[] = [
  { file: "line/line.csv", target: "y" },
  { file: "penguins/penguins.csv", target: "species" },
  { file: "penguins/penguins.csv", target: "body_mass_g" },
  {
    file: "penguins/penguins.csv",
    target: "species",
    types: { island: ["Torgersen", "Biscoe", "Dream"] },
    missing: {
      bill_length_mm: { fill: "median" },
      bill_depth_mm: { fill: "mode", indicator: false },
      body_mass_g: { fill: 0 },
      island: { fill: "Dream" },
      sex: { fill: "not told", indicator: false },
    },
  },
  { file: "wine/wine.csv", target: "cultivar" },
  { file: "breast-cancer/breast-cancer.csv", target: "diagnosis" },
  { file: "digits/digits.csv.gz", target: "digit" },
  { file: "churn/churn.csv", target: "churn" },
  {
    file: "diamonds/diamonds.csv.gz",
    target: "price",
    types: {
      cut: ["Fair", "Good", "Very Good", "Premium", "Ideal"],
      color: ["J", "I", "H", "G", "F", "E", "D"],
    },
  },
];

/** Lines of an example; no field of these tables is quoted. */
async function linesOf(file: string): Promise<string[][]> {
  const bytes = await readFile(new URL(`../examples/${file}`, import.meta.url));
  const text = (file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString();
  return text
    .trim()
    .split("\n")
    .slice(0, 1500)
    .map((line) => line.split(","));
}

test("on every example and in every scale, codes and raw texts give the same features", async () => {
  for (const { file, target, types, missing = {} } of examples) {
    const [header, ...lines] = await linesOf(file);
    const at = header!.indexOf(target);
    const cleaning = { clean: { missing }, ...(types && { types }) };
    const known = await tableFrom("known.csv", [header!, ...lines], { target, ...cleaning });
    // And what is in no training sample: nothing at all, then numbers and texts that nobody has seen.
    const features = new Map(known.schema.features.map((feature) => [feature.name, feature.kind]));
    const odd = [(kind: string) => (kind === "number" ? "-1e30" : "never seen"), () => "", () => " NA "];
    const rows = [
      ...lines.filter((line) => line[at] !== ""),
      ...odd.map((of) =>
        header!.map((name, column) => (column === at ? lines[0]![at]! : of(features.get(name) ?? ""))),
      ),
    ];
    const asked = await tableFrom("asked.csv", [header!, ...rows], { like: known.schema });
    assert.equal(asked.size, rows.length, file);

    const fitted = await statistics(known);
    const texts = known.schema.features.filter((one) => one.kind === "category" && one.isOrdered !== true);
    const options: EncoderOptions[] = [
      ...numberScales.map((numbers) => ({ numbers })),
      { clip: 2 },
      { numbers: "robust", clip: 0.5 },
      { categories: Object.fromEntries(texts.map(({ name }) => [name, "embedding" as const])) },
    ];
    const encoders = options.map((one) => encoder(fitted, one));
    const body = linear(1);
    const model = await fit({
      data: known,
      model: (row: Row) => {
        const features = concat(encoders.map((encode) => encode(row)));
        return { features, output: body(features) };
      },
      loss: ({ output }) => reshape(square(output), ["batch"]),
      serve: ({ features }) => ({ features }),
      optimizer: adamw({ learningRate: 0.01 }),
      batchSize: 32,
      stop: afterSteps(2),
    });
    const path = join(folder, "features.onnx");
    await model.save(path);
    const saved = await loadModel(path);
    try {
      const raw = Object.fromEntries(header!.map((name, column) => [name, rows.map((row) => row[column]!)]));
      const fromTexts = (await saved.predict(raw)).features!;
      const fromCodes = (await model.predict(asked)).features!;
      assert.deepEqual(fromTexts.shape, fromCodes.shape);
      const wrong = fromTexts.data.findIndex((value, index) => !isSame(value, fromCodes.data[index]));
      assert.equal(wrong, -1, `${file}: ${fromTexts.data[wrong]}, ${fromCodes.data[wrong]} at ${wrong}`);
      assert.ok(
        fromTexts.data.every((value) => Number.isFinite(value)),
        file,
      );
    } finally {
      await saved.close();
    }
  }
});

/** Kernels that take several numbers at once round the last ones of a run otherwise; logarithms differ by their last bit. */
const isSame = (a: unknown, b: unknown) =>
  Math.abs(Number(a) - Number(b)) <= 3e-7 * Math.max(1, Math.abs(Number(a)));

async function tableFrom(
  name: string,
  lines: readonly (readonly string[])[],
  options: Parameters<typeof table>[1],
) {
  const path = join(folder, name);
  await writeFile(path, `${lines.map((line) => line.join(",")).join("\n")}\n`);
  return table(path, options);
}
