/** The README is run: its first two blocks are the two commands, its TypeScript trains, and what it prints is what it says. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import sharp from "sharp";
import { temporaryFolder } from "./temporary-folder.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../", import.meta.url));
const readme = await readFile(join(root, "README.md"), "utf8");
const blocks = [...readme.matchAll(/```(\w+)\n(.*?)```/gs)].map(([, language, text]) => ({
  language,
  text: text!.trim(),
}));

/** The README's paths are those of the repository, so its code runs there; what it writes goes elsewhere. */
const folder = temporaryFolder();

describe("the README", () => {
  it("begins with the two commands, each with all its set-up in one line", () => {
    const shell = blocks.filter(({ language }) => language === "sh").map(({ text }) => text);
    assert.equal(shell.length, 2);
    assert.match(
      shell[0]!,
      /^npm ci && npm run --silent microbatch -- train examples\/penguins\/penguins\.csv --target species$/,
    );
    assert.equal(shell[1], "npm ci && npm test");
    assert.deepEqual(
      blocks.slice(0, 2).map(({ language }) => language),
      ["sh", "sh"],
    );
  });

  it("shows what the first command really prints", async () => {
    const command = blocks[0]!.text.replace("npm ci && npm run --silent microbatch -- ", "").split(" ");
    const { stderr } = await run(
      process.execPath,
      ["src/cli/main.ts", ...command, "--out", join(folder, "model.onnx")],
      {
        cwd: root,
      },
    );
    // Progress lines and times are the machine's; the numbers are the plan's.
    const steady = (text: string) =>
      text
        .trim()
        .split("\n")
        .filter((line) => !line.startsWith("epoch "))
        .map((line) =>
          line
            .replace(/steps in [^,]+,/, "steps in … s,")
            .replace(/^Memory: [\d,]+ MB at most, [\d,]+ MB predicted\.$/, "Memory: …")
            .replace(/Saved \S*model.onnx/, "Saved model.onnx"),
        );
    const shown = blocks.find(({ text }) => text.includes("The model beats the baseline"))!;
    assert.deepEqual(steady(stderr), steady(shown.text));
    assert.ok((await stat(join(folder, "model.onnx"))).size > 1000);
  });

  it("has commands that do what stands beside them", async () => {
    const prefix = "npm run --silent microbatch -- ";
    const commands = blocks
      .filter(({ language }) => language === "text")
      .flatMap(({ text }) => text.split("\n"))
      .filter((line) => line.startsWith(prefix))
      .map((line) => line.slice(prefix.length).split(" "));
    assert.deepEqual(
      commands.map(([name]) => name),
      ["predict", "evaluate", "inspect", "finetune", "train", "generate", "train", "train", "runs"],
    );
    const there = (word: string) =>
      /^((model|tuned|book)\.onnx|predictions\.csv|runs\/(first)?)$/.test(word) ? join(folder, word) : word;
    for (const words of commands) {
      const { stdout, stderr } = await run(process.execPath, ["src/cli/main.ts", ...words.map(there)], {
        cwd: root,
      });
      assert.match(
        stdout + stderr,
        /Predicted 344 rows|344 rows judged by species|^takes$|\(the file as it came\)|loss \S+ against \S+ \(always by how often each byte|^Ishmael.|on 2 threads|first has ended at step 225: |first +ended +225 /m,
      );
    }
    assert.equal((await readFile(join(folder, "predictions.csv"), "utf8")).trim().split("\n").length, 345);
  });

  it("has TypeScript that does the same, to the last bit", async () => {
    const code = blocks.find(({ language }) => language === "ts")!.text;
    const saved = join(folder, "penguins.onnx");
    const script = join(folder, "readme.ts");
    await writeFile(script, runnable(code).replace('"penguins.onnx"', JSON.stringify(saved)));
    const { stdout } = await run(process.execPath, [script], { cwd: root });
    const [, loss, accuracy] = /loss: ([\d.]+), accuracy: ([\d.]+)/.exec(stdout)!;
    const command = ["train", "examples/penguins/penguins.csv", "--target", "species", "--json"];
    const trained = await run(
      process.execPath,
      ["src/cli/main.ts", ...command, "--out", join(folder, "same.onnx")],
      { cwd: root },
    );
    const { validation } = JSON.parse(trained.stdout);
    assert.deepEqual([Number(loss), Number(accuracy)], [validation.loss, validation.accuracy]);
    assert.ok((await stat(saved)).size > 1000);
  });

  it("has TypeScript that learns from a folder of images", async () => {
    const code = blocks.filter(({ language }) => language === "ts")[1]!.text;
    const flowers = join(folder, "flowers");
    for (const [name, background] of [
      ["rose", "#c01030"],
      ["tulip", "#e0b010"],
    ] as const) {
      await mkdir(join(flowers, name), { recursive: true });
      for (let file = 0; file < 8; file++) {
        const image = sharp({ create: { width: 40, height: 36 + file, channels: 3, background } });
        await image.png().toFile(join(flowers, name, `${file}.png`));
      }
    }
    const script = join(folder, "images.ts");
    await writeFile(script, runnable(code).replace('"flowers/"', JSON.stringify(flowers)));
    const { stdout } = await run(process.execPath, [script], { cwd: root });
    assert.ok(Number(/loss: ([\d.e-]+)/.exec(stdout)![1]) < Math.log(2), stdout); // better than a guess
  });
});

const door = (name: string) => JSON.stringify(new URL(`../src/${name}.ts`, import.meta.url).href);

/** The README's code with the package's doors where they lie here. */
function runnable(code: string): string {
  return code.replaceAll('"microbatch/node"', door("node")).replaceAll('"microbatch"', door("index"));
}
