/** The example on Fashion-MNIST, on its first images: it learns. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { main } from "../command-line.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { fashionMnist, testWith } from "./installed.ts";

const folder = temporaryFolder();
const plan = fileURLToPath(new URL("../../examples/fashion-mnist/plan.ts", import.meta.url));

testWith(
  fashionMnist,
  "of a thousand images two epochs teach the example's network most kinds of clothing",
  async () => {
    const env = { ...process.env, FASHION_MNIST_SAMPLES: "1000", FASHION_MNIST: fashionMnist.folder };
    const words = [
      "train",
      plan,
      "--epochs",
      "2",
      "--batch-size",
      "32",
      "--json",
      "--out",
      join(folder, "clothes.onnx"),
    ];
    const stdout = await new Promise<string>((resolve, reject) => {
      execFile(process.execPath, [main, ...words], { env }, (error, out, complaint) =>
        error === null ? resolve(out) : reject(new Error(complaint)),
      );
    });
    const { validation } = JSON.parse(stdout.trim().split("\n").at(-1)!);
    assert.ok(validation.accuracy > 0.5, `accuracy ${validation.accuracy}, where one in ten is chance`);
  },
);
