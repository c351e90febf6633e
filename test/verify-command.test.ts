/** microbatch verify: certificates of plan files, tables, folders of images and model files, and its wrong uses. */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import sharp from "sharp";
import { killElsewhere } from "../src/cli/verify-child.ts";
import { buildProgram, constant, encodeOnnx, input, matmul, mul, sum } from "../src/index.ts";
import { type Certificate, writeFileAtomically } from "../src/node.ts";
import { microbatchIn, microbatchInOneProcess } from "./command-line.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const folder = temporaryFolder();
const asProcess = microbatchIn(folder);
const { run, end } = microbatchInOneProcess(folder);
after(end);
/** Plans, which are modules of their own, as processes; the others, which take less time than to start one, in one process. */
const microbatch = (...words: readonly string[]) =>
  words.some((word) => word.endsWith(".ts")) ? asProcess(...words) : run(...words);

const planText = (loss: string) => `
import { adamw, add, arrays, definePlan, div, linear, mul, sequence, squaredError, sum, tanh } from "microbatch";
console.log("a plan may print");
const x = Array.from({ length: 60 }, (_, i) => [Math.sin(i), Math.cos(3 * i)]);
const data = arrays({ x, y: x.map(([a, b]) => [a! * b!]) });
const body = sequence(linear(4), tanh, linear(1));
const count = (e) => sum(add(mul(e, 0), 1), { axes: [0] });
export default definePlan({ data, model: (row) => body(row.x), optimizer: adamw({ learningRate: 0.01 }), loss: (p, row) => {
  const error = squaredError(p, row.y);
  return ${loss};
} });
`;

/** y = x · w, and with isCoupled times the sum of all rows. */
async function writeModel(name: string, isCoupled: boolean): Promise<void> {
  const x = input("x", ["batch", 3]);
  const data = Float32Array.from({ length: 6 }, (_, index) => Math.cos(index));
  const y = matmul(x, constant({ dtype: "float32", shape: [3, 2], data }));
  const outputs = { y: isCoupled ? mul(y, sum(y, { axes: [0] })) : y };
  await writeFileAtomically(join(folder, name), encodeOnnx(buildProgram({ name: "model", outputs })));
}

before(async () => {
  await writeFile(join(folder, "good.ts"), planText("error"));
  await writeFile(join(folder, "mean.ts"), planText("div(error, count(error))"));
  const rows = Array.from(
    { length: 60 },
    (_, i) => `${Math.sin(i)},${i % 3 ? "red" : "blue"},${Math.cos(i)}`,
  );
  await writeFile(join(folder, "table.csv"), `a,colour,y\n${rows.join("\n")}\n`);
  const notes = Array.from({ length: 60 }, (_, i) => {
    const time = new Date(Date.UTC(2024, 0, 1, 0, i * 7001)).toISOString();
    const when = i % 7 === 3 ? "" : time.replace(".000Z", ["Z", "+02:00", "-05:30"][i % 3]!);
    const note = `the ${i % 2 ? "price" : "offer"} of today (no. ${i}) is - I think - ${i % 5 ? "quite good" : "BAD"}`;
    return `${when},${i % 11 === 5 ? "" : `"${note}"`},${Math.cos(i)}`;
  });
  await writeFile(join(folder, "notes.csv"), `when,note,y\n${notes.join("\n")}\n`);
  for (const [shade, name] of ["dark", "light"].entries()) {
    await mkdir(join(folder, "shades", name), { recursive: true });
    for (let index = 0; index < 20; index++) {
      const pixels = Uint8Array.from({ length: 64 }, (_, at) => 150 * shade + ((at * (index + 3)) % 100));
      const image = sharp(pixels, { raw: { width: 8, height: 8, channels: 1 } }).png();
      await writeFile(join(folder, "shades", name, `${index}.png`), await image.toBuffer());
    }
  }
  await writeModel("model.onnx", false);
  await writeModel("coupled.onnx", true);
});

/** Nothing is skipped because the machine is busy. */
const time = ["--seconds", "120"];

/** The checks of a certificate as JSON, what they came to, and the exit code. */
async function verified(...words: readonly string[]) {
  const { code, stdout, stderr } = await microbatch("verify", ...words, "--threads", "2", ...time, "--json");
  assert.equal(stderr, "");
  const certificate: Certificate = JSON.parse(stdout.trim().split("\n").at(-1)!);
  const of = (holds: boolean | "skipped") =>
    certificate.checks.filter((check) => check.holds === holds).map(({ name }) => name);
  return { code, certificate, holds: of(true), fails: of(false), skipped: of("skipped") };
}

test("a plan file is trained in another process too, which is killed and gone on with", async () => {
  const { code, holds, fails } = await verified("good.ts");
  assert.deepEqual(fails, []);
  assert.deepEqual(holds, ["splits", "company", "layers", "threads", "resume", "saved", "kill"]);
  assert.equal(code, 0);
});

test("a process that somebody else kills says nothing about the plan; one that crashes does", async () => {
  // The other process alone can be spoken to.
  const ended = (signal: string) =>
    `${planText("error")}if (process.send) process.kill(process.pid, "${signal}");\n`;
  await writeFile(join(folder, "killed.ts"), ended("SIGKILL"));
  const { code, certificate } = await verified("killed.ts");
  const kill = certificate.checks.find(({ name }) => name === "kill");
  assert.deepEqual(
    [code, kill?.holds, kill?.why],
    [
      0,
      "skipped",
      "the other process was killed before it had done 3 steps, and not by this one: is memory short?",
    ],
  );
  await writeFile(join(folder, "crashed.ts"), ended("SIGABRT"));
  const reduced = { batchSize: 3, microbatchSize: 2, lanes: 3, steps: 4 };
  const run = { folder: join(folder, "crashed"), reduced, killAt: 3, seconds: 120 };
  await assert.rejects(
    killElsewhere(join(folder, "crashed.ts"))(run),
    /in another process: expected a run that goes on until it is killed, got an end with SIGABRT/,
  );
});

test("a plan that breaks the law ends with exit code 1, and the certificate says what fails and why", async () => {
  const { code, stdout, stderr } = await microbatch("verify", "mean.ts", "--threads", "2", ...time);
  assert.deepEqual([code, stderr], [1, ""]);
  assert.match(stdout, /^ {2}fails {4}splits {3}the gradient of a batch depends on how it is split/m);
  assert.match(
    stdout,
    /^ {2}fails {4}company {2}.* the loss divides by the number of samples in the microbatch/m,
  );
  assert.match(stdout, /^ {2}holds {4}threads {2}1 and 2 threads give the same bytes/m);
  assert.match(stdout, /^Does not hold: splits, company; 7 of 7 checks tried in [\d.]+ s\.$/m);
});

test("a table's plan is tried with texts as the saved model takes them", async () => {
  const { code, holds, skipped } = await verified("table.csv", "--target", "y");
  assert.equal(code, 0);
  assert.deepEqual(holds, ["splits", "company", "layers", "threads", "resume", "saved"]);
  assert.deepEqual(skipped, ["kill"]);
});

test("dates and free texts are put together again, and the saved model cuts them as the table did", async () => {
  const { code, holds, certificate } = await verified("notes.csv", "--target", "y");
  assert.equal(code, 0);
  assert.deepEqual(holds, ["splits", "company", "layers", "threads", "resume", "saved"]);
  const saved = certificate.checks.find(({ name }) => name === "saved");
  assert.match(saved!.why, /^the saved file, in a plain session, answers 16 samples like the trained model/);
});

test("a folder of images is tried as it is trained: augmented, and with layers whose statistics are the microbatch's, which is told", async () => {
  const small = ["shades", "--image-size", "8", "--threads", "2"];
  const { code, stdout, stderr } = await microbatch("verify", ...small, ...time);
  assert.deepEqual([code, stderr], [1, ""]);
  assert.match(
    stdout,
    /^shades: 34 samples of training part of shades, \d+,\d+ parameters, onnxruntime-node /,
  );
  assert.match(
    stdout,
    /^ {2}fails {4}splits .*: batchNorm1, batchNorm2 normalise by the statistics of the microbatch$/m,
  );
  assert.match(
    stdout,
    /^ {2}holds {4}company {2}as it is evaluated, a sample has the same loss alone and among 4 others/m,
  );
  assert.match(stdout, /^ {2}holds {4}threads {2}1 and 2 threads give the same bytes/m);
  assert.match(stdout, /^ {2}holds {4}resume {3}a run that was interrupted/m);
  assert.match(
    stdout,
    /^ {2}holds {4}saved {4}the saved file, in a plain session, answers 16 samples like the trained model/m,
  );
  assert.match(stdout, /^Does not hold: splits, layers; 6 of 7 checks tried in [\d.]+ s\.$/m);
});

test("a model file is written again, answered in several sizes of batches and trained on made-up numbers", async () => {
  const { code, holds, certificate } = await verified("model.onnx");
  assert.equal(code, 0);
  assert.deepEqual(holds, [
    "encoding",
    "batches",
    "splits",
    "company",
    "layers",
    "threads",
    "resume",
    "saved",
  ]);
  assert.equal(certificate.data.name, "made-up numbers");
});

test("a model file whose rows depend on each other fails, and says why it cannot be trained", async () => {
  const { code, fails, skipped, certificate } = await verified("coupled.onnx");
  assert.equal(code, 1);
  assert.deepEqual([fails, skipped], [["batches"], ["encoding", "splits"]]);
  assert.match(
    certificate.checks[1]!.why,
    /^a row's answer depends on the rows beside it: the model looks at the whole batch, by /,
  );
  assert.match(
    certificate.checks[2]!.why,
    /^no weight could be trained: .* expected axes of fixed size to compute over/,
  );
});

const wrong: readonly (readonly [string, RegExp])[] = [
  [
    "good.ts table.csv",
    /^good\.ts table\.csv: expected rows beside an ONNX file alone, got table\.csv beside good\.ts\. Fix: microbatch verify good\.ts$/m,
  ],
  [
    "model.onnx --target y",
    /^--target: expected a table or a plan, whose data it is about, got the model file model\.onnx\. Fix: leave --target out$/m,
  ],
  [
    "table.csv",
    /^--target: expected the column to predict, got none\. Fix: microbatch verify table\.csv --target <column>$/m,
  ],
  [
    "model.onnx --image-size 9",
    /^--image-size: expected a table or a plan, whose data it is about, got the model file model\.onnx\. Fix: leave --image-size out$/m,
  ],
  ["good.ts --threads 1", /Expected a whole number from 2 to 256\./],
];

for (const [words, message] of wrong) {
  test(`microbatch verify ${words} is refused`, async () => {
    const { code, stdout, stderr } = await microbatch("verify", ...words.split(" "));
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, message);
  });
}
