/** A text file on the command line: a model of what comes next. The text is the first chapter of Moby-Dick. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { generate } from "../src/index.ts";
import { byteVocabulary, loadModel } from "../src/node.ts";
import { microbatchIn } from "./command-line.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const folder = temporaryFolder();
const microbatch = microbatchIn(folder);
const chapter = fileURLToPath(new URL("golden/loomings.txt", import.meta.url));

before(async () => {
  const text = await readFile(chapter);
  await writeFile(join(folder, "loomings.txt"), text);
  await writeFile(join(folder, "packed.txt.gz"), gzipSync(text));
  await writeFile(join(folder, "short.txt"), "Call me Ishmael.");
  await writeFile(join(folder, "brief.txt"), text.subarray(0, 500));
  await writeFile(join(folder, "empty.txt"), "");
  await writeFile(join(folder, "table.txt"), `a,b\n${"1,2\n3,5\n4,7\n".repeat(20)}`);
});

async function train(...words: readonly string[]) {
  const { code, stdout, stderr } = await microbatch("train", ...words, "--json");
  assert.equal(code, 0, stderr);
  return { record: JSON.parse(stdout.trim().split("\n").at(-1)!), stderr };
}

test("a text becomes a model that beats the frequencies of its bytes, and writes", async () => {
  const { record, stderr } = await train(
    "loomings.txt",
    "--epochs",
    "12",
    "--test",
    "0.1",
    "--out",
    "book.onnx",
  );
  assert.equal(record.task, "next-token");
  // Frequencies alone are at about 3.0 nats; a model that had learned nothing else would be there, and pairs of letters are at 2.5.
  assert.ok(record.validation.loss < 2.75 && record.baseline.loss > 2.9, JSON.stringify(record));
  assert.ok(record.test.loss < record.testBaseline.loss);
  assert.match(stderr, /^loomings\.txt: 12,262 bytes of text\n/);
  assert.match(
    stderr,
    /The model beats the baseline: loss \S+ against \S+ \(always by how often each byte comes/,
  );
  assert.match(stderr, /tokens \[batch, 64\] in, one per byte, logits of the bytes behind them out\.\n$/);
  const model = await loadModel(join(folder, "book.onnx"));
  try {
    assert.deepEqual(
      model.summary.inputs.map(({ dtype, shape }) => [dtype, shape]),
      [["int32", ["batch", 64]]],
    );
    const { encode, decode } = byteVocabulary();
    const prompt = encode("Call me ");
    const written = decode(await generate(model, { prompt, length: 30, temperature: 0.5 }));
    assert.match(written, /^[\w\s,.;:!?'"“”’—-]{25,30}$/u, written); // letters and spaces, no rare bytes
  } finally {
    await model.close();
  }
});

test("the same seed gives the same model, packed or not, and what is chosen changes it", async () => {
  const hash = async (file: string, ...words: readonly string[]) =>
    (await train(file, "--steps", "3", "--out", "other.onnx", ...words)).record.parametersSha256;
  const first = await hash("loomings.txt");
  assert.equal(await hash("packed.txt.gz"), first);
  for (const words of [
    ["--seed", "1"],
    ["--dropout", "0.2"],
    ["--learning-rate", "0.01"],
    ["--validation", "0.3"],
    ["--clip", "0.1"],
  ])
    assert.notEqual(await hash("loomings.txt", ...words), first, words.join(" "));
});

test("a .txt file with a target is a table", async () => {
  const { record } = await train("table.txt", "--target", "b", "--epochs", "1", "--out", "table.onnx");
  assert.deepEqual(record.targets, ["b"]);
});

test("what belongs to tables and images, and what is too short, is refused with what to do", async () => {
  for (const [words, message] of [
    [
      ["loomings.txt", "--hidden", "8"],
      "--hidden: expected a table, whose columns it is about, got the text loomings.txt. Fix: leave --hidden out; or name the column to predict by --target, where the file is a table\n",
    ],
    [
      ["loomings.txt", "--validation", "table.txt"],
      "--validation: expected a share of the text, got table.txt. Fix: for example --validation 0.1\n",
    ],
    [
      ["loomings.txt", "--image-size", "9"],
      "--image-size: expected a folder of images, got loomings.txt. Fix: leave --image-size out\n",
    ],
    [
      ["short.txt"],
      "short.txt: expected at least 65 codes: a context of 64 and the code behind it, got 16. Fix: a longer text\n",
    ],
    [
      ["empty.txt"],
      "empty.txt: expected a text, got an empty one. Fix: check that it was written to its end\n",
    ],
    [
      ["brief.txt"],
      "split of brief.txt: expected a validation part of at least 65 codes: a context and the code behind it, got 50 of 500. Fix: a larger share for it, or a longer text\n",
    ],
    [["missing.txt"], /^read missing\.txt: expected a file, got nothing of that name\. Fix: /],
  ] as const) {
    const { code, stderr } = await microbatch("train", ...words);
    assert.equal(code, 2, stderr);
    if (typeof message === "string") assert.equal(stderr, message);
    else assert.match(stderr, message);
  }
});
