/** A text file on the command line: a model of what comes next. The text is the first chapter of Moby-Dick. */
import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { generate } from "../src/index.ts";
import { byteVocabulary, loadModel } from "../src/node.ts";
import { microbatchIn, microbatchInOneProcess } from "./command-line.ts";
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
  assert.match(
    stderr,
    /tokens \[batch, 64\] in, one per byte, logits of the bytes behind them out; microbatch generate writes with it\.\n$/,
  );
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
    ["--context", "32"],
    ["--width", "64"],
    ["--layers", "1"],
    ["--heads", "2"],
    ["--tokens", "characters"],
  ])
    assert.notEqual(await hash("loomings.txt", ...words), first, words.join(" "));
});

test("a .txt file with a target is a table", async () => {
  const { record } = await train("table.txt", "--target", "b", "--epochs", "1", "--out", "table.onnx");
  assert.deepEqual(record.targets, ["b"]);
});

test("what belongs to tables and images, and what is too short, is refused with what to do", async (context) => {
  const { run: microbatch, end } = microbatchInOneProcess(folder);
  context.after(end);
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
      "short.txt: expected at least 65 codes: a context of 64 and the code behind it, got 16. Fix: --context 15, or a longer text\n",
    ],
    [
      ["empty.txt"],
      "empty.txt: expected a text, got an empty one. Fix: check that it was written to its end\n",
    ],
    [
      ["brief.txt"],
      "split of brief.txt: expected a validation part of at least 65 codes: a context and the code behind it, got 50 of 500. Fix: a larger share for it, a smaller --context, or a longer text\n",
    ],
    [
      ["missing.txt", "--heads", "5"],
      "--heads: expected heads that divide the width of 96 features, got 5 heads. Fix: for example --width 100 --heads 5\n",
    ],
    [
      ["table.txt", "--target", "b", "--context", "8"],
      "--context: expected a text, a .txt file without --target, got table.txt. Fix: leave --context out\n",
    ],
    [
      ["loomings.txt", "--tokens", "words"],
      /Expected bytes, characters, or the path of a tokenizer\.json\.\n/,
    ],
    [
      ["loomings.txt", "--tokens", "no.json"],
      /^read no\.json: expected a file, got nothing of that name\. Fix: /,
    ],
    [["missing.txt"], /^read missing\.txt: expected a file, got nothing of that name\. Fix: /],
  ] as const) {
    const { code, stderr } = await microbatch("train", ...words);
    assert.equal(code, 2, stderr);
    if (typeof message === "string") assert.equal(stderr, message);
    else assert.match(stderr, message);
  }
});

test("generate writes on from a prompt, the same for the same seed, with bytes, characters and a tokenizer's tokens", async () => {
  const words = ["Call", "me", "Ishmael", ".", "some", "years", "ago", "[UNK]"];
  const tokenizer = {
    version: "1.0",
    model: {
      type: "WordLevel",
      vocab: Object.fromEntries(words.map((word, id) => [word, id])),
      unk_token: "[UNK]",
    },
    pre_tokenizer: { type: "Whitespace" },
  };
  await writeFile(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
  const small = ["--steps", "2", "--width", "16", "--layers", "1", "--context", "16"];
  const write = async (...given: readonly string[]) => {
    const { code, stdout, stderr } = await microbatch(
      "generate",
      "small.onnx",
      "--prompt",
      "Call me ",
      ...given,
    );
    assert.equal(code, 0, stderr);
    assert.equal(stderr, "");
    return stdout;
  };
  for (const tokens of ["bytes", "characters", "tokenizer.json"]) {
    await train("loomings.txt", ...small, "--tokens", tokens, "--out", "small.onnx");
    if (tokens === "tokenizer.json") await rm(join(folder, tokens)); // the model's file holds it
    const text = await write("--tokens", "12");
    assert.match(text, /^Call me [\s\S]*\n$/, tokens);
    assert.equal(await write("--tokens", "12"), text);
    assert.notEqual(await write("--tokens", "12", "--seed", "1"), text);
    if (tokens === "characters") assert.equal([...text].length, 8 + 12 + 1);
    if (tokens !== "bytes") continue; // what is drawn does not depend on what the tokens are
    assert.equal(await write("--tokens", "0"), "Call me \n");
    const likeliest = await write("--tokens", "12", "--temperature", "0");
    assert.equal(await write("--tokens", "12", "--top-k", "1", "--seed", "5"), likeliest);
    assert.equal(await write("--tokens", "12", "--top-p", "1e-9", "--seed", "6"), likeliest);
  }
});

test("generate refuses models of anything but texts, and prompts that a model cannot read; other commands refuse those of texts", async (context) => {
  const { run: microbatch, end } = microbatchInOneProcess(folder);
  context.after(end);
  await train(
    "loomings.txt",
    "--steps",
    "1",
    "--width",
    "8",
    "--layers",
    "1",
    "--tokens",
    "characters",
    "--out",
    "small.onnx",
  );
  await train("table.txt", "--target", "b", "--epochs", "1", "--out", "table.onnx");
  for (const [words, message] of [
    [
      ["table.onnx", "--prompt", "a"],
      "table.onnx: expected a model of a text, which knows its tokens, got one that does not say. Fix: train one: microbatch train book.txt\n",
    ],
    [
      ["small.onnx", "--prompt", "a漢"],
      '--prompt, line 1: expected characters of the vocabulary of 63 characters, got "漢" (U+6F22), character 1 of the text. Fix: leave it out: the text that the model learned from has none\n',
    ],
    [
      ["small.onnx", "--prompt", ""],
      '--prompt: expected at least one token, got none. Fix: for example --prompt "The "\n',
    ],
    [["small.onnx"], /required option '--prompt <text>' not specified/],
    [["small.onnx", "--prompt", "a", "--top-p", "1.5"], /Expected a number above 0 and at most 1\./],
    [["small.onnx", "--prompt", "a", "--top-k", "0"], /Expected a whole number from 1 on\./],
    [["small.onnx", "--prompt", "a", "--temperature", "-1"], /Expected a number from 0 on\./],
    [
      ["missing.onnx", "--prompt", "a"],
      /^read missing\.onnx: expected a file, got nothing of that name\. Fix: /,
    ],
  ] as const) {
    const { code, stdout, stderr } = await microbatch("generate", ...words);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, "");
    if (typeof message === "string") assert.equal(stderr, message);
    else assert.match(stderr, message);
  }
  for (const words of [
    ["predict", "small.onnx", "loomings.txt"],
    ["evaluate", "small.onnx", "loomings.txt"],
    ["finetune", "small.onnx", "loomings.txt"],
  ]) {
    const { code, stderr } = await microbatch(...words);
    assert.equal(code, 2, stderr);
    assert.equal(
      stderr,
      'small.onnx: expected a model of a table or of images, got one of a text. Fix: let it write: microbatch generate small.onnx --prompt "The "\n',
    );
  }
});
