/** From a file to a saved model: what training saw, the file that people call sees too. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  adamw,
  afterEpochs,
  crossEntropy,
  encoder,
  fit,
  linear,
  relu,
  sequence,
  statistics,
} from "../src/index.ts";
import { table } from "../src/node.ts";
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
