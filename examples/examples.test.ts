/** Every plan runs through the command line, beats its baseline clearly, and prints what its README shows. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { nodeRuntime } from "../src/runtime/ort-node.ts";
import { microbatchIn } from "../test/command-line.ts";
import { temporaryFolder } from "../test/temporary-folder.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const microbatch = microbatchIn(root);
const folder = temporaryFolder();
const textOf = (path: string) => readFile(join(root, "examples", path), "utf8");

/** Other kinds of processors round differently, and a run drifts apart from there: only this kind prints the same digits. */
const recordedOn = /all on `([^`]+)`/.exec(await textOf("README.md"))![1];
const isSameProcessor = (await nodeRuntime()).processor === recordedOn;

type Metrics = Readonly<Record<string, number>>;

interface Trained {
  readonly stderr: string;
  readonly record: { readonly validation: Metrics; readonly baseline: Metrics };
}

async function train(path: string, out: string, ...flags: readonly string[]): Promise<Trained> {
  const { code, stdout, stderr } = await microbatch("train", path, "--json", "--out", out, ...flags);
  assert.equal(code, 0, stderr);
  return { stderr, record: JSON.parse(stdout.trim().split("\n").at(-1)!) };
}

/** A transcript without what is the machine's: progress, times, and where the folders lie. */
function steady(text: string): string[] {
  return text
    .replaceAll(root, "")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("epoch "))
    .map((line) =>
      line
        .replace(/steps in [^,]+,/, "steps in … s,")
        .replace(/^(Memory:).*$/, "$1 …")
        .replace(/Saved \S+:/, "Saved …:"),
    );
}

/** The rows of a transcript's table: [model, baseline] by metric. */
function figuresOf(transcript: string): [string, number, number][] {
  const rows = [...transcript.matchAll(/^ {2}(\w+) +(\S+) +(\S+)$/gm)];
  const number = (text: string) => Number(text.replaceAll(",", ""));
  return rows.map(([, metric, model, baseline]) => [metric!, number(model!), number(baseline!)]);
}

describe("an example's plan", { concurrency: 2 }, () => {
  for (const name of ["diamonds", "penguins", "wine", "breast-cancer", "digits", "churn"]) {
    it(`of ${name} beats its baseline as clearly as its README says`, async () => {
      const shown = /```text\n(.*?)```/s.exec(await textOf(`${name}/README.md`))![1]!;
      const { stderr, record } = await train(`examples/${name}/plan.ts`, join(folder, `${name}.onnx`));
      // The first metric is what the plan is about. Over the splits of the READMEs the way from the baseline to the model differs by
      // 6 % at most (breast-cancer): a fifth is three times that, and still no baseline comes near it.
      const [metric, recorded, trivial] = figuresOf(shown)[1]!;
      const { validation, baseline } = record;
      const way = (validation[metric]! - baseline[metric]!) / (recorded - trivial);
      assert.ok(
        way > 0.8,
        `${metric} ${validation[metric]} against ${baseline[metric]}, recorded ${recorded}`,
      );
      if (isSameProcessor) assert.deepEqual(steady(stderr), steady(shown));
    });
  }
});

describe("the README of digits", () => {
  it("tells what a speck of dust does to standardised pixels and to divided ones", async () => {
    const readme = await textOf("digits/README.md");
    const table = gunzipSync(await readFile(join(root, "examples/digits/digits.csv.gz"))).toString();
    const speck = join(folder, "speck.csv");
    await writeFile(speck, specked(table));
    const [divided, standardized] = [join(folder, "divided.onnx"), join(folder, "standardized.onnx")];
    await train("examples/digits/plan.ts", divided);
    await train("examples/digits/digits.csv.gz", standardized, "--target", "digit");
    const accuracyOf = async (model: string, path: string) => {
      const { code, stdout, stderr } = await microbatch(
        "evaluate",
        model,
        path,
        "--target",
        "digit",
        "--json",
      );
      assert.equal(code, 0, stderr);
      const { metrics }: { readonly metrics: Metrics } = JSON.parse(stdout);
      return metrics.accuracy!;
    };
    for (const [label, model] of [
      ["divided by 16", divided],
      ["standardised", standardized],
    ] as const) {
      const cells = new RegExp(`\\| ${label}.*\\| (\\S+) \\| (\\S+) \\|`).exec(readme)!.slice(1);
      const clean = await accuracyOf(model, "examples/digits/digits.csv.gz");
      const dirty = await accuracyOf(model, speck);
      assert.ok(label === "standardised" ? dirty < clean - 0.5 : dirty > clean - 0.05, `${clean}, ${dirty}`);
      if (isSameProcessor) assert.deepEqual(cells, [clean.toFixed(3), dirty.toFixed(3)]);
    }
  });
});

/** Half a pixel of ink on pixel_5_0, the forty-first column, of every image. */
function specked(table: string): string {
  const [header, ...lines] = table.trim().split("\n");
  const dirty = lines.map((line) =>
    line
      .split(",")
      .map((value, column) => (column === 40 ? Number(value) + 8 : value))
      .join(","),
  );
  return `${[header, ...dirty].join("\n")}\n`;
}

/** Numbers split by split, by target, model and metric. */
type Results = Readonly<
  Record<string, Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>>
>;

describe("the comparison in a README", () => {
  for (const name of ["penguins", "wine", "breast-cancer", "digits", "churn", "diamonds"]) {
    it(`of ${name} has the reference's numbers, and networks within 2 % of them`, async () => {
      const { results }: { readonly results: Results } = JSON.parse(await textOf(`${name}/reference.json`));
      const rows = [
        ...(await textOf(`${name}/README.md`)).matchAll(/^\| (\w+), ([^|]+) \| (\w+) \|(.*)\|$/gm),
      ];
      assert.ok(rows.length > 0);
      for (const [line, target, model, metric, cells] of rows) {
        const [, theirs, ours] = cells!.split("|").map((cell) => Number.parseFloat(cell));
        const values = results[target!]![model!]![metric!]!;
        const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
        // reference.json has four digits, the README four decimals or one.
        assert.ok(Math.abs(mean - theirs!) <= 1e-3 * Math.max(1, Math.abs(mean)), line);
        const worse = metric === "rmse" || metric === "mae" ? ours! / theirs! : theirs! / ours!;
        if (model!.startsWith("mlp")) assert.ok(worse < 1.02, line);
      }
    });
  }
});
