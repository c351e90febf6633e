/** A folder of images on the command line: trained on, and predicted. The images are real digits of examples/digits. */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import sharp from "sharp";
import { microbatchIn, microbatchInOneProcess } from "./command-line.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const digits = fileURLToPath(new URL("../examples/digits/digits.csv.gz", import.meta.url));
const folder = temporaryFolder();
const microbatch = microbatchIn(folder);
const names = ["nought", "one", "two"];

const white = { width: 8, height: 8, channels: 3, background: "white" } as const;

before(async () => {
  const [, ...lines] = gunzipSync(await readFile(digits))
    .toString()
    .trimEnd()
    .split("\n");
  for (const name of names) await mkdir(join(folder, "digits", name), { recursive: true });
  for (const [index, line] of lines.entries()) {
    const values = line.split(",").map(Number);
    const name = names[values.at(-1)!];
    if (name === undefined || index >= 900) continue;
    const pixels = Uint8Array.from(values.slice(0, 64), (ink) => 255 - (ink * 255) / 16);
    const file = join(folder, "digits", name, `${String(index).padStart(4, "0")}.png`);
    await sharp(pixels, { raw: { width: 8, height: 8, channels: 1 } })
      .png()
      .toFile(file);
  }
});

async function run(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await microbatch(...words);
  assert.equal(code, 0, stderr);
  return stdout;
}

const train = (...words: readonly string[]) =>
  run("train", "digits", "--image-size", "8", "--epochs", "6", "--json", ...words);

test("a folder of images by class becomes a model that beats the commonest class, and predicts a folder", async () => {
  const record = JSON.parse((await train("--out", "digits.onnx")).trim().split("\n").at(-1)!);
  assert.equal(record.task, "multi-class");
  assert.ok(record.validation.accuracy > 0.9, `accuracy ${record.validation.accuracy}`);
  assert.ok(record.baseline.accuracy < 0.5);
  const [header, ...lines] = (await run("predict", "digits.onnx", "digits")).trimEnd().split("\n");
  assert.equal(header, "file,prediction,probability of nought,probability of one,probability of two");
  const right = lines.filter((line) => line.split("/")[0] === line.split(",")[1]);
  assert.ok(right.length > 0.9 * lines.length, `${right.length} of ${lines.length}`);
  const judged = JSON.parse(await run("evaluate", "digits.onnx", "digits", "--json"));
  assert.equal(judged.rows, lines.length);
  assert.equal(judged.metrics.accuracy, right.length / lines.length);
  assert.ok(judged.baseline.accuracy < 0.5);
  assert.match(await run("evaluate", "digits.onnx", "digits"), /^digits: \d+ rows judged by class\n/);
  assert.match(await run("inspect", "digits.onnx"), /image +uint8 +\[batch, 3, 8, 8\]/);
});

test("the same seed gives the same model, and what is chosen changes it", async () => {
  const hash = async (...words: readonly string[]) =>
    JSON.parse((await train("--out", "other.onnx", ...words)).trim().split("\n").at(-1)!).parametersSha256;
  const first = await hash();
  assert.equal(await hash("--lanes", "3"), first);
  for (const words of [
    ["--seed", "1"],
    ["--augment", "none"],
    ["--dropout", "0"],
    ["--class-weights", "balanced"],
    ["--learning-rate", "0.01"],
  ])
    assert.notEqual(await hash(...words), first, words.join(" "));
});

test("what belongs to tables, and what is no folder of classes, is refused with what to do", async (context) => {
  const { run: microbatch, end } = microbatchInOneProcess(folder);
  context.after(end);
  await mkdir(join(folder, "empty"));
  await writeFile(join(folder, "table.csv"), "a,b\n1,2\n");
  await writeFile(join(folder, "answers.csv"), `a,b\n${"1,no\n2,no\n3,yes\n4,yes\n".repeat(5)}`);
  await run("train", "answers.csv", "--target", "b", "--epochs", "1", "--out", "table.onnx");
  for (const name of [...names, "three"]) await mkdir(join(folder, "unknown", name), { recursive: true });
  for (const name of [...names, "three"])
    await writeFile(join(folder, "unknown", name, "1.png"), await sharp({ create: white }).png().toBuffer());
  for (const name of ["a", "b"]) {
    await mkdir(join(folder, "broken", name), { recursive: true });
    await writeFile(join(folder, "broken", name, "1.png"), "no image");
  }
  for (const [words, message] of [
    [
      ["train", "digits", "--target", "x"],
      /^--target: expected a table, whose columns it is about, got the folder of images digits\. Fix: /,
    ],
    [
      ["train", "digits", "--validation", "table.csv"],
      /^--validation: expected a share of the images, got table\.csv\. Fix: /,
    ],
    [
      ["train", "table.csv", "--target", "a", "--image-size", "9"],
      /^--image-size: expected a folder of images, got table\.csv\. Fix: /,
    ],
    [["train", "empty"], /^images in empty: expected at least one image, got no file\. Fix: /],
    [
      ["evaluate", "digits.onnx", "empty"],
      /^images in empty: expected at least one image, got no file\. Fix: /,
    ],
    [
      ["evaluate", "digits.onnx", "unknown"],
      /^images in unknown: expected .*nought, one, two.*, got .*three/,
    ],
    [
      ["evaluate", "digits.onnx", "digits", "--target", "class"],
      /^--target: expected a table, whose columns it is about, got the folder of images digits\. Fix: leave --target out: the folders in it are the classes\n$/,
    ],
    [
      ["evaluate", "table.onnx", "digits"],
      /^table\.onnx: expected a model of one image, uint8 .*, got "a" float32/,
    ],
    [["predict", "digits.onnx", "empty"], /^images in empty: expected /],
    [
      ["predict", "digits.onnx", "table.csv"],
      /^digits\.onnx, input "image": expected one value per row.*Fix: name a folder of images$/m,
    ],
    [["train", "nowhere", "--image-size", "8"], /^read nowhere: expected a file, got nothing of that name\./],
    [["evaluate", "digits.onnx", "nowhere"], /^read nowhere: expected a file, got nothing of that name\./],
    [
      ["train", "broken/a"],
      /^images in broken\/a: expected a folder per class, .* Fix: name the folder in which those of the classes lie$/m,
    ],
    [["train", "broken"], /^broken\/a\/1\.png: expected an image .*Fix: repair or remove the file$/m],
  ] as const) {
    const { code, stderr } = await microbatch(...words);
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
  }
});
