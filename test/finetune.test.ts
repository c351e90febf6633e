/** Models on the command line, trained on: those that train has saved, and those of other people; and what inspect says of them. */
import assert from "node:assert/strict";
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { sha256 } from "../src/array/sha256.ts";
import { type Trainable, trainableLines, trainableOf, trainableTitle } from "../src/cli/trainable.ts";
import { decodeOnnx } from "../src/onnx/graph.ts";
import { microbatchIn, microbatchInOneProcess } from "./command-line.ts";
import { type ForeignModel, foreignModel, stored } from "./foreign-model.ts";
import { testWith, textReaders } from "./real-data/installed.ts";
import { seeded } from "./reference/draw.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const folder = temporaryFolder();
const microbatch = microbatchIn(folder);
const penguins = fileURLToPath(new URL("../examples/penguins/penguins.csv", import.meta.url));

/** Numbers as somebody else may have trained them. */
function drawn(shape: readonly number[], seed: number) {
  const random = seeded(seed);
  return stored(
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random() - 0.5),
    shape,
  );
}

/** Three numbers, eight hidden units, probabilities of two classes. */
const plain: ForeignModel = {
  inputs: { x: ["N", 3] },
  outputs: { p: ["N", 2] },
  stored: { w1: drawn([3, 8], 1), b1: drawn([8], 2), w2: drawn([8, 2], 3), b2: drawn([2], 4) },
  nodes: [
    ["MatMul", ["x", "w1"], ["h"]],
    ["Add", ["h", "b1"], ["a"]],
    ["Relu", ["a"], ["features"]],
    ["Gemm", ["features", "w2", "b2"], ["z"]],
    ["Softmax", ["z"], ["p"]],
  ],
};

/** A map of 2 channels, its mean, and 3 outputs. */
const pictures: ForeignModel = {
  inputs: { image: ["N", 8, 8, 1] },
  outputs: { scores: ["N", 3] },
  stored: { kernel: drawn([2, 1, 3, 3], 5), fc: drawn([2, 3], 6) },
  nodes: [
    ["Transpose", ["image"], ["first"], { perm: [0, 3, 1, 2] }],
    ["Conv", ["first", "kernel"], ["map"]],
    ["Relu", ["map"], ["active"]],
    ["GlobalAveragePool", ["active"], ["mean"]],
    ["Flatten", ["mean"], ["pooled"]],
    ["MatMul", ["pooled", "fc"], ["scores"]],
  ],
};

before(async () => {
  const [header, ...rows] = (await readFile(penguins, "utf8")).trim().split("\n");
  const others = rows.filter((_, at) => at % 2 === 0);
  const file = (name: string, content: string | Uint8Array) => writeFile(join(folder, name), content);
  await file("others.csv", `${[header, ...others].join("\n")}\n`);
  const sized = rows.map((row) => `${row},${Number(row.split(",")[5]) > 4200 ? "large" : "small"}`);
  await file("sized.csv", `${[`${header},size`, ...sized].join("\n")}\n`);
  await file(
    "sized-test.csv",
    `${[`${header},size`, ...sized.filter((_, at) => at % 3 === 0)].join("\n")}\n`,
  );
  await file("all.csv", `${[header, ...rows].join("\n")}\n`);
  const random = seeded(9);
  const line = () => {
    const [a, b, c] = [random(), random(), random()];
    return `${a},${b},${c},${a + b > c + 0.5 ? "yes" : "no"}`;
  };
  await file("numbers.csv", `a,b,c,answer\n${Array.from({ length: 200 }, line).join("\n")}\n`);
  await file(
    "wide.csv",
    `a,b,answer\n${Array.from({ length: 40 }, () => line().split(",").toSpliced(2, 1)).join("\n")}\n`,
  );
  await file(
    "words.csv",
    `a,b,c,answer\n${Array.from({ length: 40 }, (_, at) =>
      line()
        .split(",")
        .with(1, at % 3 === 0 ? "red" : "blue"),
    ).join("\n")}\n`,
  );
  const dated = (index: number) => {
    const [month, size, x] = [1 + (index % 12), ["S", "M", "L"][index % 3], random()];
    const when = `2024-${String(month).padStart(2, "0")}-${10 + (index % 19)}`;
    return `${when},${size},city${index % 110},${index % 50 === 7 ? "" : x},${x + (month > 6 ? 0.3 : 0) > 0.6 ? "yes" : "no"}`;
  };
  for (const name of ["dated.csv", "dated-test.csv"]) {
    await file(
      name,
      `sold,size,city,x,y\n${Array.from({ length: 440 }, (_, index) => dated(index)).join("\n")}\n`,
    );
  }
  await file("plain.onnx", foreignModel(plain));
  await file("pictures.onnx", foreignModel(pictures));
  await file("nonsense.onnx", "I am no model");
  await file(
    "alone.onnx",
    foreignModel({ ...plain, nodes: [...plain.nodes.slice(0, 4), ["com.other.Magic", ["z"], ["p"]]] }),
  );
  for (const [index, name] of ["bright", "dark"].entries()) {
    await mkdir(join(folder, "images", name), { recursive: true });
    for (let picture = 0; picture < 24; picture++) {
      const pixels = Uint8Array.from({ length: 64 }, () => 90 * index + 160 * random());
      const path = join(folder, "images", name, `${picture}.png`);
      await sharp(pixels, { raw: { width: 8, height: 8, channels: 1 } })
        .png()
        .toFile(path);
    }
  }
  await done("train", "others.csv", "--target", "species", "--epochs", "8", "--out", "penguins.onnx");
});

before(() => done("train", "images", "--image-size", "8", "--epochs", "2", "--out", "images.onnx"));
before(() =>
  done(
    "train",
    "dated.csv",
    "--target",
    "y",
    "--categories",
    "embedding",
    "--epochs",
    "1",
    "--out",
    "vectors.onnx",
  ),
);

before(async () => {
  const note = (at: number) =>
    `${at % 2 === 0 ? "good and cheap" : "bad and dear"} thing ${at},${at % 7},${at % 2 === 0 ? "yes" : "no"}`;
  await writeFile(
    join(folder, "notes.csv"),
    `note,x,y\n${Array.from({ length: 80 }, (_, at) => note(at)).join("\n")}\n`,
  );
  await done(
    "train",
    "notes.csv",
    "--target",
    "y",
    "--type",
    "note=text",
    "--epochs",
    "1",
    "--out",
    "notes.onnx",
  );
});

async function done(...words: readonly string[]) {
  const { code, stdout, stderr } = await microbatch(...words);
  assert.equal(code, 0, `${words.join(" ")}\n${stderr}`);
  return { stdout, stderr };
}

/** The record of a run that --json prints, and what people read. */
async function finetune(...words: readonly string[]) {
  const { stdout, stderr } = await done("finetune", ...words, "--json");
  return { record: JSON.parse(stdout.trim().split("\n").at(-1)!), story: stderr };
}

/** What a file holds, by name. */
async function heldIn(file: string): Promise<ReadonlyMap<string, string>> {
  const { initializers } = decodeOnnx(await readFile(join(folder, file)));
  return new Map([...initializers].map(([name, { data }]) => [name, data.join()]));
}

describe("a model that train has saved", () => {
  test("goes on with its own head on another table, and beats itself", async () => {
    const { record, story } = await finetune(
      "penguins.onnx",
      "all.csv",
      "--epochs",
      "30",
      "--out",
      "on.onnx",
    );
    assert.ok(record.validation.loss < record.baseline.loss);
    assert.match(story, /^ {2}head {6}its own: "gemm_3", from node "gemm_3:Gemm" \(Gemm\) on$/m);
    assert.match(
      story,
      /^ {2}trained {3}the head alone \(\d+ numbers\); [\d,]+ numbers in 4 weights stay as they are$/m,
    );
    assert.match(story, /against [\d.]+ \(the file as it came\)\./);
    const [was, is] = [await heldIn("penguins.onnx"), await heldIn("on.onnx")];
    for (const name of ["linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias"]) {
      assert.equal(is.get(name), was.get(name), `${name} is frozen`);
    }
    assert.notEqual(is.get("output.weight"), was.get("output.weight"));
  });

  test("is judged, predicted with, inspected and trained on like any other afterwards", async () => {
    await finetune("penguins.onnx", "all.csv", "--epochs", "2", "--train", "*", "--out", "first.onnx");
    const { record } = await finetune(
      "first.onnx",
      "all.csv",
      "--epochs",
      "2",
      "--train",
      "linear2.*",
      "--out",
      "second.onnx",
    );
    const { stdout } = await done("evaluate", "second.onnx", "all.csv", "--json");
    assert.ok(JSON.parse(stdout).metrics.logLoss < 1.2 * record.baseline.loss);
    const { stdout: predicted } = await done("predict", "second.onnx", "all.csv");
    assert.match(predicted, /^species,.*,prediction,probability of Adelie,/);
    const { stdout: inspected } = await done("inspect", "second.onnx", "--json");
    const { trainable, inputs, finetuned } = JSON.parse(inspected);
    assert.deepEqual(finetuned, record.finetuned);
    assert.equal(finetuned.model.sha256, await sha256(await readFile(join(folder, "first.onnx"))));
    assert.match(
      (await done("inspect", "second.onnx")).stdout,
      /^ {2}begun with first\.onnx, sha256 [0-9a-f]{16}…$/m,
    );
    assert.equal(trainable.weights.length, 6);
    assert.deepEqual(trainable.blocked, []);
    const { stdout: original } = await done("inspect", "penguins.onnx", "--json");
    assert.deepEqual(inputs, JSON.parse(original).inputs, "its columns are encoded as before");
  });

  test("gets a new head for a target that it did not have", async () => {
    const { record, story } = await finetune(
      "penguins.onnx",
      "sized.csv",
      "--target",
      "size",
      "--epochs",
      "40",
      "--test",
      "sized-test.csv",
      "--out",
      "sized.onnx",
    );
    assert.match(
      story,
      /^ {2}head {6}new: 1 output of "relu_2", 64 numbers in front of node "gemm_3:Gemm" \(Gemm\)$/m,
    );
    // Features that were made for another target tell this one in part.
    assert.ok(record.validation.accuracy > 0.8, `accuracy ${record.validation.accuracy}`);
    const { stdout } = await done("predict", "sized.onnx", "sized.csv");
    assert.match(stdout.split("\n")[0]!, /prediction,probability of large,probability of small$/);
    const { stdout: again } = await done("evaluate", "sized.onnx", "sized-test.csv", "--json");
    const { metrics } = JSON.parse(again);
    assert.equal(metrics.accuracy, record.test.accuracy, "raw rows give what the table's codes gave");
    assert.ok(Math.abs(metrics.logLoss - record.test.logLoss) < 1e-5); // probabilities are rounded to float32
  });

  test("tells fewer of its classes apart by a new head alone, and of what categories it has not seen", async () => {
    const [header, ...rows] = (await readFile(penguins, "utf8")).trim().split("\n");
    const two = rows
      .filter((row) => !row.startsWith("Gentoo"))
      .map((row) => row.replace(",Torgersen,", ",Mars,"));
    await writeFile(join(folder, "two.csv"), `${[header, ...two].join("\n")}\n`);
    const refused = await microbatch("finetune", "penguins.onnx", "two.csv");
    assert.equal(
      refused.stderr.trim(),
      'target "species": expected rows of every class to train on, got none of "Gentoo". ' +
        "Fix: add rows of that class, remove those there are, or take another --seed, or --head new",
    );
    const words = ["penguins.onnx", "two.csv", "--head", "new", "--epochs", "2", "--out", "two.onnx"];
    const { story } = await finetune(...words);
    assert.match(story, /^ {2}target {4}species, one of Adelie, Chinstrap$/m);
    assert.match(
      story,
      /^ {2}beware {4}column "island": 52 rows with a category that penguins\.onnx does not know$/m,
    );
    assert.match(story, /always Adelie/);
  });

  test("with dates, ranks, scales of its own and missing numbers is encoded as before", async () => {
    const chosen = ["--type", "size=S<M<L", "--scale", "robust", "--clip-features", "3"];
    await done("train", "dated.csv", "--target", "y", ...chosen, "--epochs", "3", "--out", "dated.onnx");
    const words = ["dated.onnx", "dated.csv", "--train", "*", "--test", "dated-test.csv", "--epochs", "3"];
    const { record } = await finetune(...words, "--out", "dated2.onnx");
    const { stdout } = await done("evaluate", "dated2.onnx", "dated-test.csv", "--json");
    const { metrics } = JSON.parse(stdout);
    assert.equal(metrics.accuracy, record.test.accuracy);
    assert.ok(Math.abs(metrics.logLoss - record.test.logLoss) < 1e-5); // probabilities are rounded to float32
    const again = await finetune(
      "dated2.onnx",
      "dated.csv",
      "--test",
      "dated-test.csv",
      "--epochs",
      "1",
      "--out",
      "dated3.onnx",
    );
    assert.equal(again.record.testBaseline.accuracy, metrics.accuracy, "it begins as it was saved");
  });

  test("of one layer gets a new head on its encoded columns", async () => {
    await done(
      "train",
      "others.csv",
      "--target",
      "species",
      "--hidden",
      "none",
      "--epochs",
      "2",
      "--out",
      "linear.onnx",
    );
    const words = ["linear.onnx", "sized.csv", "--target", "size", "--epochs", "20", "--out", "linear2.onnx"];
    const { record, story } = await finetune(...words);
    assert.match(
      story,
      /head {6}new: 1 output of "concat_3", \d+ numbers in front of node "gemm:Gemm" \(Gemm\)\n {2}trained {3}the head alone$/m,
    );
    assert.ok(record.validation.accuracy > record.baseline.accuracy);
    await done("predict", "linear2.onnx", "sized.csv");
  });

  test("learns changes of low rank, which leave no trace but other numbers", async () => {
    await finetune("penguins.onnx", "all.csv", "--lora", "2", "--epochs", "2", "--out", "lora.onnx");
    const [was, is] = [await heldIn("penguins.onnx"), await heldIn("lora.onnx")];
    const names = (held: ReadonlyMap<string, string>) =>
      [...held.keys()].filter((name) => name.includes(".")).toSorted();
    assert.deepEqual(names(is), names(was));
    assert.notEqual(is.get("linear1.weight"), was.get("linear1.weight"));
    assert.equal(is.get("linear1.bias"), was.get("linear1.bias"));
  });

  test("predicts a number anew", async () => {
    const mass = ["--target", "body_mass_g"];
    await done("train", "others.csv", ...mass, "--epochs", "8", "--out", "mass.onnx");
    const kept = await finetune("mass.onnx", "all.csv", "--epochs", "10", "--out", "mass2.onnx");
    assert.ok(kept.record.validation.rmse < kept.record.baseline.rmse);
    assert.match(kept.story, /rmse [\d.,]+ against [\d.,]+ \(the file as it came\)/);
    const { stdout } = await done("evaluate", "mass2.onnx", "all.csv", "--json");
    assert.ok(JSON.parse(stdout).metrics.rmse < kept.record.baseline.rmse);
  });

  test("of images takes other classes, from bytes as before", async () => {
    await copyFolder("images", "renamed", { bright: "day", dark: "night" });
    const { record, story } = await finetune(
      "images.onnx",
      "renamed",
      "--epochs",
      "10",
      "--out",
      "renamed.onnx",
    );
    assert.match(story, /head {6}new: 1 output of "\w+", \d+ numbers/);
    assert.match(story, /images {4}made 8 × 8, in colour, as bytes$/m);
    assert.ok(record.validation.accuracy > 0.9, `accuracy ${record.validation.accuracy}`);
    const { stdout } = await done("predict", "renamed.onnx", "renamed");
    assert.match(stdout, /^file,prediction,probability of day,probability of night\nday\//);
  });
});

async function copyFolder(from: string, to: string, names: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, other] of Object.entries(names)) {
    await mkdir(join(folder, to, other), { recursive: true });
    for (const file of await readdir(join(folder, from, name)))
      await copyFile(join(folder, from, name, file), join(folder, to, other, file));
  }
}

describe("a model of somebody else", () => {
  test("of numbers takes a table's columns in order, and its saved file takes them by name", async () => {
    const words = [
      "plain.onnx",
      "numbers.csv",
      "--target",
      "answer",
      "--train",
      "*",
      "--learning-rate",
      "0.03",
    ];
    const { record, story } = await finetune(...words, "--epochs", "40", "--out", "numbers.onnx");
    assert.match(
      story,
      /features {2}3 columns as "x", in this order: a, b, c; missing ones are the training samples' mean/,
    );
    assert.ok(record.validation.accuracy > record.baseline.accuracy && record.validation.accuracy > 0.9);
    const { stdout } = await done("evaluate", "numbers.onnx", "numbers.csv", "--json");
    assert.ok(JSON.parse(stdout).metrics.accuracy > 0.9);
    const next = await finetune("numbers.onnx", "numbers.csv", "--epochs", "1", "--out", "next.onnx");
    assert.ok(next.record.baseline.accuracy > 0.9, "as it came it knows what it has learnt");
  });

  test("of pictures is fed [N, height, width, channels] where it takes that, with other classes by a new head", async () => {
    const words = [
      "pictures.onnx",
      "images",
      "--pixels",
      "-1..1",
      "--train",
      "kernel",
      "--learning-rate",
      "0.05",
    ];
    const { record, story } = await finetune(...words, "--epochs", "20", "--out", "pictures2.onnx");
    assert.match(story, /images {4}made 8 × 8, grey, pixels as −1 to 1 \(--pixels -1\.\.1\)$/m);
    assert.match(
      story,
      /head {6}new: 1 output of "pooled", 2 numbers in front of node "scores" \(MatMul\)$/m,
    );
    assert.ok(record.validation.accuracy > 0.9, `accuracy ${record.validation.accuracy}`);
    assert.match(
      (await done("predict", "pictures2.onnx", "images")).stdout,
      /^file,prediction,probability of bright,/,
    );
    assert.match((await done("inspect", "pictures2.onnx")).stdout, /image +uint8 +\[batch, 1, 8, 8\]/);
  });

  test("whose end nobody knows is cut in front of it", async () => {
    const { story } = await finetune(
      "alone.onnx",
      "numbers.csv",
      "--target",
      "answer",
      "--features",
      "features",
      "--epochs",
      "3",
      "--out",
      "cut.onnx",
    );
    assert.match(story, /head {6}new: 1 output of "features", 8 numbers$/m);
    await done("predict", "cut.onnx", "numbers.csv");
  });

  testWith(textReaders, "that was made for lines of text tells other pictures apart", async () => {
    const file = join(textReaders.folder, "ch_ppocr_mobile_v2.0_cls_infer.onnx");
    const { record, story } = await finetune(
      file,
      "images",
      "--image-size",
      "48",
      "--pixels",
      "-1..1",
      "--epochs",
      "15",
      "--train",
      "*",
      "--out",
      "reader.onnx",
    );
    assert.match(story, /head {6}its own: "p2o\.Add\.\d+", from node "p2o\.MatMul\.\d+" \(MatMul\) on$/m);
    assert.ok(record.validation.loss < record.baseline.loss);
    const { stdout } = await done("inspect", file, "--json");
    const { trainable } = JSON.parse(stdout);
    assert.deepEqual([trainable.weights.length, trainable.count, trainable.blocked], [143, 129356, []]);
    assert.deepEqual(trainable.taken, { x: ["batch", 3, 224, 224] });
  });
});

describe("inspect", () => {
  const inspected = async (model: ForeignModel) => {
    const path = join(folder, "inspected.onnx");
    await writeFile(path, foreignModel(model));
    const found = await trainableOf(path);
    const names = ({ weights }: Pick<Trainable, "weights">) => weights.map(({ name }) => name);
    return {
      lines: [trainableTitle(found), ...trainableLines(found)].join("\n"),
      trained: names(found),
      blocked: found.blocked.map((group) => [group.reason, ...names(group)]),
    };
  };

  test("says that all of a file could be trained", async () => {
    const { lines, trained, blocked } = await inspected(plain);
    assert.deepEqual([trained, blocked], [["w1", "b1", "w2", "b2"], []]);
    assert.match(
      lines,
      /^could be trained: 50 numbers, in 4 weights\n {2}w1 \[3, 8\], b1 \[8\], w2 \[8, 2\], b2 \[2\]$/m,
    );
  });

  test("groups what is blocked by what blocks it", async () => {
    const { lines, trained, blocked } = await inspected({
      ...plain,
      inputs: { x: ["N", 3] },
      stored: { ...plain.stored, spare: drawn([2, 2], 8), gate: drawn([8], 7) },
      nodes: [
        ["MatMul", ["x", "w1"], ["h"]],
        ["Add", ["h", "b1"], ["a"]],
        ["Round", ["a"], ["whole"]],
        ["Mul", ["whole", "gate"], ["features"]],
        ["Gemm", ["features", "w2", "b2"], ["z"]],
        ["Softmax", ["z"], ["p"]],
        ["Mul", ["p", "spare"], ["unread"]],
      ],
    });
    assert.deepEqual(trained, ["w2", "b2", "gate"]);
    assert.deepEqual(blocked, [
      ["behind Round, which has no gradient", "w1", "b1"],
      ["no output depends on it", "spare"],
    ]);
    assert.match(lines, /^could be trained: 26 of 62 numbers, in 3 weights$/m);
    assert.match(
      lines,
      /^ {2}not 32 numbers in 2, behind Round, which has no gradient: w1 \[3, 8\], b1 \[8\]$/m,
    );
  });

  test("names operators that are not known, and trains for the outputs in front of them", async () => {
    const magic: ForeignModel = {
      ...plain,
      nodes: [...plain.nodes.slice(0, 4), ["com.other.Magic", ["z"], ["p"]]],
    };
    const reason = 'beside com.other.Magic, not known here, at node "p" (com.other.Magic)';
    const none = await inspected(magic);
    assert.deepEqual([none.trained, none.blocked], [[], [[reason, "w1", "b1", "w2", "b2"]]]);
    const some = await inspected({ ...magic, outputs: { features: ["N", 8], p: ["N", 2] } });
    assert.deepEqual([some.trained, some.blocked], [["w1", "b1"], [[reason, "w2", "b2"]]]);
  });

  test("tells control flow and quantized weights", async () => {
    const { blocked } = await inspected({
      ...plain,
      dtypes: { codes: "uint8" },
      stored: { ...plain.stored, codes: { dtype: "uint8", shape: [8, 2], data: new Uint8Array(16) } },
      nodes: [...plain.nodes.slice(0, 4), ["Loop", ["z", "codes"], ["p"]]],
    });
    assert.deepEqual(blocked, [
      ['beside Loop, not known here (control flow), at node "p" (Loop)', "w1", "b1", "w2", "b2"],
      ["whole numbers (uint8) have no gradient", "codes"],
    ]);
  });

  test("sees small weights that are computed with each other before anything is fed", async () => {
    const { trained, blocked } = await inspected({
      ...plain,
      stored: { ...plain.stored, flat: drawn([16], 3) },
      nodes: [
        ...plain.nodes.slice(0, 3),
        ["Constant", [], ["size"], { value: { dtype: "int64", shape: [2], data: BigInt64Array.of(8n, 2n) } }],
        ["Reshape", ["flat", "size"], ["w"]],
        ["Gemm", ["features", "w", "b2"], ["z"]],
        ["Softmax", ["z"], ["p"]],
      ],
    });
    assert.deepEqual([trained, blocked], [["w1", "b1", "b2", "flat"], []]);
  });
});

const wrong: readonly (readonly [readonly string[], RegExp])[] = [
  [[], /missing required argument 'model'/],
  [["penguins.onnx"], /missing required argument 'data'/],
  [["nowhere.onnx", "all.csv"], /^read nowhere\.onnx: expected a file, got nothing of that name\./],
  [["nonsense.onnx", "all.csv"], /^nonsense\.onnx: expected an ONNX file, got \d+ bytes that are none/],
  [["penguins.onnx", "nowhere.csv"], /^read nowhere\.csv: expected a file/],
  [
    ["penguins.onnx", "all.csv", "--out", "penguins.onnx"],
    /^--out: expected another file than those that are read, got penguins\.onnx\./,
  ],
  [["penguins.onnx", "all.csv", "--head", "old"], /Allowed choices are new, keep\./],
  [["penguins.onnx", "all.csv", "--lora", "0"], /Expected a whole number from 1 to 4096\./],
  [
    ["penguins.onnx", "all.csv", "--lora", "65"],
    /^--lora: expected a rank of at most that of a matrix in penguins\.onnx, got 65\. Fix: for example --lora 4$/m,
  ],
  [
    ["penguins.onnx", "all.csv", "--train", "conv*"],
    /^--train: expected a pattern of weights of penguins\.onnx that can be trained, got "conv\*", which matches none\. Fix: those in front of the head are linear1\.weight, /m,
  ],
  [
    ["penguins.onnx", "all.csv", "--features", "relu_9"],
    /^penguins\.onnx, outputs: expected a list of different names .*got "relu_9"\. Fix: those called most like it are relu/m,
  ],
  [
    ["penguins.onnx", "all.csv", "--features", "relu", "--head", "keep"],
    /^--features: expected a new head, which reads them, got --head keep\. Fix: leave one of them out$/m,
  ],
  [
    ["penguins.onnx", "sized.csv", "--target", "size", "--head", "keep"],
    /^--head keep: expected a head for size, of 1 or 2, got penguins\.onnx with 3 outputs, or other classes\. Fix: leave it out: a new head is put on$/m,
  ],
  [
    ["penguins.onnx", "all.csv", "--target", "sex"],
    /^--target: expected a column that the model does not read, got "sex", one of its features\./m,
  ],
  [
    ["penguins.onnx", "all.csv", "--target", "a", "--target", "b"],
    /^--target: expected one column to predict, got a, b\. Fix: microbatch finetune penguins\.onnx all\.csv --target <column>$/m,
  ],
  [
    ["penguins.onnx", "all.csv", "--ignore", "sex"],
    /^--ignore: expected a model that says nothing of its columns, got one that a table made, .*Fix: leave --ignore out$/m,
  ],
  [
    ["penguins.onnx", "all.csv", "--pixels", "0..1"],
    /^--pixels: expected a folder of images, got all\.csv\. Fix: leave --pixels out$/m,
  ],
  [
    ["penguins.onnx", "images"],
    /^penguins\.onnx: expected an image as input: \[N, channels, height, width\] or/m,
  ],
  [["plain.onnx", "numbers.csv"], /^--target: expected one column to predict, got none\./m],
  [
    ["plain.onnx", "wide.csv", "--target", "answer"],
    /^plain\.onnx: expected a table of 3 columns of numbers beside the target, for "x" \[N, 3\], got 2: a, b\. Fix: add columns/m,
  ],
  [
    ["plain.onnx", "words.csv", "--target", "answer"],
    /^plain\.onnx, column "b": expected numbers, which the model takes, got categories\. Fix: --ignore "b"/m,
  ],
  [["plain.onnx", "images"], /^plain\.onnx: expected an image as input: .* got "x" float32 \[N, 3\]\./m],
  [
    ["pictures.onnx", "numbers.csv", "--target", "answer"],
    /^pictures\.onnx: expected a table of 64 columns of numbers beside the target, .* got 3: a, b, c\./m,
  ],
  [
    ["pictures.onnx", "images", "--image-size", "16"],
    /^--image-size: expected the height that pictures\.onnx takes, 8, got 16\. Fix: leave --image-size out$/m,
  ],
  [
    ["pictures.onnx", "images", "--pixels", "imagenet"],
    /^--pixels imagenet: expected a model of three colours, .*got pictures\.onnx, which takes grey images\./m,
  ],
  [
    ["pictures.onnx", "images", "--target", "class"],
    /^--target: expected a table, whose columns it is about, got the folder of images images\./m,
  ],
  [
    ["pictures.onnx", "images", "--head", "keep"],
    /^--head keep: expected a head for class, of 1 or 2, got pictures\.onnx with 3 outputs, or other classes\./m,
  ],
  [
    ["vectors.onnx", "dated.csv"],
    /^vectors\.onnx, input "sold": expected columns that the encoder of train reads, its categories one-hot and no texts among them, got string/m,
  ],
  [
    ["notes.onnx", "notes.csv"],
    /^notes\.onnx: expected a model of numbers, categories and dates, got one that reads a column of texts\. Fix: train it on the new table: microbatch train$/m,
  ],
  [
    ["images.onnx", "sized.csv", "--target", "size"],
    /^images\.onnx, input "image": expected columns .*got uint8 \[batch, 3, 8, 8\], .*Fix: name a folder of images$/m,
  ],
  [
    ["alone.onnx", "numbers.csv", "--target", "answer"],
    /^alone\.onnx: expected an output of numbers that is computed by operators which are known here, got "p" float32\. Fix: name the tensor .*--features <tensor>/m,
  ],
];

test(`${wrong.length} wrong uses of finetune`, async (context) => {
  const there = await readdir(folder);
  const { run: microbatch, end } = microbatchInOneProcess(folder);
  context.after(end);
  for (const [words, message] of wrong) {
    await context.test(`microbatch finetune ${words.join(" ")}`, async () => {
      const { code, stdout, stderr } = await microbatch("finetune", ...words);
      assert.equal(code, 2, stderr);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /\n {4}at |node:internal|Error:|\bplan\.|, option /);
      assert.ok(stderr.trimEnd().split("\n").length <= 3, stderr);
      assert.equal(stdout, "");
    });
  }
  assert.deepEqual(await readdir(folder), there, "nothing is left behind");
});
