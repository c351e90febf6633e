/** A column of free text on the command line: cut into words, trained on beside other columns, and cut again by the saved model itself. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import * as onnxruntime from "onnxruntime-node";
import { randomSequence } from "../src/array/random.ts";
import { loadModel } from "../src/node.ts";
import { microbatchIn } from "./command-line.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const folder = temporaryFolder();
const microbatch = microbatchIn(folder);

const openings = ["please read this note of today:", "Hello\tthere, this is about", "As I said, it was"];
const wanted = ["the meeting at noon", "our holiday plans", "Your QUESTION about the boat"];
const unwanted = ["FREE money!!!", "a cheap watch, only today", "Free pills; free, really free"];

/** Notes whose words say most of the answer; a number says the rest. */
function rows(count: number, seed: number): string[] {
  const draw = randomSequence(seed, "notes");
  return Array.from({ length: count }, (_, row) => {
    const pick = <Item>(items: readonly Item[], use: number) =>
      items[Math.floor(draw(8 * row + use) * items.length)]!;
    const isSpam = draw(8 * row) < 0.4;
    const note = `${pick(openings, 1)} ${pick(isSpam ? unwanted : wanted, 2)} (number ${Math.floor(1e6 * draw(8 * row + 3))})`;
    const links = Math.floor(draw(8 * row + 4) * 4 + (isSpam ? 1 : 0));
    return `"${note}",${links},${pick(["mail", "web"], 5)},${isSpam ? "yes" : "no"}`;
  });
}

const header = "note,links,from,spam";

before(async () => {
  await writeFile(join(folder, "notes.csv"), `${header}\n${rows(300, 1).join("\n")}\n`);
  await writeFile(
    join(folder, "later.csv"),
    `${header}\n${rows(80, 2).join("\n")}\n,3,mail,yes\n NA ,0,,no\n`,
  );
  const notes = rows(60, 3).map((row) => /^"([^"]*)".*,(\w+)$/.exec(row)!);
  await writeFile(
    join(folder, "alone.csv"),
    `note,spam\n${notes.map(([, note, spam]) => `"${note}",${spam}\n`).join("")}`,
  );
  await writeFile(join(folder, "short.csv"), `note,spam\n${"ok,no\nbuy now,yes\n".repeat(20)}`);
});

async function run(...words: readonly string[]) {
  const outcome = await microbatch(...words);
  assert.equal(outcome.code, 0, outcome.stderr);
  return outcome;
}

async function train(...words: readonly string[]) {
  const { stdout, stderr } = await run("train", ...words, "--target", "spam", "--epochs", "15", "--json");
  return { record: JSON.parse(stdout.trim().split("\n").at(-1)!), stderr };
}

test("a column of free text is found, told in one line, and its words tell the target", async () => {
  const { record, stderr } = await train("notes.csv", "--test", "later.csv", "--out", "notes.onnx");
  assert.match(stderr, /^ {2}features {2}1 number column, 1 category column$/m);
  assert.match(
    stderr,
    /^ {2}text {6}column "note": the first 16 words; \d\d words known, those of two training rows or more$/m,
  );
  assert.ok(record.test.accuracy > 0.95, `accuracy ${record.test.accuracy}`);
  assert.ok(record.testBaseline.accuracy < 0.75);
  const profile = (await run("profile", "notes.csv", "--target", "spam")).stdout;
  assert.match(profile, /^note +free text \(\d+ different\), whose words train reads$/m);
  const judged = JSON.parse((await run("evaluate", "notes.onnx", "later.csv", "--json")).stdout);
  assert.equal(judged.metrics.accuracy, record.test.accuracy);
  assert.ok(Math.abs(judged.metrics.logLoss - record.test.logLoss) < 1e-6); // log p of the file against the loss of its logits
  assert.match((await run("inspect", "notes.onnx")).stdout, /note +text +the first 16 words, \d+ listed/);
});

test("plain ONNX Runtime makes of raw texts what predict does", async () => {
  await train("notes.csv", "--out", "plain.onnx");
  const predicted = (await run("predict", "plain.onnx", "later.csv")).stdout.trimEnd().split("\n").slice(1);
  const session = await onnxruntime.InferenceSession.create(await readFile(join(folder, "plain.onnx")));
  try {
    const raw = [
      ...rows(80, 2).map((row) => /^"([^"]*)",(\d),(\w+)/.exec(row)!.slice(1)),
      ["", "3", "mail"],
      ["NA", "0", ""],
    ];
    const texts = (at: number) =>
      new onnxruntime.Tensor(
        "string",
        raw.map((row) => row[at]!),
        [raw.length],
      );
    const links = Float32Array.from(raw, (row) => Number(row[1]));
    const { prediction, probabilities } = await session.run({
      note: texts(0),
      links: new onnxruntime.Tensor("float32", links, [raw.length, 1]),
      from: texts(2),
    });
    for (const [row, answer] of (prediction!.data as unknown as string[]).entries()) {
      const [, said, no] = /,(\w+),([^,]+),[^,]+$/.exec(predicted[row]!)!;
      assert.equal(said, answer);
      // Another size of microbatch may round differently.
      assert.ok(Math.abs(Number(no) - Number(probabilities!.data[2 * row])) < 1e-6);
    }
  } finally {
    await session.release();
  }
});

test("texts alone will do, and a column is text where that is said", async () => {
  const { record, stderr } = await train("alone.csv", "--out", "alone.onnx");
  assert.doesNotMatch(stderr, /features/);
  assert.ok(record.validation.accuracy > 0.7, JSON.stringify(record.validation));
  assert.equal((await run("predict", "alone.onnx", "alone.csv")).stderr, "");
  const plain = await train("short.csv", "--out", "short.onnx");
  assert.match(plain.stderr, /1 category column/);
  const said = await train("short.csv", "--type", "note=text", "--out", "short.onnx");
  assert.match(said.stderr, /column "note": the first 8 words; 3 words known/);
  assert.notEqual(said.record.parametersSha256, plain.record.parametersSha256);
  const ignored = await microbatch(
    "train",
    "alone.csv",
    "--target",
    "spam",
    "--type",
    "note=category",
    "--epochs",
    "1",
  );
  assert.match(ignored.stderr, /1 category column/);
});

test("texts of words between signs that stand alone are read whole, and told to be longer where they are not", async () => {
  const lines = (count: number) => Array.from({ length: count }, (_, row) => row);
  const note = (row: number) =>
    ["this", "is", "note", `n${row}`, "about", row % 2 ? "money" : "boats"].join(" - ");
  const rows = lines(40).map((row) => `${note(row)},${row % 2 ? "yes" : "no"}`);
  await writeFile(join(folder, "dashes.csv"), `note,spam\n${rows.join("\n")}\n`);
  const { stderr } = await train("dashes.csv", "--out", "dashes.onnx");
  assert.match(stderr, /column "note": the first 16 words; 6 words known/); // of 6 words a text, and 5 signs where they are cut

  const longer = lines(300).map(
    (row) => `"${note(row)}${row < 2 ? " -".repeat(20) : ""}${row < 2 ? " end" : ""}",${row % 2}`,
  );
  await writeFile(join(folder, "longer.csv"), `note,spam\n${longer.join("\n")}\n`);
  const told = await train("longer.csv", "--out", "longer.onnx");
  assert.match(told.stderr, /the first 16 words; 2 rows longer;/);
});

test("a text counts as the mean of its words, whatever their order and however short it is", async () => {
  await train("alone.csv", "--out", "mean.onnx");
  const model = await loadModel(join(folder, "mean.onnx"));
  try {
    const of = async (...note: string[]) => {
      const { probabilities } = await model.predict({ note });
      return note.map((_, row) => Number(probabilities!.data[2 * row]));
    };
    const [one, often, order, reversed, empty, missing] = await of(
      ...["free", "FREE, free... Free!", "free money only", "only MONEY free", "", " NA "],
    );
    // Sums of more terms round differently.
    assert.ok(Math.abs(one! - often!) < 1e-6 && Math.abs(order! - reversed!) < 1e-6);
    assert.equal(empty, missing);
    assert.ok(new Set([one, order, empty]).size === 3);
  } finally {
    await model.close();
  }
});

test("a column of text that is not there, or has another use, is refused", async () => {
  for (const [words, message] of [
    [
      ["--type", "nope=text"],
      'notes.csv, --type: expected one of the columns note, links, from, spam, got "nope". Fix: did you mean "note"?\n',
    ],
    [
      ["--fill", "note=empty"],
      '--fill: expected a column of numbers or categories, got "note", free text. Fix: leave it out, or take each text for a category: --type "note=category"\n',
    ],
    [
      ["--type", "spam=text"],
      /^notes\.csv, --type: expected columns that have no other use, got the target "spam"\. Fix: /,
    ],
    [
      ["--type", "note=text", "--ignore", "note"],
      /^notes\.csv, --type: expected columns that have no other use, got .*"note"/,
    ],
  ] as const) {
    const { code, stderr } = await microbatch("train", "notes.csv", "--target", "spam", ...words);
    assert.equal(code, 2, stderr);
    if (typeof message === "string") assert.equal(stderr, message);
    else assert.match(stderr, message);
  }
});
