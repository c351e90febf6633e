/** The command line, run as a process, the way a person meets it. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const penguins = join(root, "examples/penguins/penguins.csv");

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "microbatch-cli-"));
});
after(() => rm(folder, { recursive: true, force: true }));

function microbatch(...words: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(root, "src/cli/main.ts"), ...words],
      { cwd: folder },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

const trainPenguins = (target: string, ...words: string[]) =>
  microbatch("train", penguins, "--target", target, "--json", ...words);
const record = ({ stdout }: Outcome) => JSON.parse(stdout.trim().split("\n").at(-1)!);

describe("microbatch train", () => {
  it("classifies, beats the majority, and says so in plain words and as JSON", async () => {
    const outcome = await trainPenguins("species", "--out", "species.onnx");
    assert.equal(outcome.code, 0, outcome.stderr);
    const result = record(outcome);
    assert.ok(result.validation.accuracy > 0.95 && result.baseline.accuracy < 0.5);
    assert.deepEqual(Object.keys(result.validation), Object.keys(result.baseline));
    assert.match(result.parametersSha256, /^[0-9a-f]{64}$/);
    assert.match(outcome.stderr, /The model beats the baseline: accuracy 0\.\d+ against 0\.\d+\./);
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.startsWith("species")),
      ["species.onnx"],
    );
  });

  it("regresses where the target is a number, and the linear model too beats the mean", async () => {
    for (const hidden of ["none", "16"]) {
      const result = record(
        await trainPenguins("body_mass_g", "--hidden", hidden, "--epochs", "100", "--learning-rate", "0.03"),
      );
      assert.equal(result.task, "regression");
      assert.ok(result.validation.rmse < 0.5 * result.baseline.rmse, JSON.stringify(result));
      assert.ok(result.validation.r2 > 0.75);
    }
  });

  it("gives the same bytes again, and other sizes of microbatches hardly another model", async () => {
    const few = ["--epochs", "3", "--out", "again.onnx"];
    const [one, two, small] = [
      record(await trainPenguins("sex", ...few)),
      record(await trainPenguins("sex", ...few)),
      record(await trainPenguins("sex", ...few, "--microbatch-size", "3", "--lanes", "2")),
    ];
    assert.equal(one.stateSha256, two.stateSha256);
    assert.equal(one.parametersSha256, two.parametersSha256);
    assert.notEqual(one.parametersSha256, small.parametersSha256);
    assert.ok(Math.abs(one.validation.loss - small.validation.loss) < 1e-4);
  });

  it("refuses bad input with exit code 2, one clear line, and what to type", async () => {
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [["train", penguins], /required option '--target <column>' not specified/],
      [["train", penguins, "--target", "specis"], /expected .*species.*, got "specis"\. Fix: .*"species"/],
      [["train", "nowhere.csv", "--target", "x"], /nowhere\.csv: expected .*Fix: /],
      [["train", penguins, "--target", "species", "--epochs", "0"], /Expected a whole number from 1 on\./],
      [
        ["train", penguins, "--target", "species", "--bach-size", "3"],
        /unknown option '--bach-size'\n\(Did you mean --batch-size\?\)/,
      ],
      [["predict", penguins, penguins], /penguins\.csv: expected an ONNX file/],
      [["tran"], /unknown command 'tran'\n\(Did you mean train\?\)/],
    ];
    for (const [words, message] of cases) {
      const { code, stderr, stdout } = await microbatch(...words);
      assert.equal(code, 2, `${words.join(" ")}: ${stderr}`);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /\n {4}at /); // no stack
      assert.equal(stdout, "");
    }
  });
});

describe("microbatch predict", () => {
  it("adds a prediction and a probability per class to raw rows, missing values and unseen categories included", async () => {
    await trainPenguins("species", "--out", "species.onnx");
    const header = "species,island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex";
    await writeFile(
      join(folder, "new.csv"),
      `${header}\n,Biscoe,50,15,230,5600,male\nx,Atlantis,39,18,NA,,?\n`,
    );
    const { code, stderr } = await microbatch("predict", "species.onnx", "new.csv", "--out", "out.csv");
    assert.equal(code, 0, stderr);
    const [names, first, second] = (await readFile(join(folder, "out.csv"), "utf8")).trim().split("\n");
    assert.equal(
      names,
      `${header},prediction,probability of Adelie,probability of Chinstrap,probability of Gentoo`,
    );
    assert.match(first!, /^,Biscoe,50,15,230,5600,male,Gentoo,/);
    assert.match(second!, /^x,Atlantis,39,18,,,,Adelie,/);
    for (const line of [first!, second!]) {
      const sum = line
        .split(",")
        .slice(-3)
        .reduce((total, text) => total + Number(text), 0);
      assert.ok(Math.abs(sum - 1) < 1e-6);
    }
  });

  it("names what the table lacks", async () => {
    await writeFile(join(folder, "short.csv"), "island,sex\nBiscoe,male\n");
    const { code, stderr } = await microbatch("predict", "species.onnx", "short.csv");
    assert.equal(code, 2);
    assert.match(stderr, /^short\.csv: expected the model's columns .*, got no bill_length_mm, /);
  });
});
