/** A column of dates from the file to the saved model: training reads its parts, the saved model its texts. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import {
  adamw,
  afterEpochs,
  concat,
  encoder,
  fit,
  linear,
  relu,
  sequence,
  squaredError,
  statistics,
} from "../src/index.ts";
import { loadModel, table } from "../src/node.ts";
import { microbatchIn } from "./command-line.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const folder = temporaryFolder();
const microbatch = microbatchIn(folder);

/** Rides of every sixth hour of two years: more on working days at noon, more in summer; one time in nine is not known. */
const rides = Array.from({ length: 1200 }, (_, index) => {
  const time = new Date(Date.UTC(2022, 0, 1, 0, index * 875));
  const isFree = time.getUTCDay() === 0 || time.getUTCDay() === 6;
  const count =
    (isFree ? 2 : 5) - 2 * Math.cos((2 * Math.PI * time.getUTCMonth()) / 12) + time.getUTCHours() / 12;
  const text = time.toISOString().replace(".000", "");
  const shown = [text, text.slice(0, 16).replace("T", " "), text.replace("Z", "+00:00")][index % 3]!;
  return { when: index % 9 === 4 ? "" : shown, count };
});
const path = join(folder, "rides.csv");
await writeFile(path, `when,count\n${rides.map(({ when, count }) => `${when},${count}`).join("\n")}\n`);

describe("dates", () => {
  it("are learnt from by their parts, and a saved model finds the same parts in its texts", async () => {
    const data = await table(path, { target: "count" });
    const { training, validation } = data.split({ validation: 0.25, seed: 1 });
    const features = encoder(await statistics(training));
    const body = sequence(linear(32), relu, linear(1));
    const model = await fit({
      data: training,
      model: (row) => ({ features: features(row), output: body(features(row)) }),
      loss: ({ output }, row) => squaredError(output, row.count!),
      serve: ({ features, output }) => ({ row: concat([features, output]) }),
      optimizer: adamw({ learningRate: 0.02 }),
      batchSize: 64,
      stop: afterEpochs(20),
      validation: { data: validation },
    });
    // Knowing nothing has the variance, 4.5 or so; of one row in nine nothing is known.
    const { loss } = await model.evaluate(validation);
    assert.ok(loss! < 1, String(loss));
    const file = join(folder, "rides.onnx");
    await model.save(file);
    const saved = await loadModel(file);
    try {
      assert.deepEqual(
        saved.summary.inputs.map(({ name, dtype, shape }) => [name, dtype, shape.length]),
        [["when", "string", 1]],
      );
      const fromTexts = (await saved.predict({ when: rides.map(({ when }) => when) })).row!;
      const fromParts = (await model.predict(data)).row!;
      assert.deepEqual(fromTexts.shape, fromParts.shape);
      // Kernels that take several numbers at once round the last ones of a run otherwise.
      fromTexts.data.forEach((value, at) => {
        const other = Number(fromParts.data[at]);
        assert.ok(
          Math.abs(Number(value) - other) <= 1e-5 * Math.max(1, Math.abs(other)),
          `${at}: ${value}, ${other}`,
        );
      });
      const asked = await saved.predict({ when: [" 2024-02-29 ", null, undefined, "n/a", "?"] });
      const width = asked.row!.shape[1]!;
      const [, ...missing] = Array.from({ length: 5 }, (_, row) =>
        asked.row!.data.slice(row * width, (row + 1) * width),
      );
      for (const row of missing) assert.deepEqual(row, missing[0]);
      await assert.rejects(saved.predict({ when: ["2024-02-29", "2024-02-30"] }, "asked"), {
        message:
          'asked, column "when", row 1: expected a date as 2024-03-05, 2024-03-05 14:30 or 2024-03-05T14:30:00Z, or nothing ' +
          'where it is missing, got "2024-02-30". Fix: correct the value, or leave it empty',
      });
    } finally {
      await saved.close();
    }
  });

  it("are told on the command line: in training, in what a file holds, and where one is wrong", async () => {
    const train = [
      "rides.csv",
      "--target",
      "count",
      "--task",
      "regression",
      "--epochs",
      "2",
      "--out",
      "cli.onnx",
    ];
    const { code, stderr } = await microbatch("train", ...train);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^ {2}features {2}1 date column$/m);
    assert.match(stderr, /^ {2}missing {3}when 133; filled inside the model$/m);
    const { stdout: found } = await microbatch("inspect", "cli.onnx");
    assert.match(
      found,
      /^ {2}when +date {6}from 2022-01-\d\d to 2023-12-\d\d, as year, month, day, weekday, hour, minute, elapsed; \d+ missing$/m,
    );
    await writeFile(join(folder, "asked.csv"), "when,note\n2024-05-01 12:00,a\n,b\n2024-05-01T12:00Z,c\n");
    const { stdout } = await microbatch("predict", "cli.onnx", "asked.csv");
    const [first, second, third] = stdout
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => Number(line.split(",").at(-1)));
    assert.ok(Number.isFinite(first) && Number.isFinite(second));
    assert.equal(first, third);
    assert.notEqual(first, second);
    const { code: judged, stdout: judgement } = await microbatch("evaluate", "cli.onnx", "rides.csv");
    assert.equal(judged, 0, judgement);
    await writeFile(join(folder, "wrong.csv"), "when\n2024-05-01\n01.05.2024\n");
    const wrong = await microbatch("predict", "cli.onnx", "wrong.csv");
    assert.equal(wrong.code, 2);
    assert.equal(
      wrong.stderr.trim(),
      'wrong.csv, line 3, column "when": expected a date as 2024-03-05, 2024-03-05 14:30 or 2024-03-05T14:30:00Z, ' +
        'got "01.05.2024". Fix: correct the value, or leave it empty if it is missing',
    );
    const text = await microbatch("train", ...train, "--type", "when=category");
    assert.equal(text.code, 0, text.stderr);
    assert.match(text.stderr, /^ {2}features {2}1 category column$/m);
  });
});
