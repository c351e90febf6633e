/** Plan files: what `microbatch train plan.ts` runs, what flags change, and how what cannot be run is told. */
import assert from "node:assert/strict";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { microbatchIn, type Outcome } from "./command-line.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const folder = temporaryFolder();
const microbatch = microbatchIn(folder);

/** A straight line, with everything a plan may say. */
const line = `
import { arrays, adamw, afterEpochs, definePlan, linear, mae, mul, squaredError } from "microbatch";
import type { Row } from "microbatch";

const x = Array.from({ length: 80 }, (_, index) => [index / 40 - 1]);
const all = arrays({ x, y: x.map(([value]) => [2 * value! + 1]) });
const body = linear(1);
type Columns = typeof all.columns;

export default definePlan({
  data: all,
  model: (row: Row<Columns>) => body(row.x),
  loss: (predicted, { y }) => squaredError(predicted, y),
  optimizer: adamw({ learningRate: 0.05 }),
  batchSize: 20,
  validation: { data: all, metrics: { mae: (predicted, { y }) => mae(predicted, y) } },
  baseline: (row) => mul(row.y, 0),
  stop: afterEpochs(30),
});
`;

async function trainPlan(name: string, text: string, ...words: string[]): Promise<Outcome> {
  await writeFile(join(folder, name), text);
  return microbatch("train", name, "--out", "plan.onnx", ...words);
}
const record = ({ stdout }: Outcome) => JSON.parse(stdout.trim().split("\n").at(-1)!);

test("a plan file trains, wherever it lies, with the running copy of the package", async () => {
  const outcome = await trainPlan("line.ts", line, "--json");
  assert.equal(outcome.code, 0, outcome.stderr);
  const { steps, epochs, batchSize, validation, baseline, task } = record(outcome);
  assert.deepEqual(
    { steps, epochs, batchSize, task },
    { steps: 120, epochs: 30, batchSize: 20, task: "plan" },
  );
  assert.deepEqual(Object.keys(validation), ["loss", "mae"]);
  assert.ok(validation.mae < 0.1 * baseline.mae, JSON.stringify({ validation, baseline }));
  assert.match(outcome.stderr, /The model beats the baseline: mae \S+ against 1\.238 \(the plan's own\)\./);
  assert.ok((await readdir(folder)).includes("plan.onnx"));
});

test("a run of a plan file that has ended goes on where the file says more", async () => {
  const epochs = (count: number) => line.replace("afterEpochs(30)", `afterEpochs(${count})`);
  const whole = record(await trainPlan("whole.ts", epochs(40), "--json"));
  assert.equal((await trainPlan("grown.ts", line, "--run", "grown")).code, 0);
  const resume = ["--run", "grown", "--resume", "--json"];
  const shorter = await trainPlan("grown.ts", epochs(20), ...resume);
  assert.match(shorter.stderr, /^grown has ended at step 120: 30 epochs done\. Nothing is left to do/);
  const grown = await trainPlan("grown.ts", epochs(40), ...resume);
  assert.match(grown.stderr, /\ngoing on from step 120, /);
  assert.deepEqual([record(grown).stateSha256, record(grown).ends], [whole.stateSha256, { epochs: 40 }]);
});

test("flags override the plan's fields, and its stop rules all together", async () => {
  const changed = await trainPlan(
    "line.ts",
    line,
    ...[
      "--json",
      "--batch-size",
      "10",
      "--microbatch-size",
      "5",
      "--lanes",
      "2",
      "--steps",
      "7",
      "--seed",
      "3",
    ],
  );
  assert.equal(changed.code, 0, changed.stderr);
  const { steps, batchSize, microbatchSize, lanes, seed, stopReason } = record(changed);
  assert.deepEqual(
    { steps, batchSize, microbatchSize, lanes, seed, stopReason },
    { steps: 7, batchSize: 10, microbatchSize: 5, lanes: 2, seed: 3, stopReason: "7 steps done" },
  );
  const still = await trainPlan("line.ts", line, "--json", "--learning-rate", "1e-9", "--epochs", "20");
  const moved = await trainPlan("line.ts", line, "--json", "--optimizer", "sgd", "--epochs", "20");
  assert.ok(record(moved).validation.loss < 0.5 * record(still).validation.loss);
  const until = await trainPlan("line.ts", line, "--json", "--until", "mae<=0.3", "--epochs", "100");
  assert.match(record(until).stopReason, /^validation\.mae is 0\.\d+, at most 0\.3 was asked for$/);
});

test("a promise of a plan, JavaScript, and imports beside the file are as good", async () => {
  await mkdir(join(folder, "deep"), { recursive: true });
  await writeFile(join(folder, "deep/model.ts"), 'export { linear } from "microbatch";\n');
  const promised = line
    .replace("definePlan, linear, mae", "definePlan, mae")
    .replace("const x =", 'import { linear } from "./model.ts";\nconst x =')
    .replace("export default definePlan(", "export default Promise.resolve(");
  assert.equal((await trainPlan("deep/promised.ts", promised)).code, 0);
  const javascript = line
    .replace(/import type.*\n/, "")
    .replace(/type Columns.*\n/, "")
    .replace(": Row<Columns>", "")
    .replace("value! +", "value +");
  assert.equal((await trainPlan("line.mjs", javascript)).code, 0);
});

test("what cannot be run is told in one line, with the place where it is known", async () => {
  const refusals: readonly (readonly [string, string, RegExp])[] = [
    [
      "enum.ts",
      "enum Colour { Red }\nexport default Colour;",
      /^enum\.ts: expected TypeScript whose types can be left out, which is how Node runs it, got .*enum.*\. Fix: write a union of texts for an enum/,
    ],
    [
      "namespace.ts",
      "namespace A { export const b = 1; }\nexport default A;",
      /^namespace\.ts: expected TypeScript whose types can be left out/,
    ],
    [
      "parameter.ts",
      "class A { constructor(private b: number) {} }\nexport default A;",
      /^parameter\.ts: expected TypeScript whose types can be left out.*fields for parameter properties/,
    ],
    [
      "broken.ts",
      "export default {",
      /^broken\.ts: expected TypeScript that can be read, got .*\. Fix: correct it there/,
    ],
    [
      "nothing.ts",
      "export const plan = {};",
      /^nothing\.ts: expected a plan as its default export, got no default export\. Fix: export default definePlan\(/,
    ],
    [
      "function.ts",
      "export default () => ({});",
      /^function\.ts: expected a plan as its default export, got a function\. Fix: export what it returns/,
    ],
    ["number.ts", "export default 5;", /^plan: expected an object of fields, got 5/],
    ["empty.ts", "export default {};", /^plan: expected data, model, loss and optimizer, got no data/],
    [
      "throws.ts",
      "\n\nthrow new TypeError('no luck');",
      /^throws\.ts: expected a file that runs to its end, got TypeError: no luck \(line 3\)\. Fix: correct it there/,
    ],
    [
      "rejects.ts",
      "export default Promise.reject(new Error('later'));",
      /^rejects\.ts: expected a file that runs to its end, got Error: later/,
    ],
    [
      "import.ts",
      'import "no-such-package";\nexport default 1;',
      /^import\.ts: expected imports that exist, got .*no-such-package/,
    ],
    [
      "import2.ts",
      'import { nosuch } from "microbatch";\nexport default nosuch;',
      /^import2\.ts: expected TypeScript that can be read, got .*nosuch/,
    ],
    [
      "odd.ts",
      line.replace("batchSize: 20", "batchSise: 20"),
      /^plan: expected only data, .*got batchSise\. Fix: correct the name/,
    ],
    [
      "shape.ts",
      line.replace("[2 * value! + 1]", "[1, 2]"),
      /squaredError: expected .*\[batch, 1\], got \[batch, 2\]/,
    ],
  ];
  for (const [name, text, message] of refusals) {
    const { code, stderr, stdout } = await trainPlan(name, text);
    assert.equal(code, 2, `${name}: ${stderr}`);
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /\n {4}at /);
    assert.equal(stdout, "");
  }
  await mkdir(join(folder, "folder.ts"), { recursive: true });
  const instead = await microbatch("train", "folder.ts");
  assert.equal(
    instead.stderr,
    "folder.ts: expected a plan file, got no file of that name. Fix: name a file\n",
  );
  const missing = await microbatch("train", "nowhere.ts");
  assert.equal(missing.code, 2);
  assert.match(
    missing.stderr,
    /^nowhere\.ts: expected a plan file, got nothing of that name\. Fix: check the name\n$/,
  );
});

test("a plan's own functions may throw wherever they are called, and the message names their line", async () => {
  const change = (from: string, to: string) => line.replace(from, to);
  const thrown: readonly (readonly [string, string, string])[] = [
    [
      "model.ts",
      change("body(row.x)", "{ throw new TypeError('no luck'); }"),
      "TypeError: no luck (line 12)",
    ],
    [
      "rate.ts",
      change(
        "learningRate: 0.05",
        "learningRate: (step) => { if (step > 2) throw new Error('late'); return 0.1; }",
      ),
      "Error: late (line 14)",
    ],
    [
      "data.ts",
      change("data: all,", "data: { ...all, read: () => Promise.reject(new Error('gone')) },"),
      "Error: gone (line 11)",
    ],
    ["getter.ts", "export default {\n  get data() { throw new Error('got'); } };", "Error: got (line 2)"],
    ["nobody.ts", `${line}setTimeout(() => { throw new Error('alone'); }, 1);`, "Error: alone (line 20)"],
    ["promise.ts", `Promise.reject(new Error('alone'));${line}`, "Error: alone (line 1)"],
  ];
  for (const [name, text, got] of thrown) {
    const { code, stderr, stdout } = await trainPlan(name, text, "--json");
    const message = `${name}: expected code that runs to its end, got ${got}. Fix: correct it there`;
    assert.equal(stderr.trimEnd().split("\n").at(-1), message);
    assert.deepEqual(
      { code, record: record({ code, stderr, stdout }) },
      { code: 2, record: { error: { where: name, message } } },
    );
  }
});

test("a plan that ends the process, or waits for what never comes, is told; one that leaves a timer is ended", async () => {
  const message =
    "run: expected an end, got an exit before it. " +
    "Fix: look in the plan for process.exit, and for an await that nothing settles\n";
  for (const text of [
    "process.exit(0);",
    "await new Promise(() => {});",
    "export default new Promise(() => {});",
  ])
    assert.deepEqual(await trainPlan("exit.ts", text), { code: 2, stdout: "", stderr: message });
  const timed = await trainPlan("timer.ts", `${line}setInterval(() => {}, 1000);`);
  assert.equal(timed.code, 0, timed.stderr);
});

test("--test judges a plan's model on a file of its own, and --sampling and --last-batch draw its samples", async () => {
  const write = (name: string, header: string, row: (wave: number, index: number) => string) => {
    const lines = Array.from({ length: 90 }, (_, index) => row(Math.sin(index), index));
    return writeFile(join(folder, name), `${header}\n${lines.join("\n")}\n`);
  };
  await write("line.csv", "x,chance,y,w", (wave, index) => `${wave},${index % 7},${2 * wave},1`);
  // Other columns in another order; where the answer is wrong, the row counts for nothing.
  await write("rest.csv", "w,more,y,chance,x", (wave, index) =>
    index % 9 === 0 ? `0,?,77,0,${wave}` : `1,?,${2 * wave},0,${wave}`,
  );
  const text = `
import { adamw, afterEpochs, definePlan, encoder, linear, rmse, squaredError, statistics } from "microbatch";
import { table } from "microbatch/node";
import { fileURLToPath } from "node:url";

const path = fileURLToPath(new URL("line.csv", import.meta.url));
const { training, validation } = (await table(path, { target: "y", weight: "w" })).split();
const features = encoder(await statistics(training));
const body = linear(1);
export default definePlan({
  data: training,
  model: (row) => body(features(row)),
  loss: (predicted, row) => squaredError(predicted, row.y!),
  optimizer: adamw({ learningRate: 0.1 }),
  batchSize: 20,
  validation: { data: validation, metrics: { rmse: (predicted, row) => rmse(predicted, row.y!) } },
  stop: afterEpochs(30),
});
`;
  const judged = await trainPlan("table.ts", text, "--test", "rest.csv", "--json");
  assert.equal(judged.code, 0, judged.stderr);
  assert.ok(record(judged).test.rmse < 0.2, judged.stdout);
  const hashes = new Set([record(judged).parametersSha256]);
  const flags = [
    ["--sampling", "weighted:chance"],
    ["--sampling", "with-replacement"],
    ["--last-batch", "drop"],
  ];
  for (const words of flags) {
    const drawn = await trainPlan("table.ts", text, ...words, "--json");
    assert.equal(drawn.code, 0, drawn.stderr);
    hashes.add(record(drawn).parametersSha256);
  }
  assert.equal(hashes.size, 1 + flags.length);
  const lost = await trainPlan("table.ts", text, "--sampling", "stratified");
  assert.match(lost.stderr, /^--sampling stratified: expected one target of classes, got y, a number\./);
});

test("flags about a table's columns and model are refused beside a plan file", async () => {
  for (const words of [
    ["--target", "y"],
    ["--hidden", "none"],
    ["--class-weights", "balanced"],
  ]) {
    const { code, stderr } = await trainPlan("line.ts", line, ...words);
    assert.equal(code, 2);
    assert.equal(
      stderr,
      `${words[0]}: expected a table, whose columns it is about, got the plan file line.ts. Fix: say it in the plan\n`,
    );
  }
  const share = await trainPlan("line.ts", line, "--test", "0.2");
  assert.equal(
    share.stderr,
    "--test: expected a table of its own, since a plan divides its samples itself, got the share 0.2. " +
      "Fix: name a file, or divide the samples in the plan\n",
  );
  const noTable = await trainPlan("line.ts", line, "--test", "line.csv");
  assert.equal(
    noTable.stderr,
    "--test: expected a plan that trains on a table, by whose columns another can be read, " +
      "got one that trains on arrays. Fix: judge in the plan: (await fit(plan)).evaluate(test)\n",
  );
  const decay = await trainPlan("line.ts", line, "--weight-decay", "0.1");
  assert.match(
    decay.stderr,
    /^--weight-decay: expected --optimizer, since a plan's own rule decays as it was made, got none\./,
  );
  const schedule = await trainPlan("line.ts", line, "--schedule", "cosine");
  assert.match(
    schedule.stderr,
    /^--schedule: expected --steps or --epochs, over which it falls, got neither\./,
  );
});
