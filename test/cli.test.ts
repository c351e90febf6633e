/** The command line, run as a process, the way a person meets it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { microbatchIn, microbatchInOneProcess, type Outcome } from "./command-line.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const penguins = fileURLToPath(new URL("../examples/penguins/penguins.csv", import.meta.url));
const folder = temporaryFolder();
const microbatch = microbatchIn(folder);

/** Runs what must succeed, and gives the JSON it ends with. */
async function record(...words: string[]): Promise<Record<string, never> & Json> {
  const outcome = await microbatch(...words, "--json");
  assert.equal(outcome.code, 0, outcome.stderr);
  return lastLine(outcome);
}
// What JSON.parse gives; the tests look at what is in it.
type Json = ReturnType<typeof JSON.parse>;
const lastLine = ({ stdout }: Outcome): Json => JSON.parse(stdout.trim().split("\n").at(-1)!);
const trainPenguins = (target: string, ...words: string[]) =>
  record("train", penguins, "--target", target, ...words);
const few = ["--epochs", "3", "--out", "few.onnx"];

describe("microbatch train", () => {
  it("classifies, beats the majority, and says so in plain words and as JSON", async () => {
    const outcome = await microbatch(
      "train",
      penguins,
      "--target",
      "species",
      "--json",
      "--out",
      "species.onnx",
    );
    assert.equal(outcome.code, 0, outcome.stderr);
    const result = lastLine(outcome);
    assert.equal(result.task, "multi-class");
    assert.ok(result.validation.accuracy > 0.95 && result.baseline.accuracy < 0.5);
    assert.deepEqual(Object.keys(result.validation), ["loss", "accuracy", "logLoss", "auc", "f1"]);
    assert.deepEqual(Object.keys(result.baseline), Object.keys(result.validation));
    assert.match(result.parametersSha256, /^[0-9a-f]{64}$/);
    for (const key of [
      "steps",
      "epochs",
      "samples",
      "batchSize",
      "microbatchSize",
      "lanes",
      "threads",
      "seconds",
      "samplesPerSecond",
      "trainLoss",
      "peakBytes",
    ])
      assert.ok(result[key] > 0, key);
    assert.equal(result.model, "species.onnx");
    assert.match(
      outcome.stderr,
      /The model beats the baseline: accuracy 0\.\d+ against 0\.\d+ \(always Adelie, the commonest class\)\./,
    );
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.startsWith("species")),
      ["species.onnx"],
    );
  });

  it("regresses where the target is a number, and the linear model too beats the mean", async () => {
    for (const hidden of ["none", "16"]) {
      const result = await trainPenguins(
        "body_mass_g",
        "--hidden",
        hidden,
        "--learning-rate",
        "0.03",
        "--epochs",
        "100",
      );
      assert.equal(result.task, "regression");
      assert.deepEqual(Object.keys(result.validation), ["loss", "rmse", "mae", "r2"]);
      assert.ok(result.validation.rmse < 0.5 * result.baseline.rmse, JSON.stringify(result));
      assert.ok(result.validation.r2 > 0.75);
    }
  });

  it("gives the same bytes again, and other sizes of microbatches hardly another model", async () => {
    const [one, two, small] = [
      await trainPenguins("sex", ...few),
      await trainPenguins("sex", ...few),
      await trainPenguins("sex", ...few, "--microbatch-size", "3", "--lanes", "2"),
    ];
    assert.equal(one.task, "binary");
    assert.equal(one.stateSha256, two.stateSha256);
    assert.equal(one.parametersSha256, two.parametersSha256);
    assert.notEqual(one.parametersSha256, small.parametersSha256);
    assert.ok(Math.abs(one.validation.loss - small.validation.loss) < 1e-4);
  });

  it("predicts several targets at once, numbers and classes, each against its own baseline", async () => {
    const outcome = await microbatch(
      ...[
        "train",
        penguins,
        "--target",
        "species",
        "--target",
        "body_mass_g",
        "--json",
        "--out",
        "both.onnx",
      ],
    );
    assert.equal(outcome.code, 0, outcome.stderr);
    const { task, targets, validation, baseline } = lastLine(outcome);
    assert.deepEqual({ task, targets }, { task: "several", targets: ["species", "body_mass_g"] });
    assert.ok(validation["species.accuracy"] > 0.95 && baseline["species.accuracy"] < 0.5);
    assert.ok(validation["body_mass_g.rmse"] < 0.5 * baseline["body_mass_g.rmse"]);
    assert.equal(outcome.stderr.match(/The model beats the baseline/g)?.length, 2);
    const { code, stdout } = await microbatch("predict", "both.onnx", penguins);
    assert.equal(code, 0);
    assert.match(
      stdout,
      /,prediction of species,probability of species = Adelie,probability of species = Chinstrap,probability of species = Gentoo,prediction of body_mass_g\n/,
    );
  });

  it("every flag changes the run it is given to", async (context) => {
    const plain = await trainPenguins("species", ...few);
    const flags: readonly (readonly string[])[] = [
      ["--batch-size", "16"],
      ["--learning-rate", "0.01"],
      ["--optimizer", "sgd"],
      ["--schedule", "cosine"],
      ["--weight-decay", "0.5"],
      ["--seed", "1"],
      ["--hidden", "16"],
      ["--validation", "0.3"],
      ["--group", "island"],
      ["--time", "bill_depth_mm", "--drop-missing", "bill_depth_mm"],
      ["--test", "0.2"],
      ["--ignore", "island"],
      ["--type", "island=Torgersen<Biscoe<Dream"],
      ["--fill", "sex=mode"],
      ["--fill", "sex=mode", "--without-indicator", "sex"],
      ["--class-weights", "balanced"],
      ["--sampling", "with-replacement"],
      ["--sampling", "stratified"],
      ["--sampling", "stratified:sex"],
      ["--sampling", "class-balanced"],
      ["--last-batch", "drop"],
      ["--last-batch", "carry"],
      ["--clip", "0.01"],
      ["--dropout", "0.2"],
      ["--epochs", "2"],
      ["--steps", "5"],
    ];
    const { run, end } = microbatchInOneProcess(folder); // a process for each of them takes ten times as long
    context.after(end);
    const hashes: string[] = [];
    for (const flag of flags) {
      const outcome = await run("train", penguins, "--target", "species", ...few, ...flag, "--json");
      assert.equal(outcome.code, 0, outcome.stderr);
      hashes.push(lastLine(outcome).parametersSha256);
    }
    for (const [index, hash] of hashes.entries())
      assert.notEqual(hash, plain.parametersSha256, flags[index]!.join(" "));
    assert.equal(new Set(hashes).size, hashes.length);
    // An average judges other weights and trains the same ones.
    const averaged = await trainPenguins("species", ...few, "--ema", "0.9");
    assert.equal(averaged.parametersSha256, plain.parametersSha256);
    assert.notEqual(averaged.validation.loss, plain.validation.loss);
  });

  it("stops where it was told to: steps, epochs, patience, or a metric that is good enough", async () => {
    const stopped = async (...words: string[]) => (await trainPenguins("species", ...words)).stopReason;
    assert.equal(await stopped("--steps", "7"), "7 steps done");
    assert.equal(await stopped("--epochs", "2"), "2 epochs done");
    assert.match(
      await stopped("--until", "validation.accuracy>=0.9"),
      /^validation\.accuracy is 0\.9\d*|1, at least 0\.9 was/,
    );
    assert.match(
      await stopped("--patience", "2", "--learning-rate", "0.1"),
      /has not improved for 2 evaluations/,
    );
  });

  it("judges by files of their own, with codes as in training and categories it has never seen", async () => {
    const [header, ...lines] = (await readFile(penguins, "utf8")).trim().split("\n");
    const part = (remainder: number) => lines.filter((_, index) => index % 5 === remainder);
    const write = (name: string, rows: readonly string[]) =>
      writeFile(join(folder, name), `${[header, ...rows].join("\n")}\n`);
    await write("judge.csv", part(0));
    await write("test.csv", [...part(1), "Gentoo,Atlantis,47,15,215,5000,female"]);
    await write("rest.csv", [...part(2), ...part(3), ...part(4)]);
    const result = await record(
      ...[
        "train",
        "rest.csv",
        "--target",
        "species",
        "--validation",
        "judge.csv",
        "--test",
        "test.csv",
        "--out",
        "judged.onnx",
      ],
    );
    assert.ok(result.validation.accuracy > 0.95 && result.test.accuracy > 0.95, JSON.stringify(result));
    assert.equal(result.testBaseline.auc, 0.5);
    // The saved model, fed the raw rows, comes to the same.
    for (const [file, metrics] of [
      ["judge.csv", result.validation],
      ["test.csv", result.test],
    ] as const) {
      const judged = await record("evaluate", "judged.onnx", file);
      for (const [name, value] of Object.entries(judged.metrics)) {
        // float32 probabilities carry seven digits of the logits that training judged
        assert.ok(
          Math.abs(Number(value) - metrics[name]) < 1e-5,
          `${file} ${name}: ${value} and ${metrics[name]}`,
        );
      }
      assert.deepEqual(
        judged.baseline.accuracy,
        (file === "judge.csv" ? result.baseline : result.testBaseline).accuracy,
      );
    }
  });

  it("weighs rows: those of weight 0 might as well not be there", async () => {
    const rows = Array.from({ length: 60 }, (_, i) => {
      const isWrong = i % 3 === 0;
      return `${Math.sin(i)},${isWrong ? 1000 : 2 * Math.sin(i)},${isWrong ? 0 : 1}`;
    });
    await writeFile(join(folder, "weighed.csv"), `x,y,importance\n${rows.join("\n")}\n`);
    const weighed = await record(
      "train",
      "weighed.csv",
      "--target",
      "y",
      "--weight",
      "importance",
      "--hidden",
      "none",
      "--learning-rate",
      "0.1",
      "--out",
      "weighed.onnx",
    );
    const blind = await record(
      "train",
      "weighed.csv",
      "--target",
      "y",
      "--ignore",
      "importance",
      "--hidden",
      "none",
      "--learning-rate",
      "0.1",
      "--out",
      "blind.onnx",
    );
    assert.ok(weighed.validation.rmse < 1, JSON.stringify(weighed));
    assert.ok(blind.validation.rmse > 100, JSON.stringify(blind));
  });

  it("is compared with the trivial model of weighed rows, which weight 0 does not touch", async () => {
    const rows = Array.from({ length: 60 }, (_, i) => {
      const weight = i % 3;
      const x = weight === 0 ? 1e20 : Math.sin(i);
      return `${x},${weight === 0 ? -500 : 2 * Math.sin(i) + weight},${weight === 2 ? "often" : "rare"},${weight ** 3}`;
    });
    for (const name of ["weighed.csv", "judged.csv"])
      await writeFile(join(folder, name), `x,y,kind,w\n${rows.join("\n")}\n`);
    const judged = async (target: string, other: string) =>
      record(
        ...["train", "weighed.csv", "--validation", "judged.csv", "--target", target, "--ignore", other],
        ...["--weight", "w", "--hidden", "none", "--learning-rate", "0.1", "--out", "weighed.onnx"],
      );
    const number = await judged("y", "kind");
    assert.ok(Math.abs(number.baseline.r2) < 1e-9 && number.validation.r2 > 0.9, JSON.stringify(number));
    const kind = await judged("kind", "y");
    assert.ok(Math.abs(kind.baseline.accuracy - 8 / 9) < 1e-6, JSON.stringify(kind)); // 20 of weight 8, 20 of weight 1
  });

  it("and evaluate weighs rows as training does: by how much they count", async () => {
    const [header, ...lines] = (await readFile(penguins, "utf8")).trim().split("\n");
    const weightOf = (index: number) => index % 4;
    const write = (name: string, rows: readonly string[]) =>
      writeFile(join(folder, name), `${rows.join("\n")}\n`);
    await write("weights.csv", [`${header},w`, ...lines.map((line, index) => `${line},${weightOf(index)}`)]);
    await write("repeated.csv", [
      header!,
      ...lines.flatMap((line, index) => Array(weightOf(index)).fill(line)),
    ]);
    await trainPenguins("species", ...few, "--ignore", "sex", "--out", "judge.onnx");
    const weighed = await record("evaluate", "judge.onnx", "weights.csv", "--weight", "w");
    const repeated = await record("evaluate", "judge.onnx", "repeated.csv");
    assert.equal(weighed.weight, "w");
    assert.equal(weighed.judged, lines.filter((_, index) => weightOf(index) > 0).length);
    // Sums in float64 in another order, of which seven digits are certain.
    for (const kind of ["metrics", "baseline"])
      for (const [name, value] of Object.entries<number>(repeated[kind]))
        assert.ok(
          Math.abs(weighed[kind][name] - value) < 1e-7,
          `${kind} ${name}: ${weighed[kind][name]}, ${value}`,
        );
    const { stdout } = await microbatch("evaluate", "judge.onnx", "weights.csv", "--weight", "w");
    assert.match(
      stdout,
      /^weights\.csv: 258 rows judged by species; 86 without an answer, or of weight 0, are left out\n/,
    );
  });

  it("draws samples as often as a column says: those of weight 0 might as well not be there", async () => {
    const rows = Array.from({ length: 120 }, (_, i) => {
      const isWrong = i % 3 === 0;
      return `${Math.sin(i)},${isWrong ? 1000 : 2 * Math.sin(i)},${isWrong ? 0 : 1}`;
    });
    await writeFile(join(folder, "drawn.csv"), `x,y,chance\n${rows.join("\n")}\n`);
    const { trainLoss } = await record(
      ...["train", "drawn.csv", "--target", "y", "--sampling", "weighted:chance", "--hidden", "none"],
      ...["--learning-rate", "0.1", "--out", "drawn.onnx"],
    );
    assert.ok(trainLoss < 1e-3, String(trainLoss));
  });

  it("holds out whole groups, or the latest rows, by columns that are no features", async () => {
    const rows = Array.from({ length: 300 }, (_, i) => {
      const [customer, day] = [i % 30, `2024-0${1 + (i % 9)}-1${i % 7}`];
      // Customers have an answer of their own: who has seen them knows it, who has not can only guess.
      return `${Math.sin(i * i).toFixed(3)},c${customer},${day},${(7919 * customer) % 101}`;
    });
    await writeFile(join(folder, "visits.csv"), `x,customer,day,y\n${rows.join("\n")}\n`);
    const judged = (...words: string[]) =>
      microbatch(
        "train",
        "visits.csv",
        "--target",
        "y",
        "--epochs",
        "40",
        "--json",
        "--out",
        "visits.onnx",
        ...words,
      );
    const mixed = await judged("--type", "customer=category", "--ignore", "day");
    assert.ok(lastLine(mixed).validation.r2 > 0.5, mixed.stdout);
    const apart = await judged("--group", "customer", "--ignore", "day");
    assert.ok(lastLine(apart).validation.r2 < 0.2, apart.stdout);
    assert.match(apart.stderr, /\n {2}features {2}1 number column\n/);
    const late = await judged(
      "--time",
      "day",
      "--ignore",
      "customer",
      "--validation",
      "0.1",
      "--test",
      "0.1",
    );
    assert.equal(late.code, 0, late.stderr);
    // The nearest changes of the day: there are five rows of each at most.
    const [, training, validation] = /on (\d+) samples; (\d+) to validate, \d+ to test/
      .exec(late.stderr)!
      .map(Number);
    assert.ok(Math.abs(training! - 240) <= 5 && Math.abs(validation! - 30) <= 10, late.stderr);
  });

  it("balances classes: the rare one is found more often", async () => {
    const rows = Array.from({ length: 600 }, (_, i) => {
      const isRare = i % 12 === 0;
      return `${Math.sin(i * i) + (isRare ? 1 : 0)},${Math.cos(3 * i)},${isRare ? "rare" : "common"}`;
    });
    await writeFile(join(folder, "rare.csv"), `a,b,kind\n${rows.join("\n")}\n`);
    const found = async (...words: string[]) => {
      await record(
        "train",
        "rare.csv",
        "--target",
        "kind",
        "--hidden",
        "none",
        "--out",
        "rare.onnx",
        ...words,
      );
      const { stdout } = await microbatch("predict", "rare.onnx", "rare.csv");
      const rare = stdout.split("\n").filter((line) => line.split(",")[2] === "rare");
      return rare.filter((line) => line.split(",")[3] === "rare").length / rare.length;
    };
    const [plain, balanced] = [await found(), await found("--class-weights", "balanced")];
    assert.ok(plain < 0.4 && balanced > 0.6, `${plain} and ${balanced} of the rare class are found`);
  });

  it("reads packed and tab-separated tables as it reads CSV", async () => {
    const text = await readFile(penguins, "utf8");
    await writeFile(join(folder, "packed.csv.gz"), gzipSync(text));
    await writeFile(join(folder, "tabs.tsv"), text.replaceAll(",", "\t"));
    const hashes = await Promise.all(
      [penguins, "packed.csv.gz", "tabs.tsv"].map(
        async (path, index) =>
          (await record("train", path, "--target", "species", "--epochs", "2", "--out", `read${index}.onnx`))
            .parametersSha256,
      ),
    );
    assert.equal(new Set(hashes).size, 1);
  });
});

describe("microbatch cache", () => {
  it("keeps a table, gives the same bytes from it, lists it and clears it", async () => {
    const own = ["--cache", join(folder, "kept")];
    const plain = await trainPenguins("species", ...few);
    const first = await microbatch("train", penguins, "--target", "species", ...few, ...own);
    assert.match(first.stderr, /^\S+penguins\.csv: reading it once into the cache, /);
    const second = await microbatch("train", penguins, "--target", "species", ...few, ...own, "--json");
    assert.doesNotMatch(second.stderr, /reading it once/);
    assert.equal(lastLine(second).stateSha256, plain.stateSha256);
    const place = ["--folder", join(folder, "kept")];
    const listed = await microbatch("cache", "list", ...place);
    assert.match(listed.stdout, /kept: 1 cache, \S+ MiB\n.* 344 samples .*penguins\.csv\n$/);
    const [cache] = (await record("cache", "list", ...place)).caches;
    assert.deepEqual([cache.name, cache.samples], [penguins, 344]);
    assert.match(
      (await microbatch("cache", "clear", "other.csv", ...place)).stdout,
      /nothing was made from other\.csv\n$/,
    );
    assert.match(
      (await microbatch("cache", "clear", penguins, ...place)).stdout,
      /penguins\.csv\nRemoved 1 cache, /,
    );
    assert.match((await microbatch("cache", "list", ...place)).stdout, /kept: empty\n$/);
  });
});

describe("microbatch predict", () => {
  const header = "species,island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex";

  it("adds a prediction and a probability per class to raw rows, missing values and unseen categories included", async () => {
    await trainPenguins("species", "--out", "species.onnx");
    await writeFile(
      join(folder, "new.csv"),
      `${header}\n,Biscoe,50,15,230,5600,male\nx,Atlantis,39, 18,NA,,?\n`,
    );
    const { code, stderr } = await microbatch("predict", "species.onnx", "new.csv", "--out", "out.csv");
    assert.equal(code, 0, stderr);
    assert.match(
      stderr,
      /^Predicted 2 rows in \S+ s \(\S+ a second\); saved out\.csv\.\nbeware: new\.csv, column "island": 1 of 2 rows have a category that the training table did not have, such as "Atlantis"\n$/,
    );
    const [names, first, second] = (await readFile(join(folder, "out.csv"), "utf8")).trim().split("\n");
    assert.equal(
      names,
      `${header},prediction,probability of Adelie,probability of Chinstrap,probability of Gentoo`,
    );
    assert.match(first!, /^,Biscoe,50,15,230,5600,male,Gentoo,/);
    assert.match(second!, /^x,Atlantis,39, 18,NA,,\?,Adelie,/); // as it stood in the file
    for (const line of [first!, second!]) {
      const sum = line
        .split(",")
        .slice(-3)
        .reduce((total, text) => total + Number(text), 0);
      assert.ok(Math.abs(sum - 1) < 1e-6);
    }
  });

  it("keeps columns without a name, as spreadsheets and data frames write for the number of a row", async () => {
    await trainPenguins("species", ...few);
    const row = "Biscoe,50,15,230,5600,male";
    await writeFile(
      join(folder, "numbered.csv"),
      `,island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex,\n7,${row},"a,b"\n8,${row},\n`,
    );
    const { code, stdout, stderr } = await microbatch("predict", "few.onnx", "numbered.csv");
    assert.equal(code, 0, stderr);
    assert.match(
      stdout,
      /^,island,.*,sex,,prediction,probability of .*\n7,Biscoe,.*,male,"a,b",\w+,.*\n8,Biscoe,.*,male,,\w+,/,
    );
  });

  it("is what plain ONNX Runtime gives for the raw rows", async () => {
    await trainPenguins("species", "--out", "species.onnx");
    const { stdout } = await microbatch("predict", "species.onnx", penguins);
    const predicted = stdout
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => line.split(","));
    const raw = (await readFile(penguins, "utf8"))
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => line.split(","));
    process.env.ORT_DISABLE_TELEMETRY = "1";
    const { InferenceSession, Tensor } = await import("onnxruntime-node");
    const session = await InferenceSession.create(join(folder, "species.onnx"));
    const column = (index: number) => raw.map((fields) => fields[index]!);
    const numbers = (index: number) =>
      new Tensor(
        "float32",
        Float32Array.from(column(index), (text) =>
          text === "" || text === "NA" ? Number.NaN : Number(text),
        ),
        [raw.length, 1],
      );
    const texts = (index: number) => new Tensor("string", column(index), [raw.length]);
    const { prediction, probabilities } = await session.run({
      island: texts(1),
      bill_length_mm: numbers(2),
      bill_depth_mm: numbers(3),
      flipper_length_mm: numbers(4),
      body_mass_g: numbers(5),
      sex: texts(6),
    });
    assert.deepEqual(
      predicted.map((fields) => fields[7]),
      [...(prediction!.data as unknown as string[])],
    );
    assert.deepEqual(
      predicted.flatMap((fields) => fields.slice(8).map(Number)),
      [...(probabilities!.data as Float32Array)],
    );
    await session.release();
  });

  it("says what was done as JSON, and writes tabs where the name asks for them", async () => {
    await trainPenguins("species", "--out", "species.onnx");
    const told = await record("predict", "species.onnx", penguins, "--out", "out.tsv");
    assert.deepEqual(
      { ...told, table: "", seconds: 0, rowsPerSecond: 0, peakBytes: 0 },
      {
        model: "species.onnx",
        table: "",
        rows: 344,
        out: "out.tsv",
        seconds: 0,
        rowsPerSecond: 0,
        peakBytes: 0,
        unseen: {},
      },
    );
    const [first] = (await readFile(join(folder, "out.tsv"), "utf8")).split("\n");
    assert.equal(first!.split("\t").length, 11);
  });
});

describe("predict and evaluate with --threads", () => {
  const [header = "", ...lines] = readFileSync(penguins, "utf8").trim().split("\n");
  const many = Array.from({ length: 15 }, () => lines).flat(); // three pieces of rows, of two runs each

  it("write and print what they do with one thread", async () => {
    await trainPenguins("species", ...few);
    await writeFile(join(folder, "many.csv"), `${[header, ...many].join("\n")}\n`);
    const [one, three] = [await microbatch("predict", "few.onnx", "many.csv"), "out.csv"];
    await record("predict", "few.onnx", "many.csv", "--threads", "3", "--out", three);
    assert.equal(await readFile(join(folder, three), "utf8"), one.stdout);
    const judge = ["evaluate", "few.onnx", "many.csv"];
    assert.deepEqual(await record(...judge, "--threads", "3"), await record(...judge));
  });

  it("tell what is wrong with a row behind what comes before it, and write nothing", async (context) => {
    await trainPenguins("species", ...few);
    const { run, end } = microbatchInOneProcess(folder);
    context.after(end);
    const wrong = many.with(4500, many[4500]!.replace(/,\d+,/, ",many,"));
    await writeFile(join(folder, "wrong.csv"), `${[header, ...wrong].join("\n")}\n`);
    const said = /^wrong\.csv, line 4502, column "[a-z_]+": expected a number/;
    for (const threads of ["1", "2"]) {
      const words = ["predict", "few.onnx", "wrong.csv", "--threads", threads];
      const { code, stdout, stderr } = await run(...words);
      assert.equal(code, 2);
      assert.match(stderr, said);
      assert.equal(stdout.split("\n").length - 2, 4096, "the pieces before it");
      assert.match((await run(...words, "--out", "wrong.out.csv")).stderr, said);
    }
    assert.ok(!(await readdir(folder)).includes("wrong.out.csv"));
  });
});

describe("microbatch evaluate", () => {
  it("prints the metrics of training beside the trivial model's, for people and for programs", async () => {
    await trainPenguins("body_mass_g", "--out", "mass.onnx", "--epochs", "60");
    const { code, stdout } = await microbatch("evaluate", "mass.onnx", penguins, "--target", "body_mass_g");
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^\S+penguins\.csv: 342 rows judged by body_mass_g; 2 without an answer are left out\n\s+model\s+baseline\n {2}rmse\s+\S+\s+\S+\n/,
    );
    assert.match(stdout, /\nThe baseline is always the mean, 4,\d+ of the rows it was trained on\.\n$/);
    const { metrics, baseline, judged, task } = await record("evaluate", "mass.onnx", penguins);
    assert.deepEqual({ judged, task }, { judged: 342, task: "regression" });
    assert.ok(metrics.rmse < 0.6 * baseline.rmse && metrics.r2 > 0.6 && Math.abs(baseline.r2) < 0.01);
  });

  it("says of which columns the training table had other categories", async () => {
    const rooms = (text: (count: number) => string) =>
      `rooms,kind\n${Array.from({ length: 40 }, (_, i) => `${text((i % 4) + 1)},${i % 4 < 2 ? "s" : "l"}`).join("\n")}\n`;
    await writeFile(join(folder, "rooms.csv"), rooms(String));
    await writeFile(
      join(folder, "floats.csv"),
      rooms((count) => `${count}.0`),
    ); // as data frames write numbers with gaps
    const asCategory = ["--type", "rooms=category", "--out", "rooms.onnx"];
    const trained = await microbatch(
      ...["train", "rooms.csv", "--target", "kind", "--epochs", "1", "--test", "floats.csv", ...asCategory],
    );
    assert.match(
      trained.stderr,
      /\n {2}beware {4}floats\.csv, column "rooms": 40 rows have a category that rooms\.csv does not have\n/,
    );
    const told = await record("evaluate", "rooms.onnx", "floats.csv");
    assert.deepEqual(told.unseen, { rooms: 40 });
    const { stderr } = await microbatch("evaluate", "rooms.onnx", "floats.csv");
    assert.equal(
      stderr,
      'beware: floats.csv, column "rooms": 40 of 40 rows have a category that the training table did not have, such as "1.0"\n',
    );
  });

  it("takes the answers from a column of another name", async () => {
    const [header, ...lines] = (await readFile(penguins, "utf8")).split("\n");
    await writeFile(join(folder, "renamed.csv"), [header!.replace("species", "kind"), ...lines].join("\n"));
    await trainPenguins("species", "--out", "species.onnx");
    const renamed = await record("evaluate", "species.onnx", "renamed.csv", "--target", "kind");
    assert.deepEqual(renamed.metrics, (await record("evaluate", "species.onnx", penguins)).metrics);
  });
});

describe("microbatch inspect", () => {
  it("says what a model takes, gives and holds, for people and for programs", async () => {
    await trainPenguins("species", "--out", "species.onnx");
    const { code, stdout } = await microbatch("inspect", "species.onnx");
    assert.equal(code, 0);
    for (const line of [
      /^species\.onnx: \S+ KiB, ONNX opset 21, by microbatch$/m,
      /^takes$/m,
      /^ {2}island +category {2}Biscoe, Dream, Torgersen$/m,
      /^ {2}bill_length_mm +number +4\d(\.\d+)? ± 5\.\d+, from 32\.1 to 59\.6, quartiles \d\d\.\d, \d\d\.\d, \d\d\.\d; 1 missing/m,
      /^gives$/m,
      /^ {2}prediction +text {2}species: Adelie, Chinstrap, Gentoo$/m,
      /^holds 5,\d+ parameters$/m,
      /^ {2}linear1\.weight +64 × 1\d {2}float32$/m,
      /^ {2}on 272 samples of training part of penguins\.csv$/m, // and not of the folder it lay in
      /^ {2}adamw, batch 32, microbatch 32, lanes 8, seed 0$/m,
    ])
      assert.match(stdout, line);
    const found = await record("inspect", "species.onnx");
    assert.deepEqual(found.outputs[0].labels, ["Adelie", "Chinstrap", "Gentoo"]);
    assert.equal(
      found.inputs.find(({ name }: { name: string }) => name === "sex").statistics.kind,
      "category",
    );
    assert.ok(found.run.optimizer.name === "adamw" && found.parameters > 5000);
  });
});

describe("the command line", () => {
  it("tells its help and version on standard output, with an example for every command", async () => {
    const version = await microbatch("--version");
    assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
    for (const command of ["train", "finetune", "predict", "evaluate", "inspect"]) {
      for (const words of [
        [command, "--help"],
        ["help", command],
      ]) {
        const { code, stdout, stderr } = await microbatch(...words);
        assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
        assert.match(stdout, new RegExp(`\\nExamples?:\\n {2}\\$ microbatch ${command} `));
      }
    }
    const bare = await microbatch();
    assert.equal(bare.code, 0);
    assert.match(bare.stdout, /Exit codes: 0 done, 1 the run failed, 2 bad input\./);
  });

  it("gives errors to programs too, where --json asks for it", async () => {
    const missing = await microbatch("train", "nowhere.csv", "--target", "x", "--json");
    assert.equal(missing.code, 2);
    assert.deepEqual(lastLine(missing).error.where, "read nowhere.csv");
    assert.equal(`${lastLine(missing).error.message}\n`, missing.stderr);
    const unknown = await microbatch("train", "nowhere.csv", "--targt", "x", "--json");
    assert.match(lastLine(unknown).error.message, /^unknown option '--targt'/);
  });
});
