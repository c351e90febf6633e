/** What hostile and clumsy users do: each ends in one clear line, never in a crash, a hang or a half-written file. */
import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, statSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { add, buildProgram, encodeOnnx, input, sgd, sum, train, whenStale } from "../src/index.ts";
import { loadModel } from "../src/node.ts";
import { plan } from "./plan.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
const folder = temporaryFolder();
before(async () => {
  await writeFile(join(folder, "line.csv"), csv(["a", "b", "y"]));
  assert.equal((await microbatch("train", "line.csv", "--target", "y", ...quick)).code, 0);
});

const quick = ["--epochs", "2", "--hidden", "none"];

/** Forty rows of numbers under the given names. */
function csv(names: readonly string[]): string {
  const fields = names.map((name) => `"${name.replaceAll('"', '""')}"`);
  const rows = Array.from({ length: 40 }, (_, row) =>
    names.map((_, column) => (Math.sin(row * (column + 1)) * 3).toFixed(3)).join(","),
  );
  return `${fields.join(",")}\n${rows.join("\n")}\n`;
}

function microbatch(...words: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...words], { cwd: folder }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

test("a place that cannot be written to is refused before the training, not behind it", async () => {
  const { code, stderr } = await microbatch("train", "line.csv", "--target", "y", "--out", "none/m.onnx");
  assert.equal(code, 2);
  const none = join(folder, "none");
  assert.equal(
    stderr,
    `write none/m.onnx: expected the folder ${none}, got none of that name. Fix: create it: mkdir -p ${none}\n`,
  );
  const predicting = await microbatch("predict", "model.onnx", "line.csv", "--out", "/dev/full");
  assert.equal(
    predicting.stderr,
    "write /dev/full: expected a file, got a device or a pipe. Fix: name a file\n",
  );
});

test("sizes that cannot be are refused in the words of the command line, and those of the data are cut to it", async () => {
  const sizes = ["--batch-size", "32", "--microbatch-size", "64"];
  const refused = await microbatch("train", "line.csv", "--target", "y", ...sizes);
  assert.equal(refused.code, 2);
  assert.equal(
    refused.stderr,
    "--microbatch-size: expected at most --batch-size (32), got 64. Fix: a batch is one or more microbatches: " +
      "lower --microbatch-size or raise --batch-size\n",
  );
  for (const [option, value, expected] of [
    ["--lanes", "1025", "Expected a whole number from 1 to 1024."],
    ["--weight-decay", "-1", "Expected a number from 0 on."],
    ["--validation", "1", "Expected a share above 0 and below 1, or a table's file name."],
  ]) {
    const { code, stderr } = await microbatch("train", "line.csv", "--target", "y", option!, value!);
    assert.equal(code, 2);
    assert.ok(stderr.includes(`argument '${value}' is invalid. ${expected}`), stderr);
  }
  const huge = ["--batch-size", "1000000000", "--microbatch-size", "1000000000"];
  const { code, stdout } = await microbatch(
    "train",
    "line.csv",
    "--target",
    "y",
    "--json",
    ...huge,
    ...quick,
  );
  assert.equal(code, 0);
  assert.equal(JSON.parse(stdout).microbatchSize, JSON.parse(stdout).batchSize);
});

test("a run that diverges before its first evaluation names the step, fails, and leaves the old model alone", async () => {
  const before = await readFile(join(folder, "model.onnx"));
  const { code, stderr } = await microbatch("train", "line.csv", "--target", "y", "--learning-rate", "1e30");
  assert.equal(code, 1);
  assert.match(stderr, /\nstep 2, microbatch 0: the loss became NaN or infinite; samples /);
  assert.match(
    stderr,
    /\nNo model is saved: the run diverged at step 2, before its first evaluation\. Try a lower --learning-rate, or --clip 1\.\n$/,
  );
  assert.deepEqual(await readFile(join(folder, "model.onnx")), before);
});

test("Ctrl-C finishes the step, says so and saves the best model; twice, it ends at once and leaves no half", async () => {
  const interrupted = async (times: number) => {
    const out = `interrupted${times}.onnx`;
    const words = ["train", "line.csv", "--target", "y", "--out", out, "--epochs", "1000000"];
    const child = spawn(process.execPath, [main, ...words, "--patience", "1000000"], { cwd: folder });
    let stderr = "";
    child.stderr.on("data", (text) => {
      // The first line of progress: training is under way.
      if (!stderr.includes("epoch") && String(text).includes("epoch"))
        for (let count = 0; count < times; count++) setTimeout(() => child.kill("SIGINT"), 300 + count);
      stderr += text;
    });
    const [code, signal] = await once(child, "close");
    return { code, signal, stderr, isSaved: existsSync(join(folder, out)) };
  };
  const one = await interrupted(1);
  assert.equal(one.code, 0, one.stderr);
  assert.match(one.stderr, /\ninterrupted: this step is finished and the best model saved; Ctrl-C again/);
  assert.match(one.stderr, /\nStopped: interrupted\.\n(.*\n)+Saved interrupted1\.onnx/);
  assert.ok(one.isSaved);
  const two = await interrupted(2);
  if (two.isSaved) assert.equal(two.code, 0, "so quick that the second came too late");
  else assert.equal(two.signal, "SIGINT");
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.endsWith(".tmp")),
    [],
  );
});

test("a prediction that is interrupted leaves neither half a table nor a temporary file", async () => {
  await writeFile(join(folder, "endless.csv"), `a,b\n${"1,2\n".repeat(3_000_000)}`);
  const before = (await readdir(folder)).sort();
  const words = ["predict", "model.onnx", "endless.csv", "--out", "never.csv"];
  const child = spawn(process.execPath, [main, ...words], { cwd: folder });
  let stderr = "";
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  const timer = setInterval(() => {
    const added = readdirSync(folder).find((name) => !before.includes(name));
    const size =
      added === undefined ? 0 : (statSync(join(folder, added), { throwIfNoEntry: false })?.size ?? 0);
    if (size === 0) return; // not yet writing
    clearInterval(timer);
    child.kill("SIGINT");
  }, 20);
  const [code] = await once(child, "close");
  clearInterval(timer);
  assert.equal(code, 1, stderr);
  assert.equal(stderr, "interrupted: never.csv is not written\n");
  assert.deepEqual((await readdir(folder)).sort(), before);
});

test("a reader that has seen enough ends nothing, and a full disk behind standard output is told in a line", async () => {
  await writeFile(join(folder, "long.csv"), `a,b\n${"1,2\n".repeat(50_000)}`);
  const shell = (line: string) =>
    execFileSync("bash", ["-c", `set -o pipefail; ${line}`, process.execPath, main], {
      cwd: folder,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  assert.equal(shell(`"$0" "$1" predict model.onnx long.csv | head -1`), "a,b,prediction\n");
  shell(`"$0" "$1" train line.csv --target y --out unseen.onnx 2>&1 >/dev/null | head -1`);
  assert.ok(existsSync(join(folder, "unseen.onnx")), "the model is saved although nobody reads the report");
  if (process.platform !== "linux") return;
  assert.throws(() => shell(`"$0" "$1" predict model.onnx long.csv > /dev/full`), {
    status: 1,
    stderr: "write standard output: ENOSPC: no space left on device, write\n",
  });
});

test("a text that training would refuse is refused in prediction too, naming the table", async () => {
  for (const value of ["0x10", "Infinity", "1e39", "hello"]) {
    await writeFile(join(folder, "odd.csv"), `a,b\n1,2\n${value},2\n`);
    const { code, stderr } = await microbatch("predict", "model.onnx", "odd.csv");
    assert.equal(code, 2);
    assert.equal(
      stderr,
      `odd.csv, line 3, column "a": expected a number that fits float32, got "${value}". ` +
        "Fix: correct the value, or leave it empty if it is missing\n",
    );
  }
});

test("a table that has a column called prediction keeps it, and the model's gets another name", async () => {
  await writeFile(join(folder, "again.csv"), "a,b,prediction,__proto__\n1,2,mine,own\n3,4,yours,own\n");
  const { code, stdout } = await microbatch("predict", "model.onnx", "again.csv");
  assert.equal(code, 0);
  assert.match(stdout, /^a,b,prediction,__proto__,prediction 2\n1,2,mine,own,-?[\d.]+\n/);
});

test("a model of somebody else is refused when it is loaded, or when its output has no rows", async () => {
  const path = join(folder, "other.onnx");
  const write = (outputs: Parameters<typeof buildProgram>[0]["outputs"]) =>
    writeFile(path, encodeOnnx(buildProgram({ name: "other", outputs })));
  const whole = input("count", ["batch"], "int64");
  await write({ prediction: add(whole, whole) });
  await assert.rejects(loadModel(path), {
    message:
      `${path}, input "count": expected float32, int32, uint8 or one text for each of any number of rows, ` +
      "got int64 [batch]. Fix: load a model that this package has saved",
  });
  await write({ prediction: sum(input("a", ["batch", 1]), { axes: [0], keepDims: true }) });
  const model = await loadModel(path);
  await assert.rejects(model.predict({ a: [1, 2, 3] }), {
    message:
      `${path}, predict, output "prediction": expected one row for each of 3 rows, got [1, 1]. ` +
      "Fix: load a model that keeps the batch axis",
  });
  await model.close();
});

test("a saved model refuses rows that its columns cannot hold", async () => {
  const path = join(folder, "whole.onnx");
  const inputs = [input("codes", ["batch", 2], "int32"), input("constructor", ["batch"])] as const;
  const outputs = { codes2: add(inputs[0], inputs[0]), constructor2: add(inputs[1], inputs[1]) };
  await writeFile(path, encodeOnnx(buildProgram({ name: "whole", outputs })));
  const model = await loadModel(path);
  const refusals: [Record<string, never>, string][] = [
    [
      {},
      "expected columns codes, constructor, got no codes, constructor. Fix: add the columns, empty where a value is missing",
    ],
    [
      { codes: [[1, 2]], constructor: [1, 2] },
      "expected columns of one length, at least 1, got codes 1, constructor 2. Fix: give every column one value per row",
    ],
    [
      { codes: [[1, 2], [3]], constructor: [1, 2] },
      'column "codes", row 1: expected 2 numbers, got 1. Fix: give every row the shape the model was trained on',
    ],
    [
      { codes: [[1, null]], constructor: [1] },
      'column "codes", row 0: expected a whole number from -2147483648 to 2147483647 (int32), got none. ' +
        "Fix: correct the value: only columns of float32 may miss one",
    ],
    [
      { codes: [[1, 2.5]], constructor: [1] },
      'column "codes", row 0: expected a whole number from -2147483648 to 2147483647 (int32), got 2.5. ' +
        "Fix: correct the value: only columns of float32 may miss one",
    ],
    // As callers without types write them.
  ] as unknown as [Record<string, never>, string][];
  for (const [rows, message] of refusals) {
    const separator = message.startsWith("column") ? ", " : ": ";
    await assert.rejects(model.predict(rows), { message: `${path}, predict${separator}${message}` });
  }
  for (const [rows, got] of [
    [null, "null"],
    [{ codes: 5 }, '5 for "codes"'],
  ] as const) {
    await assert.rejects(model.predict(rows as unknown as Record<string, never>), {
      message:
        `${path}, predict: expected an object with a list of values for each column, got ${got}. ` +
        "Fix: for example predict({ a: [1, 2], b: [3, null] })",
    });
  }
  const { codes2, constructor2 } = await model.predict({ codes: [[1, 2]], constructor: [null] });
  assert.deepEqual([...codes2!.data], [2, 4]);
  assert.deepEqual([...constructor2!.data], [Number.NaN]);
  await model.close();
  await model.close(); // twice does no harm
});

test("an evaluation that is undefined is not taken for the best, so later ones can be better", () => {
  const rule = whenStale("validation.auc", { patience: 3, better: "higher" });
  let { initial: state }: { initial: { best: number | null; stale: number } } = rule;
  const reasons = [Number.NaN, 0.5, 0.6, 0.7, 0.8, Number.NaN, 0.8, 0.8].map((auc, step) => {
    const metrics = { "validation.auc": auc };
    const next = rule.next(state, { type: "evaluated", step, epoch: 0, metrics, isBest: false, seconds: 0 });
    state = next.state;
    return next.reason;
  });
  assert.equal(
    reasons.findIndex((reason) => reason !== undefined),
    7,
  );
});

test("an evaluation that is infinite is never the best", async () => {
  const optimizer = sgd({ learningRate: 1e36 });
  const validation = { data: plan({}).data, every: 1 };
  const seen: [number, boolean][] = [];
  for await (const event of train({ ...plan({}), optimizer, validation })) {
    if (event.type === "evaluated") seen.push([event.metrics["validation.loss"]!, event.isBest]);
  }
  assert.ok(seen.length > 0 && seen.every(([loss, isBest]) => !Number.isFinite(loss) && !isBest), `${seen}`);
});
