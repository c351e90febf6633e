/**
 * Trains an example with the command line on the splits that reference.py drew, and prints both results side by side.
 * Run it with `node examples/compare.ts penguins`; without a name it compares all of them.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";

/** One model of an example: what the command line is told, and what reference.json calls the same. */
interface Comparison {
  readonly file: string;
  readonly target: string;
  readonly model: string;
  readonly flags: readonly string[];
}

const linear = { model: "linear", flags: ["--hidden", "none"] };
const network = { model: "mlp", flags: [] };
const ordered = [
  "cut=Fair<Good<Very Good<Premium<Ideal",
  "color=J<I<H<G<F<E<D",
  "clarity=I1<SI2<SI1<VS2<VS1<VVS2<VVS1<IF",
].flatMap((type) => ["--type", type]);
const balanced = ["--class-weights", "balanced"];

const examples: Readonly<Record<string, readonly Comparison[]>> = {
  penguins: ["species", "body_mass_g"].flatMap((target) => [
    { file: "penguins.csv", target, ...linear },
    { file: "penguins.csv", target, ...network },
  ]),
  wine: [linear, network].map((kind) => ({ file: "wine.csv", target: "cultivar", ...kind })),
  "breast-cancer": [linear, network].map((kind) => ({
    file: "breast-cancer.csv",
    target: "diagnosis",
    ...kind,
  })),
  digits: [linear, network].map((kind) => ({ file: "digits.csv.gz", target: "digit", ...kind })),
  churn: [
    linear,
    network,
    { model: "linear, balanced", flags: [...linear.flags, ...balanced] },
    { model: "mlp, balanced", flags: balanced },
  ].map((kind) => ({ file: "churn.csv", target: "churn", ...kind })),
  diamonds: [linear, network].map(({ model, flags }) => ({
    file: "diamonds.csv.gz",
    target: "price",
    model,
    flags: [...flags, ...ordered, "--batch-size", "256"],
  })),
};

type Metrics = Readonly<Record<string, number>>;

/** A table cut into lines, and each sample's target. */
interface Samples {
  readonly header: string;
  readonly lines: readonly string[];
  readonly targets: readonly string[];
}

async function readSamples(path: string, target: string): Promise<Samples> {
  const bytes = await readFile(path);
  const [header, ...lines] = (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString().trim().split("\n");
  const column = header!.split(",").indexOf(target); // no field of these tables is quoted
  const targetOf = (line: string) => line.split(",")[column]!;
  const complete = lines.filter((line) => targetOf(line) !== "");
  return { header: header!, lines: complete, targets: complete.map(targetOf) };
}

/** The split of reference.py: a fifth of every stratum to validate, a fifth to test, in the order of SHA-256 of "seed index". */
function split(strata: readonly string[], seed: number): { validation: Set<number>; test: Set<number> } {
  const parts = { validation: new Set<number>(), test: new Set<number>() };
  for (const stratum of new Set(strata)) {
    const order = [...strata.keys()]
      .filter((index) => strata[index] === stratum)
      .map((index) => ({ index, key: createHash("sha256").update(`${seed} ${index}`).digest("hex") }))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    const fifth = Math.floor(order.length * 0.2 + 0.5);
    for (const { index } of order.slice(0, fifth)) parts.validation.add(index);
    for (const { index } of order.slice(fifth, 2 * fifth)) parts.test.add(index);
  }
  return parts;
}

const run = promisify(execFile);
const program = join(import.meta.dirname, "..", "src", "cli", "main.ts");

/** Test metrics of the command line's model for one seed. */
async function train(
  { target, flags }: Comparison,
  samples: Samples,
  strata: readonly string[],
  seed: number,
  folder: string,
): Promise<Metrics> {
  const { validation, test } = split(strata, seed);
  const write = async (name: string, isIn: (index: number) => boolean) => {
    const lines = samples.lines.filter((_, index) => isIn(index));
    await writeFile(join(folder, name), `${[samples.header, ...lines].join("\n")}\n`);
    return join(folder, name);
  };
  const training = await write("training.csv", (index) => !validation.has(index) && !test.has(index));
  const validated = ["--validation", await write("validation.csv", (index) => validation.has(index))];
  const tested = ["--test", await write("test.csv", (index) => test.has(index))];
  const files = [training, "--target", target, ...validated, ...tested, "--out", join(folder, "model.onnx")];
  const { stdout } = await run(process.execPath, [
    ...[program, "train", ...files],
    ...["--seed", String(seed), "--json", ...flags],
  ]);
  const record: { readonly test: Metrics } = JSON.parse(stdout.trim().split("\n").at(-1)!);
  return record.test;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const deviation = (values: readonly number[]) =>
  Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)));
/** Four decimals for scores, one for dollars and grams. */
const rounded = (values: readonly number[], like: readonly number[] = values) =>
  values.map((value) => value.toFixed(Math.abs(mean(like)) >= 100 ? 1 : 4).replace(/^-(0\.0+)$/, "$1"));
const spread = (values: readonly number[]) => rounded([mean(values), deviation(values)], values).join(" ± ");

/** Values of one model by metric, one per seed. */
type Scores = Readonly<Record<string, readonly number[]>>;

/** One row per metric: the reference, ours, their ratio, and the difference on equal splits with its standard error. */
function rows({ target, model }: Comparison, trivial: Scores, theirs: Scores, ours: readonly Metrics[]) {
  return Object.entries(theirs).map(([metric, reference]) => {
    const own = ours.map((one) => one[metric] ?? Number.NaN);
    const differences = own.map((value, seed) => value - reference[seed]!);
    const error = deviation(differences) / Math.sqrt(differences.length - 1);
    const cells = [
      `${target}, ${model}`,
      metric,
      rounded([mean(trivial[metric]!)], reference)[0],
      spread(reference),
      spread(own),
      `${((100 * mean(own)) / mean(reference)).toFixed(1)} %`,
      rounded([mean(differences), error], reference).join(" ± "),
    ];
    return `| ${cells.join(" | ")} |`;
  });
}

/** Compares every model of an example, line by line of a Markdown table. */
async function compare(name: string): Promise<void> {
  const text = await readFile(join(import.meta.dirname, name, "reference.json"), "utf8");
  const reference: {
    readonly versions: Readonly<Record<string, string>>;
    readonly seeds: number;
    readonly results: Readonly<Record<string, Readonly<Record<string, Scores>>>>;
  } = JSON.parse(text);
  console.log(
    `${name}, ${reference.seeds} splits; scikit-learn ${reference.versions["scikit-learn"]}, PyTorch ${reference.versions.torch}`,
  );
  console.log("| model | metric | baseline | reference | microbatch | ratio | difference |");
  console.log("| --- | --- | --- | --- | --- | --- | --- |");
  const folder = await mkdtemp(join(tmpdir(), "microbatch-compare-"));
  try {
    for (const comparison of examples[name]!) {
      const { file, target, model } = comparison;
      const theirs = reference.results[target]![model]!;
      const samples = await readSamples(join(import.meta.dirname, name, file), target);
      const isNumber = "rmse" in theirs;
      const strata = samples.targets.map((value) => (isNumber ? "" : value));
      const ours: Metrics[] = [];
      for (let seed = 0; seed < reference.seeds; seed++) {
        ours.push(await train(comparison, samples, strata, seed, folder));
      }
      for (const row of rows(comparison, reference.results[target]!.baseline!, theirs, ours))
        console.log(row);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(examples);
for (const name of names) {
  if (!Object.hasOwn(examples, name)) {
    console.error(`no example "${name}"; there are ${Object.keys(examples).join(", ")}`);
    process.exit(2);
  }
  await compare(name);
}
