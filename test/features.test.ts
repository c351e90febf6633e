/** How a table's columns become features, as the command line is told, and what the saved model then makes of raw rows. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import {
  adamw,
  afterEpochs,
  encoder,
  fit,
  linear,
  mul,
  r2,
  sequence,
  squaredError,
  statistics,
  sub,
} from "../src/index.ts";
import { table as tableOf } from "../src/node.ts";
import { microbatchIn } from "./command-line.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const folder = temporaryFolder();
const microbatch = microbatchIn(folder);
const lastJson = (text: string) => JSON.parse(text.trim().split("\n").at(-1)!);

/** y = x but for a slip of the pen: 200 rows, of which the last has an x of 1e6; and a city out of 130. */
const cities = Array.from({ length: 200 }, (_, index) => `city ${(index * 7) % 130}`);
const rows = cities.map((city, index) => `${index === 199 ? 1e6 : index % 10},${city},${index % 10}`);
const table = ["x,city,y", ...rows].join("\n");
await writeFile(join(folder, "slip.csv"), `${table}\n`);
await writeFile(join(folder, "judge.csv"), `x,city,y\n${rows.slice(0, 50).join("\n")}\n`);
const judged = ["--validation", "judge.csv", "--epochs", "3", "--json"];

async function train(...flags: readonly string[]) {
  const words = ["slip.csv", "--target", "y", "--type", "city=category", ...judged, ...flags];
  const { code, stdout, stderr } = await microbatch("train", ...words);
  assert.equal(code, 0, stderr);
  return { record: lastJson(stdout), stderr };
}

const plain = await train();

describe("--clip-features", () => {
  it("limits numbers inside the model, and says how many rows it changes", async () => {
    const { record, stderr } = await train("--clip-features", "4", "--out", "clipped.onnx");
    assert.match(stderr, /^ {2}limited {3}x 1; beyond 4 deviations from the mean, inside the model$/m);
    assert.deepEqual(record.encoding, { clip: 4, limited: { x: 1 } });
    const asked = ["x,city", "1e6,city 7", "1e30,city 7", ""].join("\n");
    await writeFile(join(folder, "asked.csv"), asked);
    const { stdout } = await microbatch("predict", "clipped.onnx", "asked.csv");
    const [, first, second] = stdout.trim().split("\n");
    assert.equal(first!.split(",").at(-1), second!.split(",").at(-1));
    const { stdout: found } = await microbatch("inspect", "clipped.onnx");
    assert.match(found, /microbatch\.encoder +\{"clip":4,"limited":\{"x":1\}\}/);
  });

  it("says nothing where nothing is limited, and is not there where it was not asked for", async () => {
    const { record, stderr } = await train("--clip-features", "1000");
    assert.doesNotMatch(stderr, /limited/);
    assert.deepEqual(record.encoding, { clip: 1000, limited: {} });
    assert.equal(plain.record.encoding, undefined);
    assert.equal(plain.record.parametersSha256, record.parametersSha256);
  });

  it("is refused where numbers are not measured in deviations", async () => {
    for (const scale of ["min-max", "none"]) {
      const flags = ["--target", "y", "--scale", scale, "--clip-features", "4"];
      const { code, stderr } = await microbatch("train", "slip.csv", ...flags);
      assert.equal(code, 2);
      assert.equal(
        stderr.trim(),
        `--clip-features: expected numbers that are measured in deviations, got --scale ${scale}. Fix: leave one of them out`,
      );
    }
  });
});

describe("--scale and --categories", () => {
  it("make other models, each of which is recorded as it was asked for", async () => {
    const log = await train("--scale", "log");
    assert.deepEqual(log.record.encoding, { numbers: "log", limited: {} });
    assert.notEqual(log.record.parametersSha256, plain.record.parametersSha256);
    const robust = await train("--scale", "robust", "--clip-features", "3");
    assert.match(robust.stderr, /x 1; beyond 3 interquartile ranges from the median/);
  });

  it("give columns of many categories trained vectors, which raw rows find", async () => {
    const { record } = await train("--categories", "embedding", "--out", "embedded.onnx");
    assert.deepEqual(record.encoding, { categories: "embedding", limited: {} });
    // 70 of the 130 cities come twice: 72 vectors of ⌈1.6 · 70^0.56⌉ = 18 numbers, and 18 inputs instead of 100.
    assert.equal(record.parameters - plain.record.parameters, 72 * 18 + (18 - 100) * 64);
    await writeFile(join(folder, "cities.csv"), "x,city\n1,city 7\n1,never seen\n1,\n1,city 7\n");
    const { code, stdout, stderr } = await microbatch("predict", "embedded.onnx", "cities.csv");
    assert.equal(code, 0, stderr);
    const values = stdout
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => Number(line.split(",").at(-1)));
    assert.ok(values.every(Number.isFinite));
    assert.equal(values[0], values[3]);
    assert.equal(new Set(values).size, 3);
  });
});

describe("--fill and --without-indicator", () => {
  const gaps = Array.from(
    { length: 60 },
    (_, row) =>
      `${row % 4 === 0 ? "" : row % 7},${row % 5 === 0 ? "?" : "ab"[row % 2]},${row % 3},${row % 11}`,
  );

  it("say what stands in for missing values, and the words, the record and the file tell it", async () => {
    await writeFile(join(folder, "gaps.csv"), `x,city,kind,y\n${gaps.join("\n")}\n`);
    const flags = ["--target", "y", "--epochs", "2", "--fill", "x=7", "--fill", "city=not told"];
    const of = async (...more: readonly string[]) => {
      const words = [
        "gaps.csv",
        ...flags,
        "--type",
        "kind=category",
        "--out",
        "gaps.onnx",
        "--json",
        ...more,
      ];
      const { code, stdout, stderr } = await microbatch("train", ...words);
      assert.equal(code, 0, stderr);
      return { record: lastJson(stdout), stderr };
    };
    const marked = await of();
    assert.match(
      marked.stderr,
      /^ {2}missing {3}x 15 \(7\), city 12 \(not told\); filled inside the model$/m,
    );
    const { stdout: found } = await microbatch("inspect", "gaps.onnx");
    assert.match(found, /^ {2}x .* missing, filled with 7$/m);
    assert.match(found, /^ {2}city .*a, b, not told; \d+ missing, filled with not told$/m);
    const unmarked = await of("--without-indicator", "x");
    assert.notEqual(unmarked.record.parametersSha256, marked.record.parametersSha256);
    assert.equal(marked.record.parameters - unmarked.record.parameters, 64); // of the first hidden layer
    // What stands in for nothing gives what nothing gives, where no indicator tells them apart.
    await writeFile(join(folder, "asked.csv"), "x,city,kind\n7,not told,1\n,,1\nNA,?,1\n6,a,1\n");
    const { stdout } = await microbatch("predict", "gaps.onnx", "asked.csv");
    const values = stdout
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => Number(line.split(",").at(-1)));
    assert.deepEqual(values.slice(1, 3), [values[0], values[0]]);
    assert.notEqual(values[3], values[0]);
  });

  it("end in one line where they say what cannot be", async () => {
    for (const [flags, message] of [
      [
        ["--fill", "kind=x"],
        /^gaps\.csv, --fill, "kind": expected fill to be "mean", .*Fix: for example --fill "kind=median"$/,
      ],
      [["--without-indicator", "x"], /^--without-indicator: expected columns that --fill fills, got "x"/],
      [["--fill", "x="], /Expected a column and what fills it/],
    ] as const) {
      const { code, stderr } = await microbatch("train", "gaps.csv", "--target", "y", ...flags);
      assert.equal(code, 2, stderr);
      assert.match(stderr.trim(), message);
    }
  });
});

describe("an embedding", () => {
  it("tells three hundred categories apart, of which one-hot columns know a hundred", async () => {
    const path = join(folder, "effects.csv");
    const effects = Array.from(
      { length: 2400 },
      (_, index) => `c${index % 300},${((index % 300) * 37) % 101}`,
    );
    await writeFile(path, `city,y\n${effects.join("\n")}\n`);
    const data = await tableOf(path, { target: "y" });
    const fitted = await statistics(data);
    const [y] = fitted.targets;
    assert.ok(y?.task === "regression");
    const explained = async (categories: "oneHot" | "embedding") => {
      const body = sequence(encoder(fitted, { categories, embeddingSizes: { city: 8 } }), linear(1));
      const model = await fit({
        data,
        model: (row) => body(row),
        loss: (predicted, row) => squaredError(predicted, mul(sub(row.y!, y.mean), 1 / y.deviation)),
        optimizer: adamw({ learningRate: 0.05 }),
        batchSize: 50,
        microbatchSize: 25,
        stop: afterEpochs(6),
        validation: {
          data,
          metrics: { r2: (predicted, row) => r2(predicted, mul(sub(row.y!, y.mean), 1 / y.deviation)) },
        },
      });
      return (await model.evaluate(data)).r2!;
    };
    const [oneHot, embedded] = [await explained("oneHot"), await explained("embedding")];
    // A third of the cities are all that one-hot columns can tell.
    assert.ok(oneHot < 0.45 && embedded > 0.95, `${oneHot}, ${embedded}`);
  });
});
